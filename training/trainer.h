// One network being trained: steps, the average of its weights, and its whole state in a checkpoint.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "idn/model.h"
#include "optim/adam.h"
#include "optim/ema.h"
#include "optim/schedule.h"

namespace sr {

namespace cuda {
class StepOnCuda;
}

enum class Loss { l1, l2, ssim };
/// "l1", "l2" or "ssim".
const char* name_of(Loss);

struct TrainerOptions {
  Loss loss = Loss::l1;
  Schedule schedule = {};
  AdamOptions adam = {};
  double clip_norm = 0;           ///< gradients are shortened to this Euclidean norm; 0 = never
  double ema_decay = 0;           ///< of the weights' average, which is then what is used; 0 = no average
  Device device = Device::cpu;    ///< cuda: the calling thread's GPU, in cuda::precision()
  bool rate_multipliers = false;  ///< the authors' solver: biases and upsampler at a tenth of the rate
};

/// One batch on the 0..1 scale: gt and bic_up [n, factor*h, factor*w, nchan], down [n, h, w, nchan].
struct TrainingBatch {
  Tensor gt, down, bic_up;
};

struct StepResult {
  double loss = 0;           ///< before the step's update
  double gradient_norm = 0;  ///< before clipping
  double rate = 0;
};

class Trainer {
 public:
  Trainer(Trainer&&);
  ~Trainer();

  /// Starts at step 0 with the model's weights.
  Trainer(Model model, const TrainerOptions& options);

  /// Forward, backward, update. result = net(down - mean_down) + (bic_up - mean_bic_up) + mean_gt is compared
  /// with gt; `progress` as in learning_rate(). Errors: limit (the loss or its gradient is not finite: the
  /// step is not taken), shape.
  StepResult step(const TrainingBatch& batch, double progress);

  int64_t steps() const { return adam_->steps(); }
  const TrainerOptions& options() const { return options_; }
  /// The weights to use: the average if there is one.
  const Model& model() const { return average_ ? *average_ : *model_; }

  /// Everything: the model to use under the names that Model::load reads, and what the training needs to go
  /// on bit by bit. `notes` is a JSON object that comes back from restore().
  void save(const std::string& path, const std::string& notes) const;

  /// Goes on where save() was called; returns the notes. A checkpoint without a training's state, such as
  /// imported weights, gives its weights and an empty text, and steps start at 0. Errors: those of
  /// Model::from_checkpoint; format (part of the state is missing).
  static Trainer restore(const std::string& path, const TrainerOptions& options, std::string& notes);

 private:
  struct Inputs {
    Tensor down, base;  // what the network sees, and what is added to its result
  };
  Inputs inputs(const TrainingBatch& batch) const;
  StepResult step_on_cpu(const TrainingBatch& batch, double rate);
  StepResult step_on_cuda(const TrainingBatch& batch, double rate);

  TrainerOptions options_;
  std::unique_ptr<Model> model_, average_;
  std::unique_ptr<Adam> adam_;
  std::optional<Ema> ema_;
  std::shared_ptr<cuda::StepOnCuda> on_cuda_;  // not unique: a build without CUDA has no code to end it
};

/// Takes over every parameter of `from` that `to` has under the same name with the same shape, the upsampler
/// only if both enlarge by the same factor; returns how many. For a network that starts from another's
/// weights.
int64_t take_weights(Model& to, const Model& from);

/// What train() keeps in a checkpoint's notes; what the text does not say is as here.
struct TrainingNotes {
  double best_psnr = -1;                   ///< of the validations so far
  int64_t batch_size = 0, patch_size = 0;  ///< 0: not known
};
std::string to_text(const TrainingNotes& notes);
TrainingNotes notes_in(const std::string& text);

}  // namespace sr

// One network being trained: steps, the average of its weights, and its whole state in a checkpoint.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "distributed/gradient_sum.h"
#include "distributed/nccl_ranks.h"
#include "idn/model.h"
#include "optim/adam.h"
#include "optim/ema.h"
#include "optim/schedule.h"
#include "training/batch.h"

namespace sr {

namespace cuda {
class StepOnCuda;
}

enum class Loss { l1, l2, ssim };
/// "l1", "l2" or "ssim".
const char* name_of(Loss);

struct TrainerOptions {
  Loss loss = Loss::l1;
  double spectral_angle = 0;  ///< times the mean spectral angle is added to it
  Schedule schedule = {};
  AdamOptions adam = {};
  double clip_norm = 0;           ///< gradients are shortened to this Euclidean norm; 0 = never
  double ema_decay = 0;           ///< of the weights' average, which is then what is used; 0 = no average
  Device device = Device::cpu;    ///< cuda: the calling thread's GPU, in cuda::precision()
  bool rate_multipliers = false;  ///< the authors' solver: biases and upsampler at a tenth of the rate
};

struct StepResult {
  double loss = 0;           ///< before the step's update
  double gradient_norm = 0;  ///< before clipping
  double rate = 0;
};

/// Writes a trainer's checkpoint. `notes` is a JSON object that comes back from Trainer::restore().
void save_training(const std::string& path, Checkpoint checkpoint, const std::string& notes);

class Trainer {
 public:
  Trainer(Trainer&&);
  ~Trainer();

  /// Starts at step 0 with the model's weights.
  Trainer(Model model, const TrainerOptions& options);

  /// Before the first step: its batches, and all later ones, are images_of_rank() of batches of so many
  /// images, whose gradients are summed over the processes. Losses and norms are those of the whole; on the
  /// processor bits do not depend on the number of processes, on GPUs they do. Returns which way a GPU's
  /// gradients go, in a line, and why if it is the slower one. Errors: as GradientSum, NcclRanks.
  std::string share_steps(Ranks& ranks, int64_t batch_size);

  /// Forward, backward, update: net(down) + base is compared with gt; `progress` as in learning_rate().
  /// Errors: limit (the loss or its gradient is not finite: the step is not taken), shape, device.
  StepResult step(const TrainingBatch& batch, double progress) {
    begin(batch, progress);
    return finish();
  }

  /// The same in two parts, so that a GPU computes while the processor does other things: as many as ahead()
  /// steps may be under way when another is begun. finish() gives the result of the one that was begun first;
  /// if it was not taken, none is that was begun after it, and they are forgotten.
  void begin(const TrainingBatch& batch, double progress);
  StepResult finish();
  int64_t ahead() const { return options_.device == Device::cuda && !sum_ ? 1 : 0; }
  int64_t under_way() const { return std::ssize(begun_); }

  /// Steps that are taken and finished. Nothing is saved while others are under way.
  int64_t steps() const { return adam_->steps(); }
  const TrainerOptions& options() const { return options_; }
  /// The weights to use: the average if there is one.
  const Model& model() const { return average_ ? *average_ : *model_; }

  /// Everything as it is now: the model to use under the names that Model::load reads, and what the training
  /// needs to go on bit by bit. On the processor its numbers are the trainer's own: the next step changes
  /// them. Errors: usage (steps are under way).
  Checkpoint checkpoint() const;
  void save(const std::string& path, const std::string& notes) const {
    save_training(path, checkpoint(), notes);
  }

  /// Goes on where checkpoint() was called; returns the notes. A checkpoint without a training's state, such
  /// as imported weights, gives its weights and an empty text, and steps start at 0. Errors: those of
  /// Model::from_checkpoint; format (part of the state is missing).
  static Trainer restore(const std::string& path, const TrainerOptions& options, std::string& notes);

 private:
  struct Begun {
    TrainingBatch batch;
    double rate = 0;
  };
  StepResult step_on_cpu(const Begun& step);
  double gradients(const TrainingBatch& batch);
  double shared_gradients(const TrainingBatch& batch);
  double loss_factor() const;
  void begin_on_cuda(const Begun& step);
  StepResult finish_on_cuda(const Begun& step);

  TrainerOptions options_;
  std::unique_ptr<Model> model_, average_;
  std::unique_ptr<Adam> adam_;
  std::optional<Ema> ema_;
  std::unique_ptr<GradientSum> sum_;  // or
  std::unique_ptr<NcclRanks> nccl_;
  int64_t batch_size_ = 0;                     // where it is shared
  std::shared_ptr<cuda::StepOnCuda> on_cuda_;  // not unique: a build without CUDA has no code to end it
  double loss_factor_ = 0;                     // it begins with; 0: it chooses one
  std::deque<Begun> begun_;
};

/// Takes over every parameter of `from` that `to` has under the same name with the same shape, the upsampler
/// only if both enlarge by the same factor; returns how many. For a network that starts from another's
/// weights.
int64_t take_weights(Model& to, const Model& from);

/// What train() keeps in a checkpoint's notes; what the text does not say is as here.
struct TrainingNotes {
  double best_psnr = -1;                   ///< of the validations so far
  std::string judged_on;                   ///< what they were on: judged_on() of start.h
  int64_t batch_size = 0, patch_size = 0;  ///< 0: not known
};
std::string to_text(const TrainingNotes& notes);
TrainingNotes notes_in(const std::string& text);

}  // namespace sr

// A training step on a GPU.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "idn/model.h"
#include "optim/adam.h"
#include "optim/adam_cuda.h"
#include "tensor/device_cuda.h"
#include "tensor/graph_cuda.h"
#include "tensor/on_cuda.h"

namespace sr::cuda {

/// Forward, backward, the gradients' norm, Adam and the weights' average, recorded for batches of one shape
/// and repeated with one call. With fp16 the loss is multiplied by a power of two, so that gradients do not
/// vanish; it is halved when they become infinite. For the thread that made it.
class StepOnCuda {
 public:
  struct Options {
    double clip_norm = 0, ema_decay = 0;
    bool rate_multipliers = false;
  };
  /// The loss of the network's result against gt; both on the GPU.
  using LossOf = std::function<Var(const Var& result, const Tensor& gt)>;

  /// `average` may be null. All must stay where they are.
  StepOnCuda(Model& model, Model* average, Adam& adam, LossOf loss_of, const Options& options);

  struct Result {
    double loss = 0, gradient_norm = 0;
    bool finite = true;  ///< else no step was taken
  };
  /// `down` as the network sees it, `base` what is added to its result, `gt`: on the processor. Errors:
  /// device, limit.
  Result operator()(const Tensor& down, const Tensor& base, const Tensor& gt, double rate);

 private:
  struct Answer {  // what comes back
    StepState state;
    float loss = 0;
  };

  void prepare(const Tensor& down, const Tensor& gt);
  void compute();
  void take_gradients();
  Answer run();

  Model& model_;
  Model* average_;
  Adam& adam_;
  LossOf loss_of_;
  Options options_;
  std::vector<AdamTensor> tensors_;
  int64_t pieces_ = 0;
  double loss_scale_ = 0;  // 0: not yet chosen
  PackedWeights packed_;
  Tensor down_, base_, gt_, table_, workspace_, step_, state_;
  PinnedMemory pinned_down_, pinned_base_, pinned_gt_, pinned_table_, pinned_step_, pinned_state_,
      pinned_loss_;
  std::unique_ptr<Graph> graph_;  // last: its memory is used by none of the above
};

}  // namespace sr::cuda

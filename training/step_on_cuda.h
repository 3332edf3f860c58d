// A training step on a GPU.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "distributed/gradient_sum.h"
#include "idn/model.h"
#include "optim/adam.h"
#include "optim/adam_cuda.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/graph.h"
#include "training/batch.h"
#include "training/gradient_block_cuda.h"
#include "training/sum_by_nccl_cuda.h"
#include "training/sum_on_host_cuda.h"

namespace sr::cuda {

/// Forward, backward, the gradients' norm, Adam and the weights' average, recorded for batches of one shape
/// and repeated with one call. With fp16 the loss is multiplied by a power of two, so that gradients do not
/// vanish; it is halved when they become infinite. A step can be begun while another is under way: the device
/// then goes from one to the next without the processor. Of several processes what is recorded ends with the
/// gradients; they are summed, and each process takes the same step from the sum: if they became infinite in
/// one, all repeat it. For the thread that made it.
class StepOnCuda {
 public:
  struct Options {
    double clip_norm = 0, ema_decay = 0;
    bool rate_multipliers = false;
    GradientSum* on_host = nullptr;  ///< over processes that have a part of each batch; of one node
    NcclRanks* by_nccl = nullptr;  ///< the same from GPU to GPU: a device goes on to the next step by itself
    int64_t batch_size = 0;        ///< of all of them together
    double loss_factor = 0;        ///< with fp16 what loss_factor() was; 0: chosen by the first batch
  };
  /// The loss of the network's result against gt; both on the GPU.
  using LossOf = std::function<Var(const Var& result, const Tensor& gt)>;

  /// `average` may be null. All must stay where they are.
  StepOnCuda(Model& model, Model* average, Adam& adam, LossOf loss_of, const Options& options);
  ~StepOnCuda();
  StepOnCuda(const StepOnCuda&) = delete;
  StepOnCuda& operator=(const StepOnCuda&) = delete;

  struct Result {
    double loss = 0, gradient_norm = 0;
    bool finite = true;  ///< else no step was taken
  };
  static constexpr size_t kUnderWay = 2;  ///< steps at most that are begun and not finished

  /// The batch lies anywhere, and is no part of another. Errors: device, limit; usage (too many are under
  /// way).
  void begin(const TrainingBatch& batch, double rate);
  /// Waits for the step that was begun first. If it was not taken, none is that was begun after it, and they
  /// are forgotten. Errors: device, limit; usage (none is under way).
  Result finish();

  /// With fp16 by what the loss is multiplied now; 0 before the first batch and in other precisions.
  double loss_factor() const;

 private:
  struct Step {
    TrainingBatch batch;  // on the device
    AdamStep factors;
    PinnedMemory pinned_factors, pinned_state;
    Event done;
  };

  bool shared() const { return block_.has_value(); }
  void settle();
  void prepare(const TrainingBatch& batch);
  void compute();
  void take_gradients();
  void update(const Tensor& loss);
  void start(Step& step);
  void read_state(Step& step);
  StepState wait_for(Step& step);
  StepState repeat(Step& step);
  void forgive();
  Step& under_way(size_t number) { return steps_[(first_ + number) % kUnderWay]; }

  Model& model_;
  Model* average_;
  Adam& adam_;
  LossOf loss_of_;
  Options options_;
  std::vector<AdamTensor> tensors_;
  int64_t pieces_ = 0;
  double loss_factor_ = 0;  // 0: not yet chosen
  double share_ = 1;        // of these images in the mean over all processes'
  PackedWeights packed_;
  TrainingBatch batch_;
  Tensor table_, workspace_, step_, state_;
  PinnedMemory pinned_table_;
  std::optional<GradientBlock> block_;  // of several processes, with one of the sums
  std::optional<SumOnHost> on_host_;
  std::optional<SumByNccl> by_nccl_;
  std::array<Step, kUnderWay> steps_;
  size_t first_ = 0, count_ = 0;  // those under way
  std::unique_ptr<Graph> graph_;  // last: its memory is used by none of the above
};

}  // namespace sr::cuda

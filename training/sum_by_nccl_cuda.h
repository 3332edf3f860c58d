// Gradients of GPUs that are summed from one to the other.
#pragma once

#include <vector>

#include "distributed/nccl_ranks.h"
#include "distributed/rank_tree.h"
#include "tensor/cuda/device.h"
#include "tensor/tensor.h"
#include "training/gradient_block_cuda.h"

namespace sr::cuda {

/// Sums blocks over the processes, each a leaf of the tree, with the additions of GradientSum in their order
/// and so to its bits. For the thread that made it.
class SumByNccl {
 public:
  /// `nccl` must stay. Errors: limit, device.
  SumByNccl(NcclRanks& nccl, const GradientBlock& block);

  /// Queues the sum, which then is in the block, behind what the thread has asked of the device. Errors:
  /// those of NcclRanks; device.
  void start(GradientBlock& block);

  /// Until the device has come by what the thread has asked of it, or by the event; looks out for others that
  /// failed. Errors: likewise.
  void wait();
  void wait_for(Event& event);  ///< likewise

 private:
  NcclRanks& nccl_;
  std::vector<SumStep> steps_;
  std::vector<Tensor> others_;  // of each step that receives
  Event here_;
};

}  // namespace sr::cuda

// Gradients of a GPU that are summed over processes in the host's memory.
#pragma once

#include "distributed/gradient_sum.h"
#include "tensor/cuda/device.h"
#include "training/gradient_block_cuda.h"

namespace sr::cuda {

/// Takes a block to the host, where it is summed with other processes', and back: once across the bus in each
/// direction. For the thread that made it.
class SumOnHost {
 public:
  /// `sum` has one node and must stay.
  explicit SumOnHost(GradientSum& sum) : sum_(sum) {}

  /// Waits for what the thread has asked of the device, and for the others; starts the sum's way into the
  /// block. Errors: limit, device; those of GradientSum::finish().
  void sum(GradientBlock& block);

 private:
  GradientSum& sum_;
  PinnedMemory pinned_;
};

}  // namespace sr::cuda

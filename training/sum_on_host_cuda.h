// Gradients of a GPU that are summed over processes.
#pragma once

#include <span>
#include <vector>

#include "autograd/params.h"
#include "distributed/gradient_sum.h"
#include "tensor/cuda/device.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// A loss and the gradients of all parameters on their way from the device to the host, where they are summed
/// with other processes', and back: once across the bus in each direction. For the thread that made it.
class SumOnHost {
 public:
  /// `sum` has one node and must stay. Errors: limit, device.
  SumOnHost(GradientSum& sum, const Params& params);

  /// What backward() left; can be recorded. Errors: device.
  void start_copy_to_host(const Tensor& loss, const Params& params);
  /// Waits for the copies, and starts the sums' way to the device; returns the loss's, to which this
  /// process's counts `share` times. Errors: device; those of GradientSum::finish().
  const Tensor& exchange(double share);
  /// On the device, once exchange() has come by: the sum of parameter i's, aligned for four numbers at once.
  const float* gradient(size_t i) const;

 private:
  std::span<float> numbers();  // on the host: the loss, then the gradients

  GradientSum& sum_;
  std::vector<int64_t> places_;  // where each parameter's begins; one more for the end
  PinnedMemory pinned_;
  Tensor sums_, loss_;  // on the device: all, and the first of them
};

}  // namespace sr::cuda

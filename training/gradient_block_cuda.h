// A GPU's gradients side by side.
#pragma once

#include <vector>

#include "autograd/params.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// A loss and the gradients of all parameters in one piece of the device's memory, where they are summed with
/// those of other processes. For the thread that made it.
class GradientBlock {
 public:
  /// Errors: limit, device.
  explicit GradientBlock(const Params& params);

  /// Copies what backward() left, and the loss `share` times; can be recorded. Errors: device.
  void take(const Tensor& loss, float share, const Params& params);

  const Tensor& loss() const { return loss_; }
  /// Parameter i's, aligned for four numbers at once.
  const float* gradient(size_t i) { return numbers() + places_[i]; }

  /// All of it: the loss, then the gradients, with zeros between them.
  float* numbers() { return static_cast<float*>(all_.address()); }
  int64_t count() const { return places_.back(); }

 private:
  std::vector<int64_t> places_;  // where each parameter's begins; one more for the end
  Tensor all_, loss_;            // loss_ is the first of all
};

}  // namespace sr::cuda

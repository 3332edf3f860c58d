// The functions of conv2d.h for tensors in the memory of a CUDA device, their arguments checked, and what a
// GPU can do with a result before it is stored. Errors of all: device, limit; usage (what is added is
// stored otherwise than the result).
#pragma once

#include <vector>

#include "tensor/conv2d/conv2d.h"

namespace sr::cuda {

class PackedWeights;

/// What the result of conv2d from x with `channels` outputs is stored as.
DType conv2d_storage(const Tensor& x, int64_t channels);

/// y has conv2d_shape() and may be a view; end.into is not looked at.
void conv2d_into(Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Conv2dOptions& options, const Conv2dEnd& end);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
              const Conv2dEnd& end);
/// Whether the device has a kernel for conv2d_then_conv2d() of these.
bool fuses(const Tensor& x, const Tensor& weight, const Conv2dOptions& options,
           const std::vector<Tensor>& added, const Tensor& next_weight, const Conv2dOptions& next_options);
/// Only if fuses().
Tensor conv2d_then_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const Conv2dOptions& options, const std::vector<Tensor>& added,
                          const Tensor& next_weight, const Tensor& next_bias,
                          const Conv2dOptions& next_options);
/// A transposed convolution if there is a bias. The result is float32 where it has few channels (an image),
/// else stored as dy is. Errors: usage (what the end names is stored otherwise).
Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const Shape& x,
                         const Conv2dOptions& options, const Conv2dEnd& end);
Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& weight,
                          const Conv2dOptions& options);

/// The gradients of sum(dy * (conv2d(x) + bias)) for the weight of shape `weight` and for the bias: what
/// conv2d_grad_weight() and sum_per_channel(dy) are, but in one pass where the weight's kernel has both,
/// which adds up dy in float32.
struct ParameterGrads {
  Tensor weight, bias;
};
ParameterGrads conv2d_grad_parameters(const Tensor& dy, const Tensor& x, const Shape& weight,
                                      const Conv2dOptions& options);

/// While one lives, convolutions of the calling thread bring their weights into order at each call, whatever
/// KeepPacked keeps: for weights that are other tensors each time.
class KeepNone {
 public:
  KeepNone();
  ~KeepNone();
  KeepNone(const KeepNone&) = delete;
  KeepNone& operator=(const KeepNone&) = delete;

 private:
  PackedWeights* before_;
};

/// x brought to its end, by a pass of its own. Errors: usage (what the end names is stored otherwise).
Tensor finished(const Tensor& x, const Conv2dEnd& end);

}  // namespace sr::cuda

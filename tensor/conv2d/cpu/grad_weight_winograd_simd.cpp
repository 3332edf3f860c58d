// The gradient for 3x3 weights by transforms in float32, compiled once for each instruction set like
// direct_simd.cpp.
#include "tensor/conv2d/cpu/winograd_grad_weight.h"

namespace sr::cpu::SR_SIMD {
void conv2d_grad_weight_winograd(const ConvDims& d, const float* x, const float* dy, float* dw) {
  grad_weight_by_winograd<float>(d, x, dy, dw);
}
}  // namespace sr::cpu::SR_SIMD

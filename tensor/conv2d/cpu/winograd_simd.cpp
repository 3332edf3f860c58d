// Convolution with 3x3 kernels in float32, compiled once for each instruction set like direct_simd.cpp.
#include "tensor/conv2d/cpu/winograd_convolution.h"

namespace sr::cpu::SR_SIMD {
void conv2d_winograd(const ConvDims& d, const float* x, const float* weight, bool flipped,
                     const ConvEpilogue& e, float* y) {
  convolve_by_winograd<float>(d, x, weight, flipped, e, y);
}
}  // namespace sr::cpu::SR_SIMD

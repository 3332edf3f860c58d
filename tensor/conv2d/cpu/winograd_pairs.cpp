// Convolutions by products of bfloat16, 3x3 by transforms and 1x1, and the gradient for 3x3 weights, compiled
// once for each way to multiply pairs of it.
#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/conv2d/cpu/pointwise_convolution.h"
#include "tensor/conv2d/cpu/winograd_convolution.h"
#include "tensor/conv2d/cpu/winograd_grad_weight.h"

namespace {

void convolve(const ConvDims& d, const float* x, const float* weight, bool flipped, const ConvEpilogue& e,
              float* y) {
  if (is_pointwise(d))
    convolve_pointwise<uint16_t>(d, x, weight, flipped, e, y);
  else
    convolve_by_winograd<uint16_t>(d, x, weight, flipped, e, y);
}

}  // namespace

namespace sr::cpu::pairs::SR_SIMD {
extern const Bf16Kernels kBf16Kernels{kPairsCompiledFor, true, convolve, grad_weight_by_winograd<uint16_t>};
}

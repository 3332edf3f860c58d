// Convolution with 3x3 kernels by products of bfloat16, and its gradient for the weights, compiled once for
// each way to multiply pairs of it.
#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/conv2d/cpu/winograd_convolution.h"
#include "tensor/conv2d/cpu/winograd_grad_weight.h"

namespace sr::cpu::pairs::SR_SIMD {
extern const Bf16Kernels kBf16Kernels{kPairsCompiledFor, true, convolve_by_winograd<uint16_t>,
                                      grad_weight_by_winograd<uint16_t>};
}

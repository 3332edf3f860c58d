// Convolutions with factors in bfloat16 and sums in float32, in batches of patches: for training.
#pragma once

#include "tensor/conv2d/cpu/kernels.h"

namespace sr::cpu {

constexpr int64_t kMostSlots = 8;  ///< for whose sums there is memory

/// The kernels of one way to multiply bfloat16. The terms of a value are added in an order that depends on
/// the shapes only. Tiles: for stride 1 and at each side zeros for 0 .. kernel-1 pixels, or for larger
/// strides and one group. Pairs: what conv2d_winograd() is for, with an even number of channels in a group on
/// both sides, and matrix products of pixels and 1x1 weights.
struct Bf16Kernels {
  const char* compiled_for;
  bool transforms;  ///< pairs: factors are what Winograd's transforms make, but those of 1x1 kernels
  /// y = conv2d(x), `flipped` as that of conv2d_winograd (at stride 1).
  void (*conv2d)(const ConvDims&, const float* x, const float* weight, bool flipped, const ConvEpilogue&,
                 float* y);
  /// Pairs: for 3x3. Tiles: at most kMostSlots leaves of tensor/image_tree.h, by its
  /// tree: dw[o,u,v,c] = sum_{n,i,j} dy[n,i,j,o] x[n, i*stride+u-pad_h, j*stride+v-pad_w, c]; y_pitch is
  /// dy's.
  void (*grad_weight)(const ConvDims&, const float* x, const float* dy, float* dw);
};

#ifdef SR_SIMD
namespace tiles::SR_SIMD {
void conv2d_grad_weight_bf16(const ConvDims&, const float* x, const float* dy, float* dw);
extern const Bf16Kernels kBf16Kernels;
}  // namespace tiles::SR_SIMD
namespace pairs::SR_SIMD {
extern const Bf16Kernels kBf16Kernels;
}
#endif

/// The fastest of active_simd(): with AMX its tiles, else transforms around AVX-512's products of pairs, else
/// AMX's arithmetic in plain code, for tests. Errors: unsupported (the processor has not even AVX2).
const Bf16Kernels& bf16_kernels();

/// AVX-512's arithmetic in plain code: for tests.
const Bf16Kernels& software_pairs_kernels();

}  // namespace sr::cpu

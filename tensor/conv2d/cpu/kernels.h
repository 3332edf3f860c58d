// What the checks of conv2d.cpp hand to the CPU kernels: raw pointers and sizes.
#pragma once

#include <cstdint>

namespace sr::cpu {

constexpr int kLargestKernel = 64;  ///< rows or columns of a kernel

struct AddedChannels {
  const float* data = nullptr;
  int64_t pitch = 0, c = 0;
};

/// Sizes as in conv2d.h; kernels of conv2d read x, weight, bias (or null), added and write y.
struct ConvDims {
  int64_t n = 0, h = 0, w = 0, c = 0;  // input
  int64_t oh = 0, ow = 0, o = 0;       // output
  int64_t kh = 0, kw = 0;
  int64_t stride = 1, pad_h = 0, pad_w = 0, groups = 1;  // pad at the beginning; the end follows from oh, ow
  int64_t x_pitch = 0, y_pitch = 0;
};

struct ConvEpilogue {
  const float* bias = nullptr;
  float leak = 1;
  AddedChannels added[2];
};

/// The kernels of one instruction set.
struct ConvKernels {
  const char* compiled_for;  ///< the set that the compiler really used, from its own macros
  /// y = conv2d(x)
  void (*conv2d)(const ConvDims&, const float* x, const float* weight, const ConvEpilogue&, float* y);
  /// Stride-1 convolution whose o = shuffle^2 * oc outputs of pixel (i, j) become the shuffle x shuffle
  /// pixels from (shuffle*i, shuffle*j) of y with oc channels (o index = (row * shuffle + column) * oc +
  /// channel). For few outputs and many inputs. y is [n, shuffle*oh, shuffle*ow, oc]; bias has oc values or
  /// is null.
  void (*conv2d_shuffled)(const ConvDims&, const float* x, const float* weight, const float* bias,
                          int64_t shuffle, float* y);
  /// dw[o,u,v,c] = sum_{n,i,j} dy[n,i,j,o] x[n, i*stride+u-pad_h, j*stride+v-pad_w, c]; y_pitch is dy's.
  void (*grad_weight)(const ConvDims&, const float* x, const float* dy, float* dw);
  /// y = conv2d(x) for kernels of 3x3 and stride 1 by transforms of 4x4 outputs. `flipped`: weight is that of
  /// the convolution whose input gradient this is, [c, 3, 3, o / groups] with both axes of taps turned round.
  void (*conv2d_winograd)(const ConvDims&, const float* x, const float* weight, bool flipped,
                          const ConvEpilogue&, float* y);
  /// grad_weight for kernels of 3x3, stride 1 and one group by transforms of 4x4 outputs.
  void (*grad_weight_winograd)(const ConvDims&, const float* x, const float* dy, float* dw);
};

#ifdef SR_SIMD
/// Those of the set that a *_simd.cpp is being compiled for; direct_simd.cpp has the table and what is not
/// here.
namespace SR_SIMD {
void conv2d_grad_weight(const ConvDims&, const float* x, const float* dy, float* dw);
void conv2d_winograd(const ConvDims&, const float* x, const float* weight, bool flipped, const ConvEpilogue&,
                     float* y);
void conv2d_grad_weight_winograd(const ConvDims&, const float* x, const float* dy, float* dw);
extern const ConvKernels kConvKernels;
}  // namespace SR_SIMD
#endif

/// Those of active_simd().
const ConvKernels& conv_kernels();

}  // namespace sr::cpu

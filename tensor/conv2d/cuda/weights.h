// Weights as the CUDA convolutions read them. Both gradients for the input are convolutions too, with weights
// whose axes are exchanged and turned round, or split into phases; WeightView is the one place that says how.
#pragma once

#include <algorithm>
#include <span>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/cuda/gpu.h"

namespace sr::cuda {

/// The convolution that is run for an operation: conv2d itself; for the input's gradient one from dy's grid.
struct ConvRun {
  int n, h, w, c;  // what is read
  int oh, ow, o;   // outputs before the shuffle
  int kh, kw;
  int stride, pad_h, pad_w, groups;
  long long x_pitch, y_pitch;
  int shuffle;   // outputs become shuffle x shuffle pixels of o / shuffle^2 channels
  int y_h, y_w;  // size of what is written; with a shuffle it may end within a coarse pixel
};

ConvRun conv_run(ConvOp op, const ConvDims& dims);

/// Whether an offset within some 32 rows of what is read, and of what is written, fits 32 bits.
inline bool has_short_rows(const ConvRun& r) {
  return std::max(r.w * r.x_pitch, r.ow * r.y_pitch) < (int64_t{1} << 31) / 32;
}

struct WeightView {
  enum class Kind { forward, flipped, phases };
  Kind kind;
  const float* data;  // [o, kh, kw, cg]
  int o, kh, kw, cg, groups;
  int stride, pad_h, pad_w, before_h, before_w;  // of phases

  /// The weight between `out` and `in` of the convolution that is run, numbered through all groups, at row u
  /// and column v of its taps; 0 between groups and outside the kernel.
  GPU_HD float at(int out, int u, int v, int in) const {
    const int og = o / groups;
    if (kind == Kind::forward) {
      return in / cg == out / og ? data[((out * kh + u) * kw + v) * cg + in % cg] : 0.0f;
    }
    if (kind == Kind::flipped) {
      return in / og == out / cg ? data[((in * kh + kh - 1 - u) * kw + kw - 1 - v) * cg + out % cg] : 0.0f;
    }
    // Fine pixel stride * i + phase takes coarse pixel i + d through tap phase + pad - stride * d.
    const int phase = out / cg, row = phase / stride + pad_h - stride * (u - before_h),
              column = phase % stride + pad_w - stride * (v - before_w);
    if (row < 0 || row >= kh || column < 0 || column >= kw) return 0.0f;
    return data[((in * kh + row) * kw + column) * cg + out % cg];
  }
};

WeightView weight_view(ConvOp op, const ConvDims& dims, const float* weight);

/// Weights in the order in which a warp's lanes hold them for mma: for every slice of the outputs, tap and k
/// step (32 bytes of input channels) the tiles of eight outputs that a group connects with it, two tiles
/// interleaved so that one 16-byte load brings a lane both, an odd last one by itself. A tile is 256 bytes.
struct FragmentOrder {
  int inputs, outputs, groups, taps;
  int step;        // input channels of a k step: 16, or 8 for TF32
  int slices;      // parts of the outputs that different blocks compute
  int pixels = 1;  // neighbours in a row whose outputs follow one another in `outputs`: a row of the product

  GPU_HD constexpr int steps() const { return (inputs + step - 1) / step; }
  GPU_HD constexpr int tiles() const { return (outputs + 8 * slices - 1) / (8 * slices); }
  /// Whether some channel of k step `kc` and some output of tile `nt` are of one group.
  GPU_HD constexpr bool used(int kc, int nt) const {
    const int ci = inputs / groups, co = outputs / groups;
    return groups == 1 || (step * kc / ci <= (8 * nt + 7) / co && 8 * nt / co <= (step * kc + step - 1) / ci);
  }
  /// The tiles used by a k step are first(kc) .. first(kc) + count(kc) - 1.
  GPU_HD constexpr int first(int kc) const {
    int nt = 0;
    while (!used(kc, nt)) ++nt;
    return nt;
  }
  GPU_HD constexpr int count(int kc) const {
    int sum = 0;
    for (int nt = 0; nt < tiles(); ++nt) sum += used(kc, nt) ? 1 : 0;
    return sum;
  }
  /// Tiles before k step kc in a tap; before(steps()) is all of them.
  GPU_HD constexpr int before(int kc) const {
    int sum = 0;
    for (int k = 0; k < kc; ++k) sum += count(k);
    return sum;
  }
  GPU_HD constexpr int bytes() const { return slices * taps * before(steps()) * 256; }
};

/// A weight for the tensor cores: `packed` becomes [slice][tap][k step][tile].
struct FragmentTask {
  WeightView view;
  FragmentOrder order;
  int taps_w;  // columns of the taps, those of all `pixels` together
  void* packed;
};
constexpr int kMostFragmentSteps = 128;  ///< k steps of an order

/// Packs all of them with few launches; T is the operands' type (float: TF32).
template <class T>
void pack_fragments(std::span<const FragmentTask> tasks, cudaStream_t stream);

/// Weights for the plain kernel, [group][tap row][tap column][input of the group][output of the group].
void pack_plain(const WeightView& view, const ConvRun& run, float* packed, cudaStream_t stream);

}  // namespace sr::cuda

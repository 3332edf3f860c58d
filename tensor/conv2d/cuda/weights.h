// Weights as the CUDA convolutions read them. Both gradients for the input are convolutions too, with weights
// whose axes are exchanged and turned round, or split into phases; WeightView is the one place that says how.
#pragma once

#include <span>

#include "tensor/conv2d/cuda/problem.h"
#include "tensor/cuda/gpu.h"

namespace sr::cuda {

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

/// Bytes of pack_plain()'s weights.
inline int64_t plain_packed_bytes(const ConvRun& run) {
  return int64_t{run.kh} * run.kw * (run.c / run.groups) * run.o * 4;
}

/// Weights for kernels on the float32 units, [group][tap row][tap column][input of the group][output of the
/// group].
void pack_plain(const WeightView& view, const ConvRun& run, float* packed, cudaStream_t stream);

/// The same for ConvAlgorithm::pack, a launch for each.
void pack_plain(std::span<const PackTask> tasks, const ConvDevice& device);

}  // namespace sr::cuda

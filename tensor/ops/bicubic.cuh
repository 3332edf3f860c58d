// Bicubic enlargement inside kernels, in the order of resize.cpp: four sums along rows, then one down them.
// To have its bits, what includes this is compiled without contraction (-fmad=false).
#pragma once

#include "tensor/cuda/storage.cuh"

namespace sr::cuda {

/// As in bicubic_phases.h; few steps, because i is near 0 .. n-1.
GPU_FN int mirrored_index(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2 * n - 1 - i;
  return i;
}

/// The first of an output's four inputs, and which phase its weights have.
struct FourTaps {
  int first, phase;
  GPU_FN FourTaps(int output, int factor)
      : first(output / factor + (2 * (output % factor) + 1 < factor ? -2 : -1)), phase(output % factor) {}
};

/// Pixel (row, column) of an image of h x w pixels enlarged by `factor`: what its channels have in common.
/// `weights` are four for each phase (enlarging_weights).
class EnlargedPixel {
 public:
  GPU_FN EnlargedPixel(int64_t pitch, int h, int w, int factor, const float* weights, int row, int column) {
    const FourTaps down(row, factor), across(column, factor);
    down_ = weights + 4 * down.phase, across_ = weights + 4 * across.phase;
#pragma unroll
    for (int t = 0; t < 4; ++t) {
      at_[t] = mirrored_index(across.first + t, w) * pitch;
      line_[t] = static_cast<int64_t>(mirrored_index(down.first + t, h)) * w * pitch;
    }
  }

  /// x: the channel's first sample.
  GPU_FN float operator()(const float* x) const {
    float sum = 0;
#pragma unroll
    for (int u = 0; u < 4; ++u) {
      const float* const line = x + line_[u];
      float v = across_[0] * line[at_[0]];
#pragma unroll
      for (int t = 1; t < 4; ++t) v = v + across_[t] * line[at_[t]];
      const float term = down_[u] * v;
      sum = u == 0 ? term : sum + term;
    }
    return sum;
  }

 private:
  const float *down_, *across_;
  int64_t at_[4], line_[4];
};

/// Blocks of kPictureX x kPictureY threads over rows of so many elements; both are walked in strides of the
/// grid.
constexpr int kPictureX = 64, kPictureY = 4;
inline dim3 picture_grid(const Queue& queue, int64_t rows, int64_t length) {
  const auto blocks = static_cast<int64_t>(queue.blocks);
  const int64_t x = (length + kPictureX - 1) / kPictureX, y = (rows + kPictureY - 1) / kPictureY;
  const int64_t across = x < blocks ? x : blocks, down = blocks / across < y ? blocks / across : y;
  return dim3(static_cast<unsigned>(across), static_cast<unsigned>(down));
}

/// Calls f(row, element) for each element of each row.
template <class F>
GPU_FN void for_each_in_rows(int64_t rows, int length, F&& f) {
  const int64_t step = static_cast<int64_t>(gridDim.y) * kPictureY;
  for (int64_t row = static_cast<int64_t>(blockIdx.y) * kPictureY + threadIdx.y; row < rows; row += step)
    for (int i = static_cast<int>(blockIdx.x * kPictureX + threadIdx.x); i < length;
         i += static_cast<int>(gridDim.x) * kPictureX)
      f(row, i);
}

}  // namespace sr::cuda

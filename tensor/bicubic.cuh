// Bicubic enlargement inside kernels, in the order of resize.cpp: four sums along rows, then one down them.
// To have its bits, what includes this is compiled without contraction (-fmad=false).
#pragma once

#include "tensor/storage.cuh"

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

/// Pixel (row, column) of the image enlarged by `factor`. x is the channel's first sample of h x w pixels,
/// `weights` four for each phase (enlarging_weights).
GPU_FN float enlarged_at(const float* x, int64_t pitch, int h, int w, int factor, const float* weights,
                         int row, int column) {
  const FourTaps down(row, factor), across(column, factor);
  const float* const wx = weights + 4 * across.phase;
  int64_t at[4];
#pragma unroll
  for (int t = 0; t < 4; ++t) at[t] = mirrored_index(across.first + t, w) * pitch;
  float sum = 0;
#pragma unroll
  for (int u = 0; u < 4; ++u) {
    const float* const line = x + static_cast<int64_t>(mirrored_index(down.first + u, h)) * w * pitch;
    float v = wx[0] * line[at[0]];
#pragma unroll
    for (int t = 1; t < 4; ++t) v = v + wx[t] * line[at[t]];
    const float term = weights[4 * down.phase + u] * v;
    sum = u == 0 ? term : sum + term;
  }
  return sum;
}

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

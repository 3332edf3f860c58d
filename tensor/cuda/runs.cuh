// How element-by-element kernels walk through channel views: runs of elements without gaps.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "tensor/cuda/storage.cuh"

namespace sr::cuda {

/// `size` elements in runs of `length`: the channels of a pixel, or pieces of tensors without gaps. The last
/// run may be shorter.
struct Runs {
  int64_t size = 0;
  int length = 1;
  bool pieces = false;
  int64_t count = 0;  // of the runs

  /// The view's elements as runs, one from the next `pitch` elements away.
  ConstView of(ConstView view) const { return {view.data, pieces ? length : view.pitch}; }
  View of(View view) const { return {view.data, pieces ? length : view.pitch}; }
};

/// A run for each pixel.
inline Runs pixel_runs(int64_t pixels, int64_t c) {
  return {pixels * c, c > 0 ? static_cast<int>(c) : 1, false, c > 0 ? pixels : 0};
}

/// Pieces if none of the views has gaps, else a run for each pixel.
inline Runs runs_of(int64_t pixels, int64_t c, std::initializer_list<ConstView> views) {
  constexpr int kPiece = 2048;
  for (const ConstView& view : views)
    if (view.pitch != c) return pixel_runs(pixels, c);
  return {pixels * c, kPiece, true, (pixels * c + kPiece - 1) / kPiece};
}

/// Calls f(run, k, n) for elements k .. k + n - 1 of each run, n <= kVector; see launch_runs for the grid.
template <int kVector, class F>
GPU_FN void for_each_vector(const Runs& runs, F&& f) {
  const int64_t count = runs.count, step = static_cast<int64_t>(gridDim.x) * blockDim.y;
  for (int64_t run = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; run < count; run += step) {
    const int64_t left = runs.size - run * runs.length;
    const int length = left < runs.length ? static_cast<int>(left) : runs.length;
    for (int k = static_cast<int>(threadIdx.x) * kVector; k < length;
         k += static_cast<int>(blockDim.x) * kVector)
      f(run, k, length - k < kVector ? length - k : kVector);
  }
}

constexpr int kRunThreads = 256;  ///< a block's, at most

/// Launches a kernel that calls for_each_vector<kVector>: threads side by side along a run, and as many runs
/// in a block as it has room for; `layers` is the grid's y.
template <int kVector, class... P, class... A>
void launch_runs(const Queue& queue, void (*kernel)(Runs, P...), const Runs& runs, int layers, A... args) {
  if (runs.count == 0) return;
  const int vectors = (runs.length + kVector - 1) / kVector;
  const int x = vectors < kRunThreads ? vectors : kRunThreads, y = kRunThreads / x;
  const int64_t blocks = (runs.count + y - 1) / y;
  const dim3 grid(static_cast<unsigned>(blocks < queue.blocks ? blocks : queue.blocks),
                  static_cast<unsigned>(layers));
  gpu::launch(kernel, grid, dim3(static_cast<unsigned>(x), static_cast<unsigned>(y)), 0, queue.stream, runs,
              args...);
}

}  // namespace sr::cuda

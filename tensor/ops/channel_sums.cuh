// Sums over pixels for each channel, in double, inside kernels: the pieces of pointwise, reduce and loss.
//
// Two stages without atomics. The first sums pieces of kSumPixels pixels: pixel p of a piece belongs to lane
// p mod kSumLanes, each lane adds up its pixels in order, then the lanes are added in order. The second adds
// the pieces in an order that depends on their number alone. Neither the grid nor the width of the accesses
// changes the order, and blocks share nothing.
#pragma once

#include <cstdint>

#include "tensor/cuda/storage.cuh"

namespace sr::cuda {

constexpr int kSumPixels = 128, kSumLanes = 16;
constexpr int kSumColumns = 16;   ///< threads side by side along the channels, at most
constexpr int kSumThreads = 256;  ///< a block's

inline int64_t sum_pieces(int64_t pixels) {
  return (pixels + kSumPixels - 1) / kSumPixels;
}

/// First stage: sums[piece * c + k] is the sum of value k of f(read(p, k, n), p, k, n, values) over the
/// piece's pixels p. f fills `values` for channels k .. k + n - 1, n <= kVector; read is called for kAhead
/// pixels before f writes anything, so that their loads overlap. Block (x, kSumLanes, z): x vectors of
/// channels, z pieces at a time; grid y covers the rest of the channels.
template <int kVector, int kAhead, class Read, class F>
GPU_FN void sum_channels(int64_t pixels, int c, double* sums, Read&& read, F&& f) {
  GPU_SHARED(double, lanes, kSumThreads* kVector);  // [z][lane][i][x]: neighbours write neighbours
  const int columns = static_cast<int>(blockDim.x), width = columns * kVector;
  const int x = static_cast<int>(threadIdx.x), lane = static_cast<int>(threadIdx.y),
            z = static_cast<int>(threadIdx.z), deep = static_cast<int>(blockDim.z);
  const int first = static_cast<int>(blockIdx.y) * width, k = first + x * kVector;
  const int n = c - k < kVector ? c - k : kVector;
  const int64_t pieces = (pixels + kSumPixels - 1) / kSumPixels,
                step = static_cast<int64_t>(gridDim.x) * deep;
  for (int64_t begin = static_cast<int64_t>(blockIdx.x) * deep; begin < pieces; begin += step) {
    double sum[kVector] = {};
    const int64_t piece = begin + z, p0 = piece * kSumPixels;
    const int64_t end = pixels - p0 < kSumPixels ? pixels : p0 + kSumPixels;
    for (int64_t first_p = p0 + lane; n > 0 && first_p < end; first_p += kAhead * kSumLanes) {
      decltype(read(first_p, k, n)) values[kAhead];
#pragma unroll
      for (int a = 0; a < kAhead; ++a)
        if (first_p + a * kSumLanes < end) values[a] = read(first_p + a * kSumLanes, k, n);
#pragma unroll
      for (int a = 0; a < kAhead; ++a) {
        const int64_t p = first_p + a * kSumLanes;
        if (p >= end) continue;
        double value[kVector];
        f(values[a], p, k, n, value);
#pragma unroll
        for (int i = 0; i < kVector; ++i)
          if (i < n) sum[i] += value[i];
      }
    }
#pragma unroll
    for (int i = 0; i < kVector; ++i) lanes[((z * kSumLanes + lane) * kVector + i) * columns + x] = sum[i];
    __syncthreads();
    const int thread = (z * kSumLanes + lane) * columns + x, threads = columns * kSumLanes * deep;
    for (int t = thread; t < width * deep; t += threads) {
      const int at = t / width, i = t % width / columns, channel = first + t % columns * kVector + i;
      double total = 0;
      for (int l = 0; l < kSumLanes; ++l) total += lanes[(at * kSumLanes + l) * width + t % width];
      if (channel < c && begin + at < pieces) sums[(begin + at) * c + channel] = total;
    }
    __syncthreads();
  }
}

/// The same without a read: f(p, k, n, values).
template <int kVector, class F>
GPU_FN void sum_channels(int64_t pixels, int c, double* sums, F&& f) {
  struct Nothing {};
  sum_channels<kVector, 1>(
      pixels, c, sums, [](int64_t, int, int) { return Nothing(); },
      [&](Nothing, int64_t p, int k, int n, double(&value)[kVector]) { f(p, k, n, value); });
}

/// Launches a kernel that calls sum_channels<kVector>; args are the kernel's.
template <int kVector, class... P, class... A>
void launch_channel_sums(const Queue& queue, void (*kernel)(P...), int64_t pixels, int64_t c, A... args) {
  if (pixels == 0 || c == 0) return;
  const auto vectors = static_cast<int>((c + kVector - 1) / kVector);
  const int groups = (vectors + kSumColumns - 1) / kSumColumns, x = (vectors + groups - 1) / groups;
  const int z = kSumThreads / (kSumLanes * x);
  const int64_t blocks = (sum_pieces(pixels) + z - 1) / z;
  const dim3 grid(static_cast<unsigned>(blocks < queue.blocks ? blocks : queue.blocks),
                  static_cast<unsigned>(groups));
  gpu::launch(kernel, grid, dim3(static_cast<unsigned>(x), kSumLanes, static_cast<unsigned>(z)), 0,
              queue.stream, args...);
}

/// result = the sum of all `count` values, divided by `size`.
void add_all(const Queue&, int64_t count, const double* values, double size, double* result);

}  // namespace sr::cuda

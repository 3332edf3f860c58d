// A small convolution with all that the fast kernels are made of, and with one mistake at a time.
#pragma once

#include <vector>

#include "tensor/cuda/tensor_core.h"

namespace sr::faulty_conv3x3 {

enum class Fault {
  none,
  no_barrier_after_wait,   // what other threads copied is read before all have waited
  no_barrier_before_next,  // a tile is overwritten while others still read it
  early_wait,              // for one group of copies less
  wrong_fragment_row,      // of A
  halo_too_far,            // a column beyond the image
  past_the_tile,           // a pixel beyond the array in shared memory
  unwritten_output,        // the last column
  overlapping_blocks,      // two blocks write a pixel
  divergent_barrier        // in one warp only
};

using bf16 = __nv_bfloat16;

constexpr int kIn = 32, kOut = 16;       // channels
constexpr int kRows = 4, kColumns = 16;  // of a tile of the output; a warp has two rows
constexpr int kThreads = 64;
constexpr int kTileColumns = kColumns + 2, kTilePixels = (kRows + 2) * kTileColumns;
constexpr int kPixelPitch = kIn + 8;  // an odd number of 16-byte units: ldmatrix without bank conflicts
constexpr int kWeights = 9 * kOut * kIn;
constexpr size_t kSharedBytes = sizeof(bf16) * (kTilePixels * kPixelPitch + kWeights);

/// y[n, h, w, 16] = 3x3 convolution of x[n, h, w, 32], zero-padded, with packed weights (pack).
template <Fault fault>
__global__ void __launch_bounds__(kThreads)
    conv3x3(const bf16* __restrict__ x, const bf16* __restrict__ weights, bf16* __restrict__ y, int n, int h,
            int w) {
  gpu::Smem shared;
  bf16* const ws = shared.get<bf16>(kWeights);
  bf16* const tile = shared.get<bf16>(kTilePixels * kPixelPitch);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int across = (w + kColumns - 1) / kColumns, down = (h + kRows - 1) / kRows;

  for (int i = thread; i < kWeights / 8; i += kThreads) gpu::cp_async16(ws + 8 * i, weights + 8 * i, true);
  for (int t = static_cast<int>(blockIdx.x); t < n * down * across; t += static_cast<int>(gridDim.x)) {
    const int x0 = t % across * kColumns, y0 = t / across % down * kRows;
    const bf16* const image = x + t / across / down * h * w * kIn;
    gpu::static_for<2>(
        [&](auto stage) {  // of the channels; the first one's arithmetic covers the second one's copies
          const int last = kTilePixels * 2 + (fault == Fault::past_the_tile ? 2 : 0);
          for (int i = thread; i < last; i += kThreads) {
            const int p = i / 2, c = 16 * stage + i % 2 * 8;
            const int gy = y0 + p / kTileColumns - 1, gx = x0 + p % kTileColumns - 1;
            const bool inside =
                gy >= 0 && gy < h && gx >= 0 && gx < w + (fault == Fault::halo_too_far ? 1 : 0);
            gpu::cp_async16(tile + p * kPixelPitch + c, image + (inside ? (gy * w + gx) * kIn + c : 0),
                            inside);
          }
          gpu::cp_commit();
        });

    float sums[2][2][4] = {};
    gpu::static_for<2>([&](auto stage) {
      gpu::cp_wait<1 - stage + (fault == Fault::early_wait ? 1 : 0)>();
      if (fault != Fault::no_barrier_after_wait) __syncthreads();
      if (fault == Fault::divergent_barrier && warp == 0) __syncthreads();
      for (int tap = 0; tap < 9; ++tap) {
        uint32_t a[2][4], b[2][2];
        const uint4 v = *reinterpret_cast<const uint4*>(ws + ((tap * 2 + stage) * 32 + lane) * 8);
        b[0][0] = v.x, b[0][1] = v.y, b[1][0] = v.z, b[1][1] = v.w;
        for (int i = 0; i < 2; ++i) {
          const int row = fault == Fault::wrong_fragment_row ? lane % 8 : lane % 16;
          const int p = (2 * warp + i + tap / 3) * kTileColumns + row + tap % 3;
          gpu::ldmatrix_x4(a[i], tile + p * kPixelPitch + stage * 16 + lane / 16 * 8);
        }
        gpu::mma_bf16<2, 2, 2>(sums, 0, a, b);
      }
    });

    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) {
        for (int r = 0; r < 2; ++r) {
          const int shift = fault == Fault::overlapping_blocks && x0 > 0 ? 1 : 0;
          const int gy = y0 + 2 * warp + i, gx = x0 + lane / 4 + 8 * r - shift, c = 8 * j + lane % 4 * 2;
          if (gy >= h || gx >= w - (fault == Fault::unwritten_output ? 1 : 0)) continue;
          const long long pixel = (static_cast<long long>(t / across / down) * h + gy) * w + gx;
          *reinterpret_cast<uint32_t*>(y + pixel * kOut + c) =
              gpu::pack2<bf16>(sums[i][j][2 * r], sums[i][j][2 * r + 1]);
        }
      }
    }
    if (fault != Fault::no_barrier_before_next) __syncthreads();
  }
}

/// weights[o, ky, kx, i] in the order in which the lanes' registers take them: of a tap and 16 inputs, lane
/// l's elements of both tiles of 8 outputs.
inline std::vector<bf16> pack(const std::vector<bf16>& weights) {
  std::vector<bf16> packed;
  for (int step = 0; step < 18; ++step) {
    for (int l = 0; l < 32; ++l) {
      for (int e = 0; e < 8; ++e) {
        const int tap = step / 2, i = step % 2 * 16 + e / 2 % 2 * 8 + l % 4 * 2 + e % 2,
                  o = e / 4 * 8 + l / 4;
        packed.push_back(weights[static_cast<size_t>((o * 9 + tap) * kIn + i)]);
      }
    }
  }
  return packed;
}

}  // namespace sr::faulty_conv3x3

// The convolution of an image with stride to 64 channels: rows of the GEMM are coarse pixels, the inner
// dimension all terms of a window. Four warps with two rows of 32 coarse pixels each; weights stay in shared
// memory.
#include "tensor/conv2d/cuda/sm80/strided.h"

#include <algorithm>

#include "tensor/conv2d/cuda/sm80/subpixel.h"

namespace sr::cuda {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps, kTileH = 2 * kWarps, kTileW = 32, kOutputs = 64, kTiles = 8;
constexpr int kRowTiles = 4;
using Acc = float[kRowTiles][kTiles][4];

template <class T>
constexpr int kStep = 32 / static_cast<int>(sizeof(T));

/// Adds all terms of the windows. `offsets` of the terms, a lane's pixel first.
template <class T>
GPU_FN void multiply_windows(Acc& acc, const float* tile, const T* weights, const int* offsets, int steps,
                             const StridedArgs<T>& a) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int down = a.r.stride * a.in_w, right = a.r.stride * a.r.c;
  const float* const first = tile + 2 * warp * down + lane / 4 * right;
#pragma unroll 1
  for (int k = 0; k < steps; ++k) {
    uint32_t b[kTiles][2], rows[kRowTiles][4];
    load_fragments(b, weights, k * kTiles, lane);
    // A lane's terms: for 16 bits 2t, 2t+1 and eight further on, for TF32 t and four further on.
    const int* const at = offsets + k * kStep<T> + (sizeof(T) == 2 ? 2 * (lane % 4) : lane % 4);
    constexpr int kHalf = kStep<T> / 2, kSecond = sizeof(T) == 2 ? 1 : 0;
    const int k0 = at[0], k1 = at[kSecond], k2 = at[kHalf], k3 = at[kHalf + kSecond];
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      const float* const p = first + i / 2 * down + i % 2 * 16 * right;
      rows[i][0] = operand<T>(p, k0, k1);
      rows[i][1] = operand<T>(p + 8 * right, k0, k1);
      rows[i][2] = operand<T>(p, k2, k3);
      rows[i][3] = operand<T>(p + 8 * right, k2, k3);
    }
    multiply<T>(acc, 0, rows, b);
  }
}

template <class T>
GPU_FN void write_channels(const Acc& acc, const StridedArgs<T>& a, int t) {
  const ConvRun& r = a.r;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int x0 = t % a.tile_columns * kTileW, y0 = t / a.tile_columns % a.tile_rows * kTileH + 2 * warp,
            image = t / (a.tile_columns * a.tile_rows);
#pragma unroll
  for (int i = 0; i < 2 * kRowTiles; ++i) {  // row tile i / 2, upper or lower half of it
    const int row = y0 + i / 4, column = x0 + i / 2 % 2 * 16 + i % 2 * 8 + lane / 4;
    if (row >= r.oh || column >= r.ow) continue;
    const long long pixel = (static_cast<long long>(image) * r.oh + row) * r.ow + column;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      finish_pair(acc[i / 2][j][i % 2 * 2], acc[i / 2][j][i % 2 * 2 + 1], a.epilogue, a.coarse, pixel,
                  r.y_pitch, 8 * j + 2 * (lane % 4));
    }
  }
}

// ptxas: conv2d_strided_kernel registers<=224
template <class T>
__global__ void __launch_bounds__(kThreads, 2) conv2d_strided_kernel(StridedArgs<T> a) {
  const int steps = (a.terms + kStep<T> - 1) / kStep<T>;
  gpu::Smem shared;
  T* const weights = shared.get<T>(steps * kTiles * 256 / static_cast<int>(sizeof(T)));
  int* const offsets = shared.get<int>(steps * kStep<T>);
  float* const tile = shared.get<float>(a.in_h * a.in_w);
  constexpr int kUnit = 16 / sizeof(T);
  for (int i = static_cast<int>(threadIdx.x); i < steps * kTiles * 16; i += kThreads) {
    gpu::cp_async16(weights + i * kUnit, a.packed + i * kUnit, true);
  }
  fill_offsets(offsets, steps * kStep<T>, 0, a);
  for (int t = static_cast<int>(blockIdx.x); t < a.r.n * a.tile_rows * a.tile_columns;
       t += static_cast<int>(gridDim.x)) {
    load_windows(tile, a, t, kTileH, kTileW);
    gpu::cp_commit();
    gpu::cp_wait<0>();
    __syncthreads();
    Acc acc;
    clear(acc);
    multiply_windows(acc, tile, weights, offsets, steps, a);
    write_channels(acc, a, t);
    __syncthreads();  // the tile is read before the next one takes its place
  }
}

template <class T>
StridedArgs<T> strided_args(const ConvRun& r) {
  StridedArgs<T> a{};
  a.r = r;
  a.tile_rows = (r.oh + kTileH - 1) / kTileH, a.tile_columns = (r.ow + kTileW - 1) / kTileW;
  a.terms = r.kh * r.kw * r.c;
  a.in_h = (kTileH - 1) * r.stride + r.kh, a.in_w = ((kTileW - 1) * r.stride + r.kw) * r.c;
  return a;
}

template <class T>
int64_t shared_bytes(const StridedArgs<T>& a) {
  const int64_t steps = (a.terms + kStep<T> - 1) / kStep<T>;
  return steps * kTiles * 256 + steps * kStep<T> * 4 + int64_t{a.in_h} * a.in_w * 4 + 16;
}

}  // namespace

template <class T>
bool strided_conv_order(const ConvRun& r, int64_t most_shared_bytes, FragmentOrder* order) {
  if (r.o != kOutputs || r.groups != 1 || r.stride == 1 || r.shuffle != 1) return false;
  const StridedArgs<T> a = strided_args<T>(r);
  if (shared_bytes(a) > most_shared_bytes) return false;
  static_assert(kMostFragmentSteps * kTiles * 256 > 227 * 1024, "more k steps than shared memory holds");
  *order = {a.terms, kOutputs, 1, 1, kStep<T>, 1};
  return true;
}

template <class T>
void strided_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                  void* y, const ConvDevice& device) {
  StridedArgs<T> a = strided_args<T>(run);
  a.image = static_cast<const float*>(x), a.packed = static_cast<const T*>(packed),
  a.coarse = static_cast<T*>(y);
  a.epilogue = epilogue;
  const int64_t tiles = int64_t{run.n} * a.tile_rows * a.tile_columns;
  gpu::launch(conv2d_strided_kernel<T>,
              dim3(static_cast<unsigned>(std::min<int64_t>(tiles, 2 * device.multiprocessors))),
              dim3(kThreads), static_cast<size_t>(shared_bytes(a)), device.stream, a);
}

template bool strided_conv_order<float>(const ConvRun&, int64_t, FragmentOrder*);
template bool strided_conv_order<__nv_bfloat16>(const ConvRun&, int64_t, FragmentOrder*);
template bool strided_conv_order<__half>(const ConvRun&, int64_t, FragmentOrder*);
template void strided_conv<float>(const ConvRun&, const void*, const void*, const ConvEpilogue&, void*,
                                  const ConvDevice&);
template void strided_conv<__nv_bfloat16>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                          void*, const ConvDevice&);
template void strided_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&, void*,
                                   const ConvDevice&);

}  // namespace sr::cuda

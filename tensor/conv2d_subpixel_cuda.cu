// The tile and the weights of one k step (32 bytes of channels) at a time, the next k step's on their way. A
// warp owns two rows of 32 coarse pixels; going down a column of taps it reads each row of pixels once.
#include "tensor/conv2d_subpixel_cuda.h"

#include <algorithm>

#include "tensor/conv2d_operands_cuda.h"
#include "tensor/conv2d_values_cuda.h"

namespace sr::cuda {
namespace {

template <class T, int Taps, int Tiles>
struct SubpixelConv {
  static constexpr int kWarps = 8, kThreads = 32 * kWarps, kTileH = 2 * kWarps, kTileW = 32;
  static constexpr int kTaps = Taps, kTiles = Tiles, kInputs = 64;
  static constexpr int kInH = kTileH + Taps - 1, kInW = kTileW + Taps - 1;
  static constexpr int kStep = 32 / sizeof(T), kUnit = 16 / sizeof(T), kSteps = kInputs / kStep;
  static constexpr int kPitch = 3 * kUnit;  // an odd number of 16-byte units
  static constexpr int kTileElements = kInH * kInW * kPitch, kWeights = Taps * Taps * Tiles * 256 / sizeof(T);
  static constexpr int kSharedBytes = 2 * (kTileElements + kWeights) * sizeof(T);
  static_assert(kSharedBytes <= 163 * 1024, "sm_80's limit");

  using Acc = float[4][Tiles][4];
};

template <class T>
struct SubpixelArgs {
  const T* x;
  const T* packed;
  void* y;
  DType to;
  ConvRun r;
  ConvEpilogue epilogue;
  int tile_rows, tile_columns;
};

/// Starts the copies of k step `step` of tile t, or rounds its pixels for TF32.
template <class C, bool Round, class T>
GPU_FN void load_step(T* tile, T* weights, const SubpixelArgs<T>& a, int t, int step) {
  const ConvRun& r = a.r;
  const int x0 = t % a.tile_columns * C::kTileW - r.pad_w,
            y0 = t / a.tile_columns % a.tile_rows * C::kTileH - r.pad_h,
            image = t / (a.tile_columns * a.tile_rows);
  for (int i = static_cast<int>(threadIdx.x); i < C::kInH * C::kInW * 2; i += C::kThreads) {
    const int pixel = i / 2, unit = i % 2 * C::kUnit;
    T* const to = tile + pixel * C::kPitch + unit;
    if constexpr (Round) {
      round_unit(to);
    } else {
      const int row = y0 + pixel / C::kInW, column = x0 + pixel % C::kInW;
      const bool inside = row >= 0 && row < r.h && column >= 0 && column < r.w;
      const long long from =
          ((static_cast<long long>(image) * r.h + row) * r.w + column) * r.x_pitch + step * C::kStep + unit;
      gpu::cp_async16(to, a.x + (inside ? from : 0), inside);
    }
  }
  if constexpr (!Round) {
    constexpr int kUnits = C::kTiles * 16;  // of one tap
    for (int i = static_cast<int>(threadIdx.x); i < C::kTaps * C::kTaps * kUnits; i += C::kThreads) {
      const int from = (i / kUnits * C::kSteps + step) * kUnits + i % kUnits;
      gpu::cp_async16(weights + i * C::kUnit, a.packed + from * C::kUnit, true);
    }
  }
}

/// Adds one k step's products, all taps.
template <class C, class T>
GPU_FN void multiply_taps(typename C::Acc& acc, const T* tile, const T* weights) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const T* const from = tile + (2 * warp * C::kInW + lane % 16) * C::kPitch + lane / 16 * C::kUnit;
#pragma unroll 1
  for (int column = 0; column < C::kTaps; ++column) {
    uint32_t a[4][4];  // the two rows of pixels that the tap's row meets, each as two halves
    gpu::ldmatrix_x4(a[2], from + column * C::kPitch);
    gpu::ldmatrix_x4(a[3], from + (16 + column) * C::kPitch);
#pragma unroll
    for (int row = 0; row < C::kTaps; ++row) {
#pragma unroll
      for (int k = 0; k < 4; ++k) a[0][k] = a[2][k], a[1][k] = a[3][k];
      gpu::ldmatrix_x4(a[2], from + ((row + 1) * C::kInW + column) * C::kPitch);
      gpu::ldmatrix_x4(a[3], from + ((row + 1) * C::kInW + 16 + column) * C::kPitch);
      uint32_t b[C::kTiles][2];
      load_fragments(b, weights, (row * C::kTaps + column) * C::kTiles, lane);
      multiply<T>(acc, 0, a, b);
    }
  }
}

/// Writes the warp's coarse pixels: output o is phase o / channels.
template <class C, class T>
GPU_FN void write_phases(const typename C::Acc& acc, const SubpixelArgs<T>& a, int t) {
  const ConvRun& r = a.r;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int x0 = t % a.tile_columns * C::kTileW, y0 = t / a.tile_columns % a.tile_rows * C::kTileH + 2 * warp,
            image = t / (a.tile_columns * a.tile_rows), channels = r.o / (r.shuffle * r.shuffle);
#pragma unroll
  for (int j = 0; j < C::kTiles; ++j) {
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const int o = 8 * j + 2 * (lane % 4) + k, phase = o / channels;
#pragma unroll
      for (int i = 0; i < 8; ++i) {  // row tile i / 2, upper or lower half of it
        const int coarse_row = y0 + i / 4, coarse_column = x0 + i / 2 % 2 * 16 + i % 2 * 8 + lane / 4;
        const int row = coarse_row * r.shuffle + phase / r.shuffle,
                  column = coarse_column * r.shuffle + phase % r.shuffle;
        if (o >= r.o || coarse_row >= r.oh || coarse_column >= r.ow || row >= r.y_h || column >= r.y_w)
          continue;
        finish_value(acc[i / 2][j][i % 2 * 2 + k], a.epilogue, a.y, a.to,
                     (static_cast<long long>(image) * r.y_h + row) * r.y_w + column, r.y_pitch, o % channels);
      }
    }
  }
}

// ptxas: conv2d_subpixel_kernel registers<=128
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, 1) conv2d_subpixel_kernel(SubpixelArgs<T> a) {
  gpu::Smem shared;
  T* const memory = shared.get<T>(2 * (C::kTileElements + C::kWeights));
  const auto tile = [&](int buffer) { return memory + buffer * (C::kTileElements + C::kWeights); };
  const int tiles = a.r.n * a.tile_rows * a.tile_columns;
  int t = static_cast<int>(blockIdx.x), buffer = 0;
  load_step<C, false>(tile(0), tile(0) + C::kTileElements, a, t, 0);
  gpu::cp_commit();
  for (; t < tiles; t += static_cast<int>(gridDim.x)) {
    typename C::Acc acc;
    clear(acc);
#pragma unroll 1
    for (int step = 0; step < C::kSteps; ++step, buffer ^= 1) {
      const bool last = step == C::kSteps - 1;
      const int next_t = last ? t + static_cast<int>(gridDim.x) : t, next_step = last ? 0 : step + 1;
      T* const next = tile(buffer ^ 1);
      if (next_t < tiles) load_step<C, false>(next, next + C::kTileElements, a, next_t, next_step);
      gpu::cp_commit();
      gpu::cp_wait<1>();
      if constexpr (sizeof(T) == 4) load_step<C, true>(tile(buffer), tile(buffer), a, t, step);
      __syncthreads();
      multiply_taps<C>(acc, tile(buffer), tile(buffer) + C::kTileElements);
      __syncthreads();  // this k step is read before the next but one takes its place
    }
    write_phases<C>(acc, a, t);
  }
}

/// Calls f(SubpixelConv<...>()) for the kernel of this shape; false if there is none.
template <class T, class F>
bool with_subpixel_conv(const ConvRun& r, F f) {
  if (r.shuffle == 1 || r.c != 64 || r.kh != r.kw) return false;
  const int tiles = (r.o + 7) / 8;
  if (r.kh == 9 && tiles == 1) return f(SubpixelConv<T, 9, 1>()), true;
  if (r.kh == 6 && tiles == 2) return f(SubpixelConv<T, 6, 2>()), true;
  if (r.kh == 5 && tiles == 2) return f(SubpixelConv<T, 5, 2>()), true;
  return false;
}

}  // namespace

template <class T>
bool subpixel_conv_order(const ConvRun& run, FragmentOrder* order) {
  return with_subpixel_conv<T>(run, [&](auto c) {
    using C = decltype(c);
    *order = {C::kInputs, run.o, 1, C::kTaps * C::kTaps, C::kStep, 1};
  });
}

template <class T>
void subpixel_conv(const ConvRun& run, DType to, const void* x, const void* packed,
                   const ConvEpilogue& epilogue, void* y, const ConvDevice& device) {
  with_subpixel_conv<T>(run, [&](auto c) {
    using C = decltype(c);
    const SubpixelArgs<T> a{static_cast<const T*>(x),
                            static_cast<const T*>(packed),
                            y,
                            to,
                            run,
                            epilogue,
                            (run.oh + C::kTileH - 1) / C::kTileH,
                            (run.ow + C::kTileW - 1) / C::kTileW};
    const int64_t tiles = int64_t{run.n} * a.tile_rows * a.tile_columns;
    gpu::launch(conv2d_subpixel_kernel<T, C>,
                dim3(static_cast<unsigned>(std::min<int64_t>(tiles, device.multiprocessors))),
                dim3(C::kThreads), C::kSharedBytes, device.stream, a);
  });
}

template bool subpixel_conv_order<float>(const ConvRun&, FragmentOrder*);
template bool subpixel_conv_order<__nv_bfloat16>(const ConvRun&, FragmentOrder*);
template bool subpixel_conv_order<__half>(const ConvRun&, FragmentOrder*);
template void subpixel_conv<float>(const ConvRun&, DType, const void*, const void*, const ConvEpilogue&,
                                   void*, const ConvDevice&);
template void subpixel_conv<__nv_bfloat16>(const ConvRun&, DType, const void*, const void*,
                                           const ConvEpilogue&, void*, const ConvDevice&);
template void subpixel_conv<__half>(const ConvRun&, DType, const void*, const void*, const ConvEpilogue&,
                                    void*, const ConvDevice&);

}  // namespace sr::cuda

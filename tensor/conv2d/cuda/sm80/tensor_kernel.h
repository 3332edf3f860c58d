// 3x3 and 1x1 convolutions on the tensor cores: an implicit GEMM whose rows are pixels, whose columns are
// output channels and whose inner dimension runs over k steps of 32 bytes of input channels and, within, over
// the taps.
//
// A block keeps its weights in shared memory and goes through tiles of 8x32 pixels. A tile with its halo
// arrives by cp.async in stages of channels, so that the first stage's arithmetic covers the others' way. A
// warp owns two rows of 32 pixels with all the block's outputs in registers. A tap is an offset into the
// tile; pixels are an odd number of 16-byte units apart, which makes ldmatrix free of bank conflicts. Results
// are staged in the tile's memory and written as whole pixels.
#pragma once

#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/sm80/tensor.h"

namespace sr::cuda {

template <class T>
struct TensorConvArgs {
  const T* x;
  const T* packed;
  T* y;
  int n, h, w, x_pitch, x_row, y_pitch;  // x_row: elements from row to row
  ConvEpilogue epilogue;
};

namespace {

template <class T, int Inputs, int Outputs, int Groups, int Kernel, int Slices>
struct TensorConv {
  static constexpr int kTileH = 8, kTileW = 32, kWarps = 4, kThreads = 32 * kWarps;
  static constexpr int kRowTiles = 4;  // 16 pixels each: the warp's 2 x 32
  static constexpr int kTaps = Kernel * Kernel, kPad = Kernel / 2;
  static constexpr int kInH = kTileH + 2 * kPad, kInW = kTileW + 2 * kPad;
  static constexpr int kStep = 32 / sizeof(T), kUnit = 16 / sizeof(T);  // elements
  static constexpr int kSteps = Inputs / kStep, kStageSteps = kSteps % 2 == 0 ? 2 : 1,
                       kStages = kSteps / kStageSteps;
  static constexpr int kOut = Outputs / Slices, kTiles = kOut / 8;
  static constexpr int kInPitch = odd_units<T>(Inputs), kOutPitch = odd_units<T>(kOut);
  static_assert(Inputs % kStep == 0 && Outputs % (8 * Slices) == 0 && (Groups == 1 || Slices == 1));

  GPU_HD static constexpr FragmentOrder order() { return {Inputs, Outputs, Groups, kTaps, kStep, Slices}; }
  static constexpr int kTapTiles = order().before(kSteps);
  static constexpr int kWeights = kTaps * kTapTiles * 256 / sizeof(T);  // elements of a slice
  static constexpr int kTileElements = std::max(
      kInH * kInW * kInPitch, kWarps * 16 * kRowTiles * kOutPitch);  // input, later the staged output
  static constexpr int kSharedBytes = (kWeights + kTileElements) * sizeof(T);
  static_assert(kSharedBytes <= 163 * 1024, "sm_80's limit");
  // What fits into sm_90's shared memory and leaves the accumulators enough registers.
  static constexpr int kBlocksPerSm =
      std::min(kTiles <= 5 ? 3 : 2, std::max(1, 228 * 1024 / (kSharedBytes + 1024)));

  using Acc = float[kRowTiles][kTiles][4];
};

/// Starts the copies of one stage's channels of the tile at (y0, x0); of TF32 operands, rounds what they
/// brought.
template <class C, bool Round, class T>
GPU_FN void stage_tile(T* tile, const T* image, const TensorConvArgs<T>& a, int stage, int y0, int x0) {
  constexpr int kUnits = 2 * C::kStageSteps;
  static_assert(C::kThreads % kUnits == 0);
  const int thread = static_cast<int>(threadIdx.x), c = (stage * kUnits + thread % kUnits) * C::kUnit;
  const int top = y0 - C::kPad, left = x0 - C::kPad;
  const long long first =
      static_cast<long long>(top) * a.x_row + static_cast<long long>(left) * a.x_pitch + c;
  for (TileWalk<C::kInW, C::kThreads / kUnits> at(thread / kUnits); at.pixel < C::kInH * C::kInW; at.step()) {
    T* const to = tile + at.pixel * C::kInPitch + c;
    if constexpr (Round) {
      round_unit(to);
    } else {
      const bool inside = within(top + at.row, a.h) && within(left + at.column, a.w);
      gpu::cp_async16(to, image + (inside ? first + at.row * a.x_row + at.column * a.x_pitch : 0), inside);
    }
  }
}

/// Adds one k step's products to the accumulators. The taps of one column share the rows that they read.
template <class C, int Step, class T>
GPU_FN void multiply_step(typename C::Acc& acc, const T* weights, const T* tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  constexpr int kFirst = C::order().first(Step), kCount = C::order().count(Step),
                kBefore = C::order().before(Step);  // constants: the accumulators must stay in registers
  constexpr int kKernel = 2 * C::kPad + 1, kRows = 2 + 2 * C::kPad;
  const T* const from =
      tile + (2 * warp * C::kInW + lane % 16) * C::kInPitch + Step * C::kStep + lane / 16 * C::kUnit;
#pragma unroll 1  // more at a time do not fit into the registers
  for (int column = 0; column < kKernel; ++column) {
    uint32_t rows[2 * kRows][4];
#pragma unroll
    for (int i = 0; i < 2 * kRows; ++i) {
      gpu::ldmatrix_x4(rows[i], from + (i / 2 * C::kInW + i % 2 * 16 + column) * C::kInPitch);
    }
#pragma unroll
    for (int row = 0; row < kKernel; ++row) {
      uint32_t a[C::kRowTiles][4], b[kCount][2];
      load_fragments(b, weights, (row * kKernel + column) * C::kTapTiles + kBefore, lane);
#pragma unroll
      for (int i = 0; i < C::kRowTiles; ++i) {
#pragma unroll
        for (int k = 0; k < 4; ++k) a[i][k] = rows[2 * row + i][k];
      }
      multiply<T>(acc, kFirst, a, b);
    }
  }
}

/// Bias and activation, rounded to the storage type, into the warp's part of the staging memory.
template <class C, class T>
GPU_FN void stage_results(T* staged, const typename C::Acc& acc, const ConvEpilogue& e, int first_channel) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int j = 0; j < C::kTiles; ++j) {
    const int c = 8 * j + 2 * (lane % 4);
    const float b0 = e.bias ? e.bias[first_channel + c] : 0.0f,
                b1 = e.bias ? e.bias[first_channel + c + 1] : 0.0f;
#pragma unroll
    for (int i = 0; i < C::kRowTiles; ++i) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        store_pair(staged + (16 * i + 8 * r + lane / 4) * C::kOutPitch + c,
                   leaky(acc[i][j][2 * r] + b0, e.leak), leaky(acc[i][j][2 * r + 1] + b1, e.leak));
      }
    }
  }
}

/// Writes the warp's two rows of staged results, 16 bytes a lane, with what is added and the mask.
template <class C, class T>
GPU_FN void write_results(const T* staged, const TensorConvArgs<T>& a, int image, int y0, int x0,
                          int first_channel) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  constexpr int kUnits = C::kOut / C::kUnit, kTogether = kUnits % 4 == 0 ? 4 : kUnits % 3 == 0 ? 3 : 1;
  static_assert(C::kTileW == 32 && kUnits % kTogether == 0);  // a lane has kUnits units of a row
  for (int row = 0; row < 2 && y0 + row < a.h; ++row) {
    const long long pixel = (static_cast<long long>(image) * a.h + y0 + row) * a.w + x0;
    T* const y = a.y + pixel * a.y_pitch + first_channel;
    for (int first = lane; first < 32 * kUnits; first += 32 * kTogether) {
      MetUnit met[kTogether];
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        const int column = (first + 32 * k) / kUnits, c = (first + 32 * k) % kUnits * C::kUnit;
        if (kTogether > 1 && x0 + column < a.w)
          met[k] = load_met<T>(a.epilogue, pixel + column, first_channel + c);
      }
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        const int column = (first + 32 * k) / kUnits, c = (first + 32 * k) % kUnits * C::kUnit;
        if (x0 + column >= a.w) continue;
        const uint4 v =
            *reinterpret_cast<const uint4*>(staged + (row * C::kTileW + column) * C::kOutPitch + c);
        *reinterpret_cast<uint4*>(y + column * a.y_pitch + c) =
            kTogether > 1 ? finish_unit<T>(v, met[k], a.epilogue, pixel + column, first_channel + c)
                          : finish_unit<T>(v, a.epilogue, pixel + column, first_channel + c);
      }
    }
  }
}

// Two blocks of four warps, or three, share the registers of a multiprocessor.
// ptxas: conv2d_tensor_kernel registers<=255
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, C::kBlocksPerSm) conv2d_tensor_kernel(TensorConvArgs<T> a) {
  constexpr int kSlices = C::order().slices;
  gpu::Smem shared;
  T* const weights = shared.get<T>(C::kWeights);
  T* const tile = shared.get<T>(C::kTileElements);
  const int slice = static_cast<int>(blockIdx.x) % kSlices, first_channel = slice * C::kOut;
  const int columns = (a.w + C::kTileW - 1) / C::kTileW, rows = (a.h + C::kTileH - 1) / C::kTileH;

  for (int i = static_cast<int>(threadIdx.x); i < C::kWeights / C::kUnit; i += C::kThreads) {
    gpu::cp_async16(weights + i * C::kUnit, a.packed + slice * C::kWeights + i * C::kUnit, true);
  }  // they belong to the first stage's group

  for (int t = static_cast<int>(blockIdx.x) / kSlices; t < a.n * rows * columns;
       t += static_cast<int>(gridDim.x) / kSlices) {
    const int x0 = t % columns * C::kTileW, y0 = t / columns % rows * C::kTileH, image = t / (columns * rows);
    const T* const x = a.x + static_cast<long long>(image) * a.h * a.x_row;
    for (int s = 0; s < C::kStages; ++s) {
      stage_tile<C, false>(tile, x, a, s, y0, x0);
      gpu::cp_commit();
    }

    typename C::Acc acc;
    clear(acc);
    gpu::static_for<C::kStages>([&](auto s) {
      constexpr int kStage = decltype(s)::value;
      gpu::cp_wait<C::kStages - 1 - kStage>();
      if constexpr (sizeof(T) == 4) stage_tile<C, true>(tile, x, a, kStage, y0, x0);
      __syncthreads();
      gpu::static_for<C::kStageSteps>([&](auto k) {
        multiply_step<C, kStage * C::kStageSteps + decltype(k)::value>(acc, weights, tile);
      });
    });

    __syncthreads();  // all warps are done with the tile; its memory takes the results
    T* const staged = tile + static_cast<int>(threadIdx.x) / 32 * 16 * C::kRowTiles * C::kOutPitch;
    stage_results<C>(staged, acc, a.epilogue, first_channel);
    __syncwarp();
    write_results<C>(staged, a, image, y0 + static_cast<int>(threadIdx.x) / 32 * 2, x0, first_channel);
    __syncthreads();  // the results are read before the next tile arrives
  }
}

template <class T, class C>
void launch_tensor_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                        void* y, const ConvDevice& device) {
  const TensorConvArgs<T> a{static_cast<const T*>(x),
                            static_cast<const T*>(packed),
                            static_cast<T*>(y),
                            run.n,
                            run.h,
                            run.w,
                            static_cast<int>(run.x_pitch),
                            static_cast<int>(run.w * run.x_pitch),
                            static_cast<int>(run.y_pitch),
                            epilogue};
  const int64_t tiles =
      int64_t{run.n} * ((run.h + C::kTileH - 1) / C::kTileH) * ((run.w + C::kTileW - 1) / C::kTileW);
  constexpr int kSlices = C::order().slices;
  const int64_t blocks = std::min<int64_t>(
      tiles * kSlices, std::max(1, device.multiprocessors * C::kBlocksPerSm / kSlices) * kSlices);
  gpu::launch(conv2d_tensor_kernel<T, C>, dim3(static_cast<unsigned>(blocks)), dim3(C::kThreads),
              C::kSharedBytes, device.stream, a);
}

/// Calls f(TensorConv<...>()) for the kernel of this shape; false if there is none, or if a block cannot have
/// the shared memory that it wants. Slices are chosen so that two blocks share a multiprocessor where they
/// can.
template <class T, class F>
bool with_tensor_conv(const ConvRun& r, int64_t most_shared_bytes, F f) {
  constexpr bool kWide = sizeof(T) == 4;
  const auto served = [&](auto c) {
    if (decltype(c)::kSharedBytes > most_shared_bytes) return false;
    f(c);
    return true;
  };
  const auto is = [&r](int c, int o, int groups, int kernel) {
    return r.c == c && r.o == o && r.groups == groups && r.kh == kernel && r.kw == kernel;
  };
  if (!has_short_rows(r) || r.stride != 1 || r.shuffle != 1 || r.pad_h != r.kh / 2 || r.pad_w != r.kw / 2 ||
      r.oh != r.h || r.ow != r.w)
    return false;
  if (is(64, 64, 1, 3)) return served(TensorConv<T, 64, 64, 1, 3, 2>());
  if (is(64, 48, 1, 3)) return served(TensorConv<T, 64, 48, 1, 3, 2>());
  if (is(48, 32, 4, 3)) return served(TensorConv<T, 48, 32, 4, 3, 1>());
  if (is(32, 64, 1, 3)) return served(TensorConv < T, 32, 64, 1, 3, kWide ? 2 : 1 > ());
  if (is(48, 64, 1, 3)) return served(TensorConv < T, 48, 64, 1, 3, kWide ? 2 : 1 > ());
  if (is(64, 48, 4, 3)) return served(TensorConv<T, 64, 48, 4, 3, 1>());
  if (is(48, 80, 1, 3)) return served(TensorConv<T, 48, 80, 1, 3, 2>());
  if (is(80, 64, 1, 1)) return served(TensorConv<T, 80, 64, 1, 1, 1>());
  // Gradients of those for their inputs.
  if (is(32, 48, 4, 3)) return served(TensorConv<T, 32, 48, 4, 3, 1>());
  if (is(64, 32, 1, 3)) return served(TensorConv < T, 64, 32, 1, 3, kWide ? 2 : 1 > ());
  if (is(48, 64, 4, 3)) return served(TensorConv<T, 48, 64, 4, 3, 1>());
  if (is(80, 48, 1, 3)) return served(TensorConv < T, 80, 48, 1, 3, kWide ? 3 : 2 > ());
  if (is(64, 80, 1, 1)) return served(TensorConv < T, 64, 80, 1, 1, kWide ? 2 : 1 > ());
  return false;
}

}  // namespace

template <class T>
bool tensor_conv_order(const ConvRun& run, int64_t most_shared_bytes, FragmentOrder* order) {
  return with_tensor_conv<T>(run, most_shared_bytes, [order](auto c) { *order = decltype(c)::order(); });
}

template <class T>
void tensor_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
                 const ConvDevice& device) {
  with_tensor_conv<T>(run, device.shared_bytes, [&](auto c) {
    launch_tensor_conv<T, decltype(c)>(run, x, packed, epilogue, y, device);
  });
}

}  // namespace sr::cuda

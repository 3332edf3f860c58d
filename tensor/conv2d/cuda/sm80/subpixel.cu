// The tile and the weights of one k step (32 bytes of channels) at a time, the next k step's on their way
// where shared memory holds both. Going down a column of taps a warp reads each row of pixels once. Four
// phases would fill half of an mma's eight columns: there two neighbouring pixels are one row of the product,
// their window one column of taps wider. A pixel's terms come in the same order whether it is the left or the
// right one: the bits do not depend on where a tile begins.
#include "tensor/conv2d/cuda/sm80/subpixel.h"

#include <algorithm>

#include "tensor/conv2d/cuda/operand_types.h"
#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/values.h"

namespace sr::cuda {
namespace {

template <class T, int Taps, int Outputs, int Pixels>
struct SubpixelConv {
  static constexpr int kOutputs = Outputs;  // of a pixel
  static constexpr int kPixels = Pixels;    // neighbours that are one row of the product
  static constexpr int kTileH = 16, kTileW = 32, kRowTiles = 4, kHalves = kTileW / (16 * Pixels);
  static constexpr int kWarpRows = kRowTiles / kHalves, kWarps = kTileH / kWarpRows, kThreads = 32 * kWarps;
  static constexpr int kTaps = Taps, kTapsW = Taps + Pixels - 1, kInputs = 64;
  static constexpr int kTiles = (Pixels * Outputs + 7) / 8;
  static constexpr int kInH = kTileH + Taps - 1, kInW = kTileW + Taps - 1;
  static_assert(kInW % Pixels == 0);
  static constexpr int kStep = 32 / sizeof(T), kUnit = 16 / sizeof(T), kSteps = kInputs / kStep;
  // A pixel is two 16-byte units, exchanged in every other four: ldmatrix then reads eight of a row without
  // bank conflicts. Rows begin at multiples of eight, so the exchange depends on the column alone.
  static constexpr int kPitch = 2 * kUnit, kRowPitch = (kInW + 7) / 8 * 8;
  GPU_HD static constexpr int unit_at(int place, int unit) { return (unit ^ (place / 4 % 2)) * kUnit; }
  // Within a row the pixels of even columns come first where two are one row of the product: its rows are
  // then one pixel apart.
  GPU_HD static constexpr int place_of(int column) {
    return column % Pixels * (kInW / Pixels) + column / Pixels;
  }
  static constexpr int kTileElements = kInH * kRowPitch * kPitch,
                       kWeights = Taps * kTapsW * kTiles * 256 / sizeof(T);
  static constexpr int kBuffer = kTileElements + kWeights;
  GPU_HD static constexpr int shared_bytes(int buffers) {
    return buffers * kBuffer * static_cast<int>(sizeof(T));
  }
  static_assert(shared_bytes(1) <= kLeastSharedBytes);

  GPU_HD static constexpr FragmentOrder order() {
    return {kInputs, Pixels * Outputs, 1, Taps * kTapsW, kStep, 1, Pixels};
  }
  using Acc = float[kRowTiles][kTiles][4];
};

template <class T>
struct SubpixelArgs {
  const T* x;
  const T* packed;
  void* y;
  DType to;
  ConvRun r;
  ConvEpilogue epilogue;
  int tile_rows, tile_columns, buffers, x_pitch, x_row;  // x_row: elements from row to row
};

/// Starts the copies of k step `step` of tile t, or rounds its pixels for TF32.
template <class C, bool Round, class T>
GPU_FN void load_step(T* tile, T* weights, const SubpixelArgs<T>& a, int t, int step) {
  const ConvRun& r = a.r;
  const int left = t % a.tile_columns * C::kTileW - r.pad_w,
            top = t / a.tile_columns % a.tile_rows * C::kTileH - r.pad_h,
            image = t / (a.tile_columns * a.tile_rows);
  const int thread = static_cast<int>(threadIdx.x), unit = thread % 2;
  const long long first = (static_cast<long long>(image) * r.h + top) * a.x_row +
                          static_cast<long long>(left) * a.x_pitch + step * C::kStep + unit * C::kUnit;
  for (TileWalk<C::kInW, C::kThreads / 2> at(thread / 2); at.pixel < C::kInH * C::kInW; at.step()) {
    const int place = C::place_of(at.column);
    T* const to = tile + (at.row * C::kRowPitch + place) * C::kPitch + C::unit_at(place, unit);
    if constexpr (Round) {
      round_unit(to);
    } else {
      const bool inside = within(top + at.row, r.h) && within(left + at.column, r.w);
      gpu::cp_async16(to, a.x + (inside ? first + at.row * a.x_row + at.column * a.x_pitch : 0), inside);
    }
  }
  if constexpr (!Round) {
    constexpr int kUnits = C::kTiles * 16;  // of one tap
    for (int i = static_cast<int>(threadIdx.x); i < C::kTaps * C::kTapsW * kUnits; i += C::kThreads) {
      const int from = (i / kUnits * C::kSteps + step) * kUnits + i % kUnits;
      gpu::cp_async16(weights + i * C::kUnit, a.packed + from * C::kUnit, true);
    }
  }
}

/// Adds one k step's products, all taps.
template <class C, class T>
GPU_FN void multiply_taps(typename C::Acc& acc, const T* tile, const T* weights) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  constexpr int kHalves = C::kHalves;
#pragma unroll 1
  for (int column = 0; column < C::kTapsW; ++column) {
    const int place = C::place_of(column) + lane % 16;
    const T* const top =
        tile + (warp * C::kWarpRows * C::kRowPitch + place) * C::kPitch + C::unit_at(place, lane / 16);
    const auto load_row = [&](uint32_t(&a)[C::kRowTiles][4], int tile_of_row, int row) {
#pragma unroll
      for (int h = 0; h < kHalves; ++h)
        gpu::ldmatrix_x4(a[tile_of_row + h], top + (row * C::kRowPitch + 16 * h) * C::kPitch);
    };
    uint32_t a[C::kRowTiles][4];  // the rows of pixels that the tap's row meets
#pragma unroll
    for (int row = 0; row < C::kWarpRows - 1; ++row) load_row(a, (row + 1) * kHalves, row);
#pragma unroll
    for (int row = 0; row < C::kTaps; ++row) {
#pragma unroll
      for (int i = 0; i < C::kRowTiles - kHalves; ++i) {
#pragma unroll
        for (int k = 0; k < 4; ++k) a[i][k] = a[i + kHalves][k];
      }
      load_row(a, C::kRowTiles - kHalves, row + C::kWarpRows - 1);
      uint32_t b[C::kTiles][2];
      load_fragments(b, weights, (row * C::kTapsW + column) * C::kTiles, lane);
      multiply<T>(acc, 0, a, b);
    }
  }
}

/// Writes the warp's coarse pixels: of the outputs of a pixel, o is phase o / channels.
template <class C, class T>
GPU_FN void write_phases(const typename C::Acc& acc, const SubpixelArgs<T>& a, int t) {
  const ConvRun& r = a.r;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int x0 = t % a.tile_columns * C::kTileW,
            y0 = t / a.tile_columns % a.tile_rows * C::kTileH + warp * C::kWarpRows,
            image = t / (a.tile_columns * a.tile_rows), channels = C::kOutputs / (r.shuffle * r.shuffle);
#pragma unroll
  for (int j = 0; j < C::kTiles; ++j) {
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const int n = 8 * j + 2 * (lane % 4) + k, pixel = n / C::kOutputs, o = n % C::kOutputs,
                phase = o / channels;
#pragma unroll
      for (int i = 0; i < 2 * C::kRowTiles; ++i) {  // row tile i / 2, upper or lower half of it
        const int coarse_row = y0 + i / 2 / C::kHalves,
                  coarse_column = x0 + (i / 2 % C::kHalves * 16 + i % 2 * 8 + lane / 4) * C::kPixels + pixel;
        const int row = coarse_row * r.shuffle + phase / r.shuffle,
                  column = coarse_column * r.shuffle + phase % r.shuffle;
        if (pixel >= C::kPixels || coarse_row >= r.oh || coarse_column >= r.ow || row >= r.y_h ||
            column >= r.y_w)
          continue;
        finish_value(acc[i / 2][j][i % 2 * 2 + k], a.epilogue, a.y, a.to,
                     (static_cast<long long>(image) * r.y_h + row) * r.y_w + column, r.y_pitch, o % channels);
      }
    }
  }
}

// ptxas: conv2d_subpixel_kernel registers<=128
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, 2) conv2d_subpixel_kernel(SubpixelArgs<T> a) {
  gpu::Smem shared;
  const bool ahead = a.buffers == 2;
  T* const memory = shared.get<T>(a.buffers * C::kBuffer);
  const auto load = [&](int buffer, int t, int step) {
    T* const tile = memory + buffer * C::kBuffer;
    load_step<C, false>(tile, tile + C::kTileElements, a, t, step);
  };
  const int tiles = a.r.n * a.tile_rows * a.tile_columns;
  int t = static_cast<int>(blockIdx.x), buffer = 0;
  if (ahead) load(0, t, 0);
  gpu::cp_commit();
  for (; t < tiles; t += static_cast<int>(gridDim.x)) {
    typename C::Acc acc;
    clear(acc);
#pragma unroll 1
    for (int step = 0; step < C::kSteps; ++step) {
      const bool last = step == C::kSteps - 1;
      const int next_t = last ? t + static_cast<int>(gridDim.x) : t;
      if (!ahead) {
        load(0, t, step);
      } else if (next_t < tiles) {
        load(buffer ^ 1, next_t, last ? 0 : step + 1);
      }
      gpu::cp_commit();
      wait_for_copies(ahead);
      T* const tile = memory + buffer * C::kBuffer;
      if constexpr (sizeof(T) == 4) load_step<C, true>(tile, tile, a, t, step);
      __syncthreads();
      multiply_taps<C>(acc, tile, tile + C::kTileElements);
      __syncthreads();  // this k step is read before another takes its place
      if (ahead) buffer ^= 1;
    }
    write_phases<C>(acc, a, t);
  }
}

/// Calls f(SubpixelConv<...>()) for the kernel of this shape; false if there is none.
template <class T, class F>
bool with_subpixel_conv(const ConvRun& r, F f) {
  if (!has_short_rows(r) || r.shuffle == 1 || r.c != 64 || r.kh != r.kw) return false;
  if (r.kh == 9 && r.o == 4) return f(SubpixelConv<T, 9, 4, 2>()), true;
  if (r.kh == 6 && r.o == 9) return f(SubpixelConv<T, 6, 9, 1>()), true;
  if (r.kh == 5 && r.o == 16) return f(SubpixelConv<T, 5, 16, 1>()), true;
  return false;
}

/// Coarse pixels of 64 channels (T) -> image: a stride-1 convolution to the stride^2 phases of a fine pixel,
/// stored shuffled. `order` of its weights; false if it does not serve this shape.
template <class T>
bool subpixel_conv_order(const ConvRun& run, FragmentOrder* order) {
  return with_subpixel_conv<T>(run, [order](auto c) { *order = decltype(c)::order(); });
}

template <class T>
void subpixel_conv(const ConvRun& run, DType to, const void* x, const void* packed,
                   const ConvEpilogue& epilogue, void* y, const ConvDevice& device) {
  with_subpixel_conv<T>(run, [&](auto c) {
    using C = decltype(c);
    const int buffers = C::shared_bytes(2) <= device.shared_bytes ? 2 : 1;
    const SubpixelArgs<T> a{static_cast<const T*>(x),
                            static_cast<const T*>(packed),
                            y,
                            to,
                            run,
                            epilogue,
                            (run.oh + C::kTileH - 1) / C::kTileH,
                            (run.ow + C::kTileW - 1) / C::kTileW,
                            buffers,
                            static_cast<int>(run.x_pitch),
                            static_cast<int>(run.w * run.x_pitch)};
    const int64_t tiles = int64_t{run.n} * a.tile_rows * a.tile_columns;
    gpu::launch(conv2d_subpixel_kernel<T, C>,
                dim3(static_cast<unsigned>(std::min<int64_t>(tiles, 2 * device.multiprocessors))),
                dim3(C::kThreads), static_cast<size_t>(C::shared_bytes(buffers)), device.stream, a);
  });
}

int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  with_operand(p.types.math, [&](auto t) {
    using T = decltype(t);
    FragmentOrder order{};
    if (p.op == ConvOp::grad_weight && p.aligned() && p.types.x == DType::f32 && p.types.y == kStorage<T>)
      strided_grad_weight_bytes<T>(p.run, device.shared_bytes, &bytes);
    else if (subpixel_order<T>(p, device, &order))
      bytes = order.bytes();
  });
  return bytes;
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  with_operand(p.types.math, [&](auto t) {
    if (p.op == ConvOp::conv2d)
      strided_conv<decltype(t)>(p.run, x, packed, epilogue, y, device);
    else
      subpixel_conv<decltype(t)>(p.run, p.written(), x, packed, epilogue, y, device);
  });
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  with_operand(p.types.math, [&](auto t) {
    for (const GradWeightTask& l : layers)  // one after the other in the same memory
      strided_grad_weight<decltype(t)>(p.run, l.x, l.dy, partial, l.dw, device.stream);
  });
}

}  // namespace

template <class T>
bool subpixel_order(const ConvProblem& p, const ConvDevice& device, FragmentOrder* order) {
  if (!p.aligned() || p.types.y != kStorage<T>) return false;
  if (p.op == ConvOp::grad_input) return subpixel_conv_order<T>(p.run, order);
  return p.op == ConvOp::conv2d && p.types.x == DType::f32 &&
         strided_conv_order<T>(p.run, device.shared_bytes, order);
}
template bool subpixel_order<float>(const ConvProblem&, const ConvDevice&, FragmentOrder*);
template bool subpixel_order<__nv_bfloat16>(const ConvProblem&, const ConvDevice&, FragmentOrder*);
template bool subpixel_order<__half>(const ConvProblem&, const ConvDevice&, FragmentOrder*);

const ConvAlgorithm kSubpixel{"subpixel", bytes, pack_as_fragments, conv, grad_weights};

}  // namespace sr::cuda

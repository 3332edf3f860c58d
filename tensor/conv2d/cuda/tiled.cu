// An implicit GEMM on the float32 units whose pixels stand in tiles. A tile with its halo and the weights
// arrive by cp.async in stages of some channels (of each group), a stage ahead of the arithmetic. A thread
// owns a run of pixels of a row with some neighbouring outputs; a row of taps shares the pixels it reads, so
// that a 3x3 layer of 8 pixels x 8 outputs loads 34 times 16 bytes for 768 multiply-adds. The terms of a
// value are added one after the other, in the order stage, kernel row, four channels, kernel column, channel.
#include "tensor/conv2d/cuda/tiled.h"

#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/values.h"

namespace sr::cuda {
namespace {

struct TiledArgs {
  const float* x;
  const float* packed;
  float* y;
  ConvRun r;
  int x_pitch, x_row;  // elements from pixel to pixel and from row to row
  int tile_rows, tile_columns;
  ConvEpilogue epilogue;
};

/// Outputs: those of all slices; PerThread of them a thread (beyond an upsampler's are zeros), for Run
/// pixels.
template <int Inputs, int Outputs, int Groups, int Kernel, int Slices, int Run, int PerThread, int Stage>
struct TiledConv {
  static constexpr int kInputs = Inputs, kOutputs = Outputs, kGroups = Groups, kKernel = Kernel,
                       kSlices = Slices, kRun = Run, kPerThread = PerThread;
  static constexpr int kTaps = Kernel * Kernel, kStageGroup = Stage, kStages = Inputs / Groups / Stage;
  static constexpr int kOut = (Outputs / Slices + PerThread - 1) / PerThread * PerThread;  // of a slice
  static constexpr int kOutGroup = kOut / Groups, kOutThreads = kOut / PerThread;
  static constexpr int kTileH = kOutThreads == 1 ? 16 : 8, kTileW = 32;
  static constexpr int kThreads = kTileH * (kTileW / Run) * kOutThreads;
  static constexpr int kInH = kTileH + Kernel - 1, kInW = kTileW + Kernel - 1;
  static constexpr int kChannels = Groups * Stage, kUnits = kChannels / 4;
  // Eight lanes read eight rows: an odd number of 16-byte units apart they are in different banks.
  static constexpr int kRowPitch = odd_units<float>(kInW * kChannels);
  static constexpr int kTile = kInH * kRowPitch, kWeights = kTaps * Stage * kOut;
  static constexpr int kSharedBytes = 2 * (kTile + kWeights) * 4;
  static constexpr int kBlocksPerSm = std::min(512 / kThreads, 4);
  static_assert(Inputs % (Groups * Stage) == 0 && Stage % 4 == 0 && PerThread % 4 == 0 && kTileW % Run == 0);
  static_assert(Groups == 1 || (Slices == 1 && kOutGroup % PerThread == 0));
  static_assert(kThreads % kUnits == 0 && kSharedBytes <= kLeastSharedBytes);

  using Acc = float[Run][PerThread];
};

/// What a thread computes: outputs from `out` of the slice for the pixels from (row, column) of the tile.
/// Neighbouring lanes share pixels where they can, four lanes weights: loads of 16 bytes then need half as
/// many passes.
template <class C>
struct Place {
  int row, column, out, group;

  GPU_FN explicit Place(int thread) {
    constexpr int kPair = C::kGroups == 1 && C::kOutThreads % 2 == 0 ? 2 : 1;
    const int rest = thread / (8 * kPair);
    out = (thread % kPair + rest % (C::kOutThreads / kPair) * kPair) * C::kPerThread;
    const int strip = rest / (C::kOutThreads / kPair);
    row = thread / kPair % 8 + strip % (C::kTileH / 8) * 8;
    column = strip / (C::kTileH / 8) * C::kRun;
    group = out / C::kOutGroup;
  }
};

/// Starts the copies of a stage's channels of the tile whose window begins at (top, left).
template <class C>
GPU_FN void copy_tile(float* tile, const float* image, const TiledArgs& a, int stage, int top, int left) {
  const int thread = static_cast<int>(threadIdx.x), unit = thread % C::kUnits;
  constexpr int kGroupUnits = C::kStageGroup / 4;
  const int c =
      unit / kGroupUnits * (C::kInputs / C::kGroups) + stage * C::kStageGroup + unit % kGroupUnits * 4;
  const long long first =
      static_cast<long long>(top) * a.x_row + static_cast<long long>(left) * a.x_pitch + c;
#pragma unroll 1  // the sums leave few registers
  for (TileWalk<C::kInW, C::kThreads / C::kUnits> at(thread / C::kUnits); at.pixel < C::kInH * C::kInW;
       at.step()) {
    const bool inside = within(top + at.row, a.r.h) && within(left + at.column, a.r.w);
    gpu::cp_async16(tile + at.row * C::kRowPitch + at.column * C::kChannels + unit * 4,
                    image + (inside ? first + at.row * a.x_row + at.column * a.x_pitch : 0), inside);
  }
}

/// Starts the copies of a stage's weights, [group][tap][channel][output].
template <class C>
GPU_FN void copy_weights(float* weights, const TiledArgs& a, int stage, int slice) {
  constexpr int kOwn = C::kOutputs / C::kGroups, kFour = kOwn % 4 == 0 ? 4 : 1;  // in the packed weights
  constexpr int kRow = C::kOutGroup / kFour, kGroupInputs = C::kInputs / C::kGroups;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < C::kWeights / kFour; i += C::kThreads) {
    const int out = i % kRow * kFour, c = i / kRow % C::kStageGroup, tap = i / kRow / C::kStageGroup;
    const float* const from = a.packed + (tap * kGroupInputs + stage * C::kStageGroup + c) * kOwn +
                              slice * C::kOutGroup + out;  // taps go on through the groups
    if constexpr (kFour == 4) {
      gpu::cp_async16(weights + i * 4, from, true);
    } else {
      gpu::cp_async4(weights + i, out < kOwn ? from : a.packed, out < kOwn);
    }
  }
}

/// Adds a stage's products.
template <class C>
GPU_FN void multiply_stage(typename C::Acc& acc, const float* tile, const float* weights,
                           const Place<C>& at) {
  constexpr int kLoaded = C::kRun + C::kKernel - 1;
  const float* const pixels =
      tile + at.row * C::kRowPitch + at.column * C::kChannels + at.group * C::kStageGroup;
  const float* const own =
      weights + at.group * (C::kTaps * C::kStageGroup * C::kOutGroup) + at.out % C::kOutGroup;
#pragma unroll 1
  for (int u = 0; u < C::kKernel; ++u) {
#pragma unroll 1
    for (int c = 0; c < C::kStageGroup; c += 2) {  // four at a time would not fit into the registers
      float2 run[kLoaded];
#pragma unroll
      for (int i = 0; i < kLoaded; ++i) {
        run[i] = *reinterpret_cast<const float2*>(pixels + u * C::kRowPitch + i * C::kChannels + c);
      }
      const float* const row = own + (u * C::kKernel * C::kStageGroup + c) * C::kOutGroup;
#pragma unroll
      for (int v = 0; v < C::kKernel; ++v) {
#pragma unroll
        for (int k = 0; k < 2; ++k) {
#pragma unroll
          for (int j = 0; j < C::kPerThread; j += 4) {
            const float4 w =
                *reinterpret_cast<const float4*>(row + (v * C::kStageGroup + k) * C::kOutGroup + j);
#pragma unroll
            for (int i = 0; i < C::kRun; ++i) {
              const float x = k == 0 ? run[i + v].x : run[i + v].y;
              acc[i][j] = fmaf(x, w.x, acc[i][j]);
              acc[i][j + 1] = fmaf(x, w.y, acc[i][j + 1]);
              acc[i][j + 2] = fmaf(x, w.z, acc[i][j + 2]);
              acc[i][j + 3] = fmaf(x, w.w, acc[i][j + 3]);
            }
          }
        }
      }
    }
  }
}

// ptxas: conv2d_tiled_kernel registers<=128
template <class C>
__global__ void __launch_bounds__(C::kThreads, C::kBlocksPerSm) conv2d_tiled_kernel(TiledArgs a) {
  gpu::Smem shared;
  float* const tiles = shared.get<float>(2 * C::kTile);
  float* const weights = shared.get<float>(2 * C::kWeights);
  const int slice = static_cast<int>(blockIdx.x) % C::kSlices, t = static_cast<int>(blockIdx.x) / C::kSlices;
  const int x0 = t % a.tile_columns * C::kTileW, y0 = t / a.tile_columns % a.tile_rows * C::kTileH,
            image = t / (a.tile_columns * a.tile_rows);
  const float* const x = a.x + static_cast<long long>(image) * a.r.h * a.x_row;
  const auto copy = [&](int stage) {
    copy_tile<C>(tiles + stage % 2 * C::kTile, x, a, stage, y0 - a.r.pad_h, x0 - a.r.pad_w);
    copy_weights<C>(weights + stage % 2 * C::kWeights, a, stage, slice);
    gpu::cp_commit();
  };
  const Place<C> at(static_cast<int>(threadIdx.x));
  typename C::Acc acc = {};
  copy(0);
#pragma unroll 1
  for (int stage = 0; stage < C::kStages; ++stage) {
    gpu::cp_wait<0>();
    __syncthreads();  // the stage is there, and the one before it was read
    if (stage + 1 < C::kStages) copy(stage + 1);
    multiply_stage<C>(acc, tiles + stage % 2 * C::kTile, weights + stage % 2 * C::kWeights, at);
  }
  const int row = y0 + at.row;
  if (row >= a.r.oh) return;
#pragma unroll
  for (int i = 0; i < C::kRun; ++i) {
    const int column = x0 + at.column + i;
    if (column >= a.r.ow) return;
    if constexpr (C::kKernel <= 3) {
      const long long pixel = (static_cast<long long>(image) * a.r.oh + row) * a.r.ow + column;
      write_units(acc[i], a.epilogue, a.y, pixel, a.r.y_pitch, slice * C::kOut + at.out);
    } else {
#pragma unroll
      for (int j = 0; j < C::kPerThread; ++j) {
        if (j < C::kOutputs) write_output(a.r, a.epilogue, a.y, DType::f32, image, row, column, j, acc[i][j]);
      }
    }
  }
}

/// Calls f(TiledConv<...>()) for the kernel of this shape; false if there is none.
template <class F>
bool with_tiled_conv(const ConvRun& r, F f) {
  const auto is = [&r](int c, int o, int groups, int kernel) {
    return r.c == c && r.o == o && r.groups == groups && r.kh == kernel && r.kw == kernel;
  };
  const auto served = [&f](auto c) {
    f(c);
    return true;
  };
  if (!has_short_rows(r) || r.stride != 1) return false;
  if (r.shuffle > 1) {  // the upsampler, an output for each phase
    if (is(64, 4, 1, 9)) return served(TiledConv<64, 4, 1, 9, 1, 4, 4, 4>());
    if (is(64, 9, 1, 6)) return served(TiledConv<64, 9, 1, 6, 1, 4, 12, 4>());
    if (is(64, 16, 1, 5)) return served(TiledConv<64, 16, 1, 5, 1, 4, 16, 4>());
    return false;
  }
  if (r.pad_h != r.kh / 2 || r.pad_w != r.kw / 2 || r.oh != r.h || r.ow != r.w) return false;
  if (is(64, 64, 1, 3)) return served(TiledConv<64, 64, 1, 3, 1, 8, 8, 4>());
  if (is(64, 48, 1, 3)) return served(TiledConv<64, 48, 1, 3, 1, 8, 8, 4>());
  if (is(48, 32, 4, 3)) return served(TiledConv<48, 32, 4, 3, 1, 8, 8, 4>());
  if (is(32, 64, 1, 3)) return served(TiledConv<32, 64, 1, 3, 1, 8, 8, 4>());
  if (is(48, 64, 1, 3)) return served(TiledConv<48, 64, 1, 3, 1, 8, 8, 4>());
  if (is(64, 48, 4, 3)) return served(TiledConv<64, 48, 4, 3, 1, 4, 12, 4>());
  if (is(48, 80, 1, 3)) return served(TiledConv<48, 80, 1, 3, 2, 8, 8, 4>());
  if (is(80, 64, 1, 1)) return served(TiledConv<80, 64, 1, 1, 1, 8, 8, 16>());
  // Gradients of those for their inputs.
  if (is(32, 48, 4, 3)) return served(TiledConv<32, 48, 4, 3, 1, 4, 12, 4>());
  if (is(64, 32, 1, 3)) return served(TiledConv<64, 32, 1, 3, 1, 8, 8, 4>());
  if (is(48, 64, 4, 3)) return served(TiledConv<48, 64, 4, 3, 1, 8, 8, 4>());
  if (is(80, 48, 1, 3)) return served(TiledConv<80, 48, 1, 3, 1, 8, 8, 4>());
  if (is(64, 80, 1, 1)) return served(TiledConv<64, 80, 1, 1, 2, 8, 8, 16>());
  return false;
}

template <class C>
void launch_tiled_conv(TiledArgs a, cudaStream_t stream) {
  a.tile_rows = (a.r.oh + C::kTileH - 1) / C::kTileH, a.tile_columns = (a.r.ow + C::kTileW - 1) / C::kTileW;
  const int64_t blocks = int64_t{a.r.n} * a.tile_rows * a.tile_columns * C::kSlices;
  gpu::launch(conv2d_tiled_kernel<C>, dim3(static_cast<unsigned>(blocks)), dim3(C::kThreads), C::kSharedBytes,
              stream, a);
}

int64_t bytes(const ConvProblem& p, const ConvDevice&) {
  if (p.types.x != DType::f32 || p.types.y != DType::f32 || !p.aligned()) return 0;
  const ConvRun& run = p.run;
  if (p.op == ConvOp::grad_weight)
    return run.stride > 1 ? strided_tiled_grad_weight_bytes(run) : tiled_grad_weight_bytes(run);
  return with_tiled_conv(run, [](auto) {}) || takes_strided_tiled_conv(run) ? plain_packed_bytes(run) : 0;
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  const ConvRun& run = p.run;
  const auto* const weights = static_cast<const float*>(packed);
  if (run.stride > 1) return strided_tiled_conv(run, x, weights, epilogue, y, device.stream);
  const TiledArgs a{static_cast<const float*>(x),
                    weights,
                    static_cast<float*>(y),
                    run,
                    static_cast<int>(run.x_pitch),
                    static_cast<int>(run.w * run.x_pitch),
                    0,
                    0,
                    epilogue};
  with_tiled_conv(run, [&](auto c) { launch_tiled_conv<decltype(c)>(a, device.stream); });
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  const auto grad_weight = p.run.stride > 1 ? strided_tiled_grad_weight : tiled_grad_weight;
  for (const GradWeightTask& l : layers)  // one after the other in the same memory
    grad_weight(p.run, l.x, l.dy, static_cast<float*>(partial), l.dw, device.stream);
}

}  // namespace

const ConvAlgorithm kTiled{"tiled", bytes, pack_plain, conv, grad_weights};

}  // namespace sr::cuda

// The weights' gradient of 3x3 and 1x1 convolutions on the float32 units: a GEMM whose rows are output
// channels, whose columns are input channels and whose inner dimension runs over pixels.
//
// A block answers for one row of taps and every kParts-th tile of pixels; tiles arrive by cp.async, one
// ahead. A thread keeps the sums of some output channels x input channels for all taps of the row and goes
// through the tile's pixels four at a time, so that a pixel of x is loaded once for its taps: 14 loads of 16
// bytes for 384 multiply-adds. Grouped layers leave few such threads: there several shares of them take the
// tile's rows among them and add up in turn. A second kernel adds the parts.
#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/tiled.h"

namespace sr::cuda {
namespace {

constexpr int kMostBlocks = 3 * 132;

struct TiledGradArgs {
  const float* x;
  const float* dy;
  float* part;  // [part][o][kh][kw][c / groups]
  int n, h, w, x_pitch, y_pitch, parts;
};

/// A thread's sums: Out output channels x In input channels of a group, in steps of four.
template <int Inputs, int Outputs, int Groups, int Kernel, int Out, int In, int Shares>
struct TiledGradWeight {
  static constexpr int kInputs = Inputs, kOutputs = Outputs, kKernel = Kernel, kPad = Kernel / 2, kOut = Out,
                       kIn = In, kShares = Shares;
  static constexpr int kInGroup = Inputs / Groups, kOutGroup = Outputs / Groups;
  static constexpr int kOutThreads = kOutGroup / Out, kInThreads = kInGroup / In;
  static constexpr int kOwn = Groups * kOutThreads * kInThreads, kThreads = kOwn * Shares;
  static constexpr int kTileH = std::max(2, Shares), kTileW = 16, kInW = kTileW + Kernel - 1;
  static constexpr int kX = kTileH * kInW * Inputs, kBuffer = kX + kTileH * kTileW * Outputs;
  static constexpr int kElements = Outputs * Kernel * Kernel * kInGroup;
  static constexpr int kMostParts = kMostBlocks / Kernel;
  static constexpr int kSharedBytes = 2 * kBuffer * 4;
  static constexpr int kSums = Kernel * Out * In;
  static_assert(Out % 4 == 0 && In % 4 == 0 && kOutGroup % Out == 0 && kInGroup % In == 0);
  static_assert(kTileH % Shares == 0 && (Shares == 1 || kSums * kOwn <= 2 * kBuffer) &&
                kSharedBytes <= kLeastSharedBytes);

  using Acc = float[Kernel][Out][In];
};

/// The channels of a thread: group, output and input channels within it in steps of 4 kOutThreads and
/// 4 kInThreads.
template <class C>
struct GradPlace {
  int share, own, group, out, in;

  GPU_FN explicit GradPlace(int thread) {
    share = thread / C::kOwn, own = thread % C::kOwn;
    out = own % C::kOutThreads * 4;
    in = own / C::kOutThreads % C::kInThreads * 4;
    group = own / (C::kOutThreads * C::kInThreads);
  }
};

/// Starts the copies of Channels channels of a tile of kTileH x Width pixels with its corner at (top, left).
template <class C, int Width, int Channels>
GPU_FN void copy_pixels(float* tile, const float* from, int pitch, const TiledGradArgs& a, int image, int top,
                        int left) {
  constexpr int kUnits = Channels / 4, kAhead = C::kThreads / kUnits;
  const int thread = static_cast<int>(threadIdx.x), c = thread % kUnits * 4, row_pitch = a.w * pitch;
  const long long first =
      (static_cast<long long>(image) * a.h + top) * row_pitch + static_cast<long long>(left) * pitch + c;
  if (thread >= kAhead * kUnits) return;
#pragma unroll 1  // the sums leave few registers
  for (TileWalk<Width, kAhead> at(thread / kUnits); at.pixel < C::kTileH * Width; at.step()) {
    const bool inside = within(top + at.row, a.h) && within(left + at.column, a.w);
    gpu::cp_async16(tile + at.pixel * Channels + c,
                    from + (inside ? first + at.row * row_pitch + at.column * pitch : 0), inside);
  }
}

/// The same for tile `t` of both tensors: x as the row of taps u meets it, and dy.
template <class C>
GPU_FN void copy_tiles(float* buffer, const TiledGradArgs& a, int t, int u) {
  const int columns = (a.w + C::kTileW - 1) / C::kTileW, rows = (a.h + C::kTileH - 1) / C::kTileH;
  const int x0 = t % columns * C::kTileW, y0 = t / columns % rows * C::kTileH, image = t / (columns * rows);
  copy_pixels<C, C::kInW, C::kInputs>(buffer, a.x, a.x_pitch, a, image, y0 + u - C::kPad, x0 - C::kPad);
  copy_pixels<C, C::kTileW, C::kOutputs>(buffer + C::kX, a.dy, a.y_pitch, a, image, y0, x0);
}

/// v becomes N channels of a pixel: four at `p`, four `Step` further on, ...
template <int N, int Step>
GPU_FN void load_channels(float (&v)[N], const float* p) {
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    const float4 f = *reinterpret_cast<const float4*>(p + i / 4 * Step);
    v[i] = f.x, v[i + 1] = f.y, v[i + 2] = f.z, v[i + 3] = f.w;
  }
}

/// Adds the products of the share's rows of a tile.
template <class C>
GPU_FN void multiply_tile(typename C::Acc& acc, const float* buffer, const GradPlace<C>& at) {
  constexpr int kPixels = 4;
  const float* const x = buffer + at.group * C::kInGroup + at.in;
  const float* const dy = buffer + C::kX + at.group * C::kOutGroup + at.out;
#pragma unroll 1
  for (int step = 0; step < C::kTileH / C::kShares * (C::kTileW / kPixels); ++step) {
    const int row = at.share + step / (C::kTileW / kPixels) * C::kShares,
              column = step % (C::kTileW / kPixels) * kPixels;
    const float* const from = x + (row * C::kInW + column) * C::kInputs;
    const float* const grad = dy + (row * C::kTileW + column) * C::kOutputs;
    float window[kPixels + C::kKernel - 1][C::kIn];
#pragma unroll
    for (int i = 0; i < C::kKernel - 1; ++i) {
      load_channels<C::kIn, 4 * C::kInThreads>(window[i], from + i * C::kInputs);
    }
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      constexpr int kLast = C::kKernel - 1;
      load_channels<C::kIn, 4 * C::kInThreads>(window[p + kLast], from + (p + kLast) * C::kInputs);
      float g[C::kOut];
      load_channels<C::kOut, 4 * C::kOutThreads>(g, grad + p * C::kOutputs);
#pragma unroll
      for (int v = 0; v < C::kKernel; ++v) {
#pragma unroll
        for (int i = 0; i < C::kOut; ++i) {
#pragma unroll
          for (int j = 0; j < C::kIn; ++j) acc[v][i][j] = fmaf(g[i], window[p + v][j], acc[v][i][j]);
        }
      }
    }
  }
}

/// Adds the shares' sums to the first one's, in their order.
template <class C>
GPU_FN void add_shares(typename C::Acc& acc, float* sums, const GradPlace<C>& at) {
  for (int turn = 1; turn < C::kShares; ++turn) {
    __syncthreads();  // what lay there was read
#pragma unroll
    for (int e = 0; e < C::kSums; ++e) {
      if (at.share == turn)
        sums[e * C::kOwn + at.own] = acc[e / (C::kOut * C::kIn)][e / C::kIn % C::kOut][e % C::kIn];
    }
    __syncthreads();
#pragma unroll
    for (int e = 0; e < C::kSums; ++e) {
      if (at.share == 0)
        acc[e / (C::kOut * C::kIn)][e / C::kIn % C::kOut][e % C::kIn] += sums[e * C::kOwn + at.own];
    }
  }
}

// ptxas: conv2d_grad_weight_tiled_kernel registers<=168
template <class C>
__global__ void __launch_bounds__(C::kThreads, std::min(384 / C::kThreads, 4))
    conv2d_grad_weight_tiled_kernel(TiledGradArgs a) {
  gpu::Smem shared;
  float* const buffers = shared.get<float>(2 * C::kBuffer);
  const int u = static_cast<int>(blockIdx.x) % C::kKernel, part = static_cast<int>(blockIdx.x) / C::kKernel;
  const int tiles = a.n * ((a.h + C::kTileH - 1) / C::kTileH) * ((a.w + C::kTileW - 1) / C::kTileW);
  const GradPlace<C> at(static_cast<int>(threadIdx.x));
  typename C::Acc acc = {};
  copy_tiles<C>(buffers, a, part, u);
  gpu::cp_commit();
  int buffer = 0;
#pragma unroll 1
  for (int t = part; t < tiles; t += a.parts, buffer ^= 1) {
    gpu::cp_wait<0>();
    __syncthreads();  // the tile is there, and the one before it was read
    if (t + a.parts < tiles) copy_tiles<C>(buffers + (buffer ^ 1) * C::kBuffer, a, t + a.parts, u);
    gpu::cp_commit();
    multiply_tile<C>(acc, buffers + buffer * C::kBuffer, at);
  }
  add_shares<C>(acc, buffers, at);
  if (at.share > 0) return;
  float* const to = a.part + static_cast<long long>(part) * C::kElements;
#pragma unroll
  for (int v = 0; v < C::kKernel; ++v) {
#pragma unroll
    for (int i = 0; i < C::kOut; ++i) {
      const int o = at.group * C::kOutGroup + at.out + i / 4 * 4 * C::kOutThreads + i % 4;
#pragma unroll
      for (int j = 0; j < C::kIn; j += 4) {
        *reinterpret_cast<float4*>(to + ((o * C::kKernel + u) * C::kKernel + v) * C::kInGroup + at.in +
                                   j * C::kInThreads) =
            make_float4(acc[v][i][j], acc[v][i][j + 1], acc[v][i][j + 2], acc[v][i][j + 3]);
      }
    }
  }
}

/// Calls f(TiledGradWeight<...>()) for the kernel of this shape; false if there is none.
template <class F>
bool with_tiled_grad_weight(const ConvRun& r, F f) {
  const auto is = [&r](int c, int o, int groups, int kernel) {
    return r.c == c && r.o == o && r.groups == groups && r.kh == kernel && r.kw == kernel;
  };
  const auto served = [&f](auto c) {
    f(c);
    return true;
  };
  if (!has_short_rows(r) || r.stride != 1 || r.pad_h != r.kh / 2 || r.pad_w != r.kw / 2 || r.oh != r.h ||
      r.ow != r.w)
    return false;
  if (is(64, 64, 1, 3)) return served(TiledGradWeight<64, 64, 1, 3, 8, 4, 1>());
  if (is(64, 48, 1, 3)) return served(TiledGradWeight<64, 48, 1, 3, 8, 4, 1>());
  if (is(48, 32, 4, 3)) return served(TiledGradWeight<48, 32, 4, 3, 4, 4, 4>());
  if (is(32, 64, 1, 3)) return served(TiledGradWeight<32, 64, 1, 3, 8, 4, 2>());
  if (is(48, 64, 1, 3)) return served(TiledGradWeight<48, 64, 1, 3, 8, 4, 1>());
  if (is(64, 48, 4, 3)) return served(TiledGradWeight<64, 48, 4, 3, 4, 4, 4>());
  if (is(48, 80, 1, 3)) return served(TiledGradWeight<48, 80, 1, 3, 8, 4, 1>());
  if (is(80, 64, 1, 1)) return served(TiledGradWeight<80, 64, 1, 1, 8, 8, 2>());
  return false;
}

template <class C>
int parts_of(const ConvRun& r) {
  return static_cast<int>(std::min<int64_t>(
      int64_t{r.n} * ((r.h + C::kTileH - 1) / C::kTileH) * ((r.w + C::kTileW - 1) / C::kTileW),
      C::kMostParts));
}

}  // namespace

int64_t tiled_grad_weight_bytes(const ConvRun& run) {
  int64_t bytes = 0;
  with_tiled_grad_weight(run, [&](auto c) {
    using C = decltype(c);
    bytes = int64_t{parts_of<C>(run)} * C::kElements * 4;
  });
  return bytes;
}

void tiled_grad_weight(const ConvRun& run, const void* x, const void* dy, float* partial, float* dw,
                       cudaStream_t stream) {
  with_tiled_grad_weight(run, [&](auto c) {
    using C = decltype(c);
    const TiledGradArgs a{
        static_cast<const float*>(x),  static_cast<const float*>(dy), partial,         run.n, run.h, run.w,
        static_cast<int>(run.x_pitch), static_cast<int>(run.y_pitch), parts_of<C>(run)};
    gpu::launch(conv2d_grad_weight_tiled_kernel<C>, dim3(static_cast<unsigned>(a.parts * C::kKernel)),
                dim3(C::kThreads), C::kSharedBytes, stream, a);
    add_parts(a.part, a.parts, C::kElements, dw, stream);
  });
}

}  // namespace sr::cuda

// The gradients of the 17x17 upsampler from 64 channels to an image of one, on the float32 units: for its
// input, which is a convolution of the image with stride, and for its weights.
//
// Both keep the windows of a tile of coarse pixels in shared memory as one piece of the image. A thread owns
// four neighbouring coarse pixels, or all taps of a row: of the image it then loads a run of 3 strides + 17
// values in 16-byte units for 4 x 17 uses.
#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/tiled.h"

namespace sr::cuda {
namespace {

constexpr int kKernel = 17, kOutputs = 64, kRun = 4, kMostParts = 132;

struct StridedTiledArgs {
  const float* image;
  const float* packed;  // or null
  const float* dy;      // or null
  float* to;            // the result, or parts of the weights' gradient
  ConvRun r;
  int tile_rows, tile_columns;
  ConvEpilogue epilogue;
};

/// Tiles of Height x Width coarse pixels and their windows.
template <int Stride, int Height, int Width>
struct Windows {
  static constexpr int kStride = Stride, kTileH = Height, kTileW = Width;
  static constexpr int kRows = (Height - 1) * Stride + kKernel, kColumns = (Width - 1) * Stride + kKernel;
  // Eight lanes read eight rows: odd numbers of 16-byte units apart they are in different banks.
  static constexpr int kPitch = odd_units<float>(kColumns), kElements = kRows * kPitch;
  static constexpr int kLoaded = ((kRun - 1) * Stride + kKernel + 3) / 4 * 4;
  static_assert(Width % kRun == 0);
};

/// Where tile t begins.
template <class W>
struct Corner {
  int image, row, column;

  GPU_FN Corner(const StridedTiledArgs& a, int t)
      : image(t / (a.tile_columns * a.tile_rows)),
        row(t / a.tile_columns % a.tile_rows * W::kTileH),
        column(t % a.tile_columns * W::kTileW) {}
};

/// Starts the copies of a tile's windows.
template <class W, int Threads>
GPU_FN void copy_windows(float* windows, const StridedTiledArgs& a, const Corner<W>& at) {
  const int top = at.row * W::kStride - a.r.pad_h, left = at.column * W::kStride - a.r.pad_w,
            row_pitch = static_cast<int>(a.r.w * a.r.x_pitch), pitch = static_cast<int>(a.r.x_pitch);
  const float* const image = a.image + static_cast<long long>(at.image) * a.r.h * row_pitch;
  const long long first = static_cast<long long>(top) * row_pitch + static_cast<long long>(left) * pitch;
#pragma unroll 1
  for (TileWalk<W::kColumns, Threads> i(static_cast<int>(threadIdx.x)); i.pixel < W::kRows * W::kColumns;
       i.step()) {
    const bool inside = within(top + i.row, a.r.h) && within(left + i.column, a.r.w);
    gpu::cp_async4(windows + i.row * W::kPitch + i.column,
                   image + (inside ? first + i.row * row_pitch + i.column * pitch : 0), inside);
  }
}

/// The values that a row of taps meets at kRun neighbouring coarse pixels.
template <class W>
GPU_FN void load_run(float (&run)[W::kLoaded], const float* from) {
#pragma unroll
  for (int i = 0; i < W::kLoaded; i += 4) {
    const float4 v = *reinterpret_cast<const float4*>(from + i);
    run[i] = v.x, run[i + 1] = v.y, run[i + 2] = v.z, run[i + 3] = v.w;
  }
}

// ---- The gradient for the input: a thread has four pixels x eight outputs; rows of taps arrive in stages
// ----

constexpr int kPerThread = 8, kConvThreads = 8 * (16 / kRun) * (kOutputs / kPerThread);

// ptxas: conv2d_strided_tiled_kernel registers<=128
template <int Stride>
__global__ void __launch_bounds__(kConvThreads, 2) conv2d_strided_tiled_kernel(StridedTiledArgs a) {
  using W = Windows<Stride, 8, 16>;
  constexpr int kWeights = kKernel * kOutputs;  // of a row of taps
  gpu::Smem shared;
  float* const windows = shared.get<float>(W::kElements);
  float* const weights = shared.get<float>(2 * kWeights);
  const int thread = static_cast<int>(threadIdx.x), row = thread / 2 % 8, column = thread / 64 * kRun,
            out = (thread % 2 + thread / 16 % 4 * 2) * kPerThread;
  const Corner<W> corner(a, static_cast<int>(blockIdx.x));
  const auto copy_weights = [&](int u) {
    for (int i = thread; i < kWeights / 4; i += kConvThreads) {
      gpu::cp_async16(weights + u % 2 * kWeights + i * 4, a.packed + u * kWeights + i * 4, true);
    }
    gpu::cp_commit();
  };
  copy_windows<W, kConvThreads>(windows, a, corner);
  copy_weights(0);
  float acc[kRun][kPerThread] = {};
#pragma unroll 1
  for (int u = 0; u < kKernel; ++u) {
    gpu::cp_wait<0>();
    __syncthreads();  // the row is there, and the one before it was read
    if (u + 1 < kKernel) copy_weights(u + 1);
    float run[W::kLoaded];
    load_run<W>(run, windows + (row * Stride + u) * W::kPitch + column * Stride);
    const float* const own = weights + u % 2 * kWeights + out;
#pragma unroll
    for (int v = 0; v < kKernel; ++v) {
#pragma unroll
      for (int j = 0; j < kPerThread; j += 4) {
        const float4 w = *reinterpret_cast<const float4*>(own + v * kOutputs + j);
#pragma unroll
        for (int i = 0; i < kRun; ++i) {
          acc[i][j] = fmaf(run[i * Stride + v], w.x, acc[i][j]);
          acc[i][j + 1] = fmaf(run[i * Stride + v], w.y, acc[i][j + 1]);
          acc[i][j + 2] = fmaf(run[i * Stride + v], w.z, acc[i][j + 2]);
          acc[i][j + 3] = fmaf(run[i * Stride + v], w.w, acc[i][j + 3]);
        }
      }
    }
  }
  if (corner.row + row >= a.r.oh) return;
#pragma unroll
  for (int i = 0; i < kRun; ++i) {
    const int x = corner.column + column + i;
    if (x >= a.r.ow) return;
    const long long pixel = (static_cast<long long>(corner.image) * a.r.oh + corner.row + row) * a.r.ow + x;
    write_units(acc[i], a.epilogue, a.to, pixel, a.r.y_pitch, out);
  }
}

// ---- The gradient for the weights: a thread has two outputs x the taps of a row ----

constexpr int kGradThreads = kKernel * kOutputs / 2;

// ptxas: conv2d_grad_weight_strided_tiled_kernel registers<=96
template <int Stride>
__global__ void __launch_bounds__(kGradThreads, 1)
    conv2d_grad_weight_strided_tiled_kernel(StridedTiledArgs a, int parts) {
  using W = Windows<Stride, 2, 16>;
  constexpr int kGradient = W::kTileH * W::kTileW * kOutputs, kBuffer = W::kElements + kGradient;
  gpu::Smem shared;
  float* const buffers = shared.get<float>(2 * kBuffer);
  const int thread = static_cast<int>(threadIdx.x), out = thread % (kOutputs / 2) * 2,
            u = thread / (kOutputs / 2);
  const auto copy = [&](int buffer, int t) {
    const Corner<W> corner(a, t);
    copy_windows<W, kGradThreads>(buffers + buffer * kBuffer, a, corner);
    float* const gradient = buffers + buffer * kBuffer + W::kElements;
#pragma unroll 1
    for (int i = thread; i < kGradient / 4; i += kGradThreads) {
      const int unit = i % (kOutputs / 4), place = i / (kOutputs / 4), row = corner.row + place / W::kTileW,
                column = corner.column + place % W::kTileW;
      const bool inside = row < a.r.oh && column < a.r.ow;
      const long long pixel = (static_cast<long long>(corner.image) * a.r.oh + row) * a.r.ow + column;
      gpu::cp_async16(gradient + i * 4, a.dy + (inside ? pixel * a.r.y_pitch + unit * 4 : 0), inside);
    }
    gpu::cp_commit();
  };
  float acc[2][kKernel] = {};
  const int part = static_cast<int>(blockIdx.x), tiles = a.r.n * a.tile_rows * a.tile_columns;
  copy(0, part);
  int buffer = 0;
#pragma unroll 1
  for (int t = part; t < tiles; t += parts, buffer ^= 1) {
    gpu::cp_wait<0>();
    __syncthreads();  // the tile is there, and the one before it was read
    if (t + parts < tiles) copy(buffer ^ 1, t + parts);
    const float* const windows = buffers + buffer * kBuffer;
#pragma unroll 1
    for (int step = 0; step < W::kTileH * W::kTileW / kRun; ++step) {
      const int row = step / (W::kTileW / kRun), column = step % (W::kTileW / kRun) * kRun;
      float run[W::kLoaded];
      load_run<W>(run, windows + (row * Stride + u) * W::kPitch + column * Stride);
#pragma unroll
      for (int p = 0; p < kRun; ++p) {
        const float2 g = *reinterpret_cast<const float2*>(windows + W::kElements +
                                                          (row * W::kTileW + column + p) * kOutputs + out);
#pragma unroll
        for (int v = 0; v < kKernel; ++v) {
          acc[0][v] = fmaf(g.x, run[p * Stride + v], acc[0][v]);
          acc[1][v] = fmaf(g.y, run[p * Stride + v], acc[1][v]);
        }
      }
    }
  }
  float* const to = a.to + (static_cast<long long>(part) * kOutputs + out) * kKernel * kKernel + u * kKernel;
#pragma unroll
  for (int o = 0; o < 2; ++o) {
#pragma unroll
    for (int v = 0; v < kKernel; ++v) to[o * kKernel * kKernel + v] = acc[o][v];
  }
}

template <class W>
StridedTiledArgs strided_args(const ConvRun& r) {
  StridedTiledArgs a{};
  a.r = r;
  a.tile_rows = (r.oh + W::kTileH - 1) / W::kTileH, a.tile_columns = (r.ow + W::kTileW - 1) / W::kTileW;
  return a;
}

/// Calls f(gpu::Int<stride>()) if there is a kernel for this shape.
template <class F>
bool with_stride(const ConvRun& r, F f) {
  if (r.c != 1 || r.o != kOutputs || r.kh != kKernel || r.kw != kKernel || r.shuffle != 1 ||
      !has_short_rows(r))
    return false;
  if (r.stride == 2) return f(gpu::Int<2>()), true;
  if (r.stride == 3) return f(gpu::Int<3>()), true;
  if (r.stride == 4) return f(gpu::Int<4>()), true;
  return false;
}

template <int Stride>
int parts_of(const ConvRun& r) {
  const StridedTiledArgs a = strided_args<Windows<Stride, 2, 16>>(r);
  return static_cast<int>(std::min<int64_t>(int64_t{r.n} * a.tile_rows * a.tile_columns, kMostParts));
}

}  // namespace

bool takes_strided_tiled_conv(const ConvRun& run) {
  return with_stride(run, [](auto) {});
}

void strided_tiled_conv(const ConvRun& run, const void* x, const float* packed, const ConvEpilogue& epilogue,
                        void* y, cudaStream_t stream) {
  with_stride(run, [&](auto stride) {
    using W = Windows<decltype(stride)::value, 8, 16>;
    StridedTiledArgs a = strided_args<W>(run);
    a.image = static_cast<const float*>(x), a.packed = packed, a.to = static_cast<float*>(y);
    a.epilogue = epilogue;
    constexpr int kSharedBytes = (W::kElements + 2 * kKernel * kOutputs) * 4;
    static_assert(kSharedBytes <= kLeastSharedBytes);
    const int64_t tiles = int64_t{run.n} * a.tile_rows * a.tile_columns;
    gpu::launch(conv2d_strided_tiled_kernel<decltype(stride)::value>, dim3(static_cast<unsigned>(tiles)),
                dim3(kConvThreads), kSharedBytes, stream, a);
  });
}

int64_t strided_tiled_grad_weight_bytes(const ConvRun& run) {
  int64_t bytes = 0;
  with_stride(run, [&](auto stride) {
    bytes = int64_t{parts_of<decltype(stride)::value>(run)} * kOutputs * kKernel * kKernel * 4;
  });
  return bytes;
}

void strided_tiled_grad_weight(const ConvRun& run, const void* x, const void* dy, float* partial, float* dw,
                               cudaStream_t stream) {
  with_stride(run, [&](auto stride) {
    using W = Windows<decltype(stride)::value, 2, 16>;
    StridedTiledArgs a = strided_args<W>(run);
    a.image = static_cast<const float*>(x), a.dy = static_cast<const float*>(dy), a.to = partial;
    constexpr int kSharedBytes = 2 * (W::kElements + W::kTileH * W::kTileW * kOutputs) * 4;
    static_assert(kSharedBytes <= kLeastSharedBytes);
    const int parts = parts_of<decltype(stride)::value>(run);
    gpu::launch(conv2d_grad_weight_strided_tiled_kernel<decltype(stride)::value>,
                dim3(static_cast<unsigned>(parts)), dim3(kGradThreads), kSharedBytes, stream, a, parts);
    add_parts(partial, parts, kOutputs * kKernel * kKernel, dw, stream);
  });
}

}  // namespace sr::cuda

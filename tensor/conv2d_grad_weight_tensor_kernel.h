// The weights' gradient of 3x3 and 1x1 convolutions on the tensor cores: a GEMM whose rows are input
// channels, whose columns are output channels and whose inner dimension runs over pixels.
//
// A block answers for one row of taps and every kChunks-th tile of pixels. Its warps share the input channels
// (16 each) and the tile's k steps among them; a warp keeps the sums of the row's taps in registers. Tiles
// arrive by cp.async, one ahead where shared memory holds two. At the end the warps of the same channels add
// up in turn, the block writes its part as the lanes hold it, and a second kernel adds the parts in order.
// How pixels are cut depends on the sizes only, so the bits do not depend on the device.
#pragma once

#include <algorithm>

#include "tensor/conv2d_operands_cuda.h"
#include "tensor/conv2d_partial_cuda.h"
#include "tensor/conv2d_tensor_cuda.h"

namespace sr::cuda {

template <class T>
struct TensorGradWeightArgs {
  const T* x;
  const T* dy;
  float* part;
  int n, h, w, chunks, buffers, x_pitch, y_pitch;
};

/// Which element of the weight a lane's value is: parts are [row of taps][channels / 16][column of
/// taps][tile][lane][4].
struct GradFragments {
  int inputs, outputs, groups, kernel, tiles;  // tiles of eight outputs for each 16 channels

  GPU_HD constexpr FragmentOrder grid() const { return {inputs, outputs, groups, 1, 16, 1}; }
  GPU_HD constexpr int elements() const { return kernel * kernel * (inputs / 16) * tiles * 128; }
  GPU_HD int operator()(int e) const {
    const int r = e % 4, lane = e / 4 % 32, j = e / 128 % tiles, v = e / 128 / tiles % kernel,
              m = e / 128 / tiles / kernel % (inputs / 16), u = e / 128 / tiles / kernel / (inputs / 16);
    const int in = 16 * m + 8 * (r / 2) + lane / 4, out = 8 * (grid().first(m) + j) + 2 * (lane % 4) + r % 2;
    const int cg = inputs / groups, og = outputs / groups;
    return in / cg == out / og ? ((out * kernel + u) * kernel + v) * cg + in % cg : -1;
  }
};

namespace {

template <class T, int Inputs, int Outputs, int Groups, int Kernel>
struct TensorGradWeight {
  static constexpr int kTileH = sizeof(T) == 2 ? 6 : 3, kTileW = 32, kPad = Kernel / 2, kKernel = Kernel;
  static constexpr int kInW = kTileW + Kernel - 1;
  static constexpr int kStep = 32 / sizeof(T), kSteps = kTileH * kTileW / kStep;  // of pixels
  static constexpr int kRowTiles = Inputs / 16, kShares = 12 / kRowTiles, kWarps = kRowTiles * kShares,
                       kThreads = 32 * kWarps;
  static constexpr int kTiles = GradFragments{Inputs, Outputs, Groups, Kernel, 0}.grid().count(0);
  GPU_HD static constexpr GradFragments fragments() { return {Inputs, Outputs, Groups, Kernel, kTiles}; }
  static constexpr int kUnit = 16 / sizeof(T), kInputs = Inputs, kOutputs = Outputs;
  // 16 bits: an odd number of 16-byte units for ldmatrix; TF32: 8 or 24 modulo 32 banks for single loads.
  static constexpr int kInPitch = sizeof(T) == 2 ? odd_units<T>(Inputs) : Inputs + 8,
                       kOutPitch = sizeof(T) == 2 ? odd_units<T>(Outputs) : Outputs + 8;
  static constexpr int kInElements = kTileH * kInW * kInPitch, kOutElements = kTileH * kTileW * kOutPitch;
  static constexpr int kSumElements = kRowTiles * Kernel * kTiles * 128;
  static constexpr int kBuffer = kInElements + kOutElements;
  GPU_HD static constexpr int shared_bytes(int buffers) {
    const int tiles = buffers * kBuffer * static_cast<int>(sizeof(T)),
              sums = kSumElements * static_cast<int>(sizeof(float));
    return tiles > sums ? tiles : sums;
  }
  static_assert(Inputs % 16 == 0 && Outputs % 8 == 0 && kTiles % 2 == 0 && kSteps % kShares == 0);
  static_assert(shared_bytes(1) <= kLeastSharedBytes);

  using Acc = float[Kernel][kTiles][4];
};

/// Starts the copies of a tile of `Height` x `Width` pixels with its corner at (top, left), or rounds them
/// for TF32.
template <class C, bool Round, int Height, int Width, int Channels, class T>
GPU_FN void copy_pixels(T* tile, int tile_pitch, const T* from, int pitch, const TensorGradWeightArgs<T>& a,
                        int image, int top, int left) {
  constexpr int kUnits = Channels / C::kUnit, kAhead = C::kThreads / kUnits;
  const int thread = static_cast<int>(threadIdx.x), c = thread % kUnits * C::kUnit, row_pitch = a.w * pitch;
  const long long first =
      (static_cast<long long>(image) * a.h + top) * row_pitch + static_cast<long long>(left) * pitch + c;
  if (thread >= kAhead * kUnits) return;
#pragma unroll 1  // the accumulators leave few registers
  for (TileWalk<Width, kAhead> at(thread / kUnits); at.pixel < Height * Width; at.step()) {
    T* const to = tile + at.pixel * tile_pitch + c;
    if constexpr (Round) {
      round_unit(to);
    } else {
      const bool inside = within(top + at.row, a.h) && within(left + at.column, a.w);
      gpu::cp_async16(to, from + (inside ? first + at.row * row_pitch + at.column * pitch : 0), inside);
    }
  }
}

/// The same for tile `t` of both tensors: x as the row of taps u meets it, and dy.
template <class C, bool Round, class T>
GPU_FN void pixel_tiles(T* x_tile, T* dy_tile, const TensorGradWeightArgs<T>& a, int t, int u) {
  const int columns = (a.w + C::kTileW - 1) / C::kTileW, rows = (a.h + C::kTileH - 1) / C::kTileH;
  const int x0 = t % columns * C::kTileW, y0 = t / columns % rows * C::kTileH, image = t / (columns * rows);
  copy_pixels<C, Round, C::kTileH, C::kInW, C::kInputs>(x_tile, C::kInPitch, a.x, a.x_pitch, a, image,
                                                        y0 + u - C::kPad, x0 - C::kPad);
  copy_pixels<C, Round, C::kTileH, C::kTileW, C::kOutputs>(dy_tile, C::kOutPitch, a.dy, a.y_pitch, a, image,
                                                           y0, x0);
}

/// The warp's share of a tile's products. first_channel: of x, first_tile: of dy's channels.
template <class C, class T>
GPU_FN void multiply_pixels(typename C::Acc& acc, const T* x_tile, const T* dy_tile, int share,
                            int first_channel, int first_tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 1
  for (int k = share; k < C::kSteps; k += C::kShares) {
    const int row = k / (C::kTileW / C::kStep), column = k % (C::kTileW / C::kStep) * C::kStep;
    uint32_t a[C::kKernel][4];
    gpu::static_for<C::kKernel>([&](auto v) {
      load_channels_a(a[decltype(v)::value],
                      x_tile + (row * C::kInW + column + v) * C::kInPitch + first_channel, C::kInPitch, lane);
    });
    const T* const dy = dy_tile + (row * C::kTileW + column) * C::kOutPitch + 8 * first_tile;
    gpu::static_for<C::kTiles / 2>(
        [&](auto j) {  // two tiles at a time: more operands do not fit the registers
          constexpr int kTile = 2 * decltype(j)::value;
          uint32_t b[2][2];
          load_channels_b(b, dy + 8 * kTile, C::kOutPitch, lane);
          multiply<T>(acc, kTile, a, b);
        });
  }
}

/// The warps of the same channels add up in the order of their shares; the last one writes.
template <class C>
GPU_FN void write_part(typename C::Acc& acc, float* sums, float* part, int m, int share) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  constexpr int kValues = C::kKernel * C::kTiles * 128;
  for (int turn = 0; turn < C::kShares; ++turn) {
    if (turn == share) {
#pragma unroll
      for (int v = 0; v < C::kKernel; ++v) {
#pragma unroll
        for (int j = 0; j < C::kTiles; ++j) {
          const int at = m * kValues + ((v * C::kTiles + j) * 32 + lane) * 4;
          float4 sum = make_float4(acc[v][j][0], acc[v][j][1], acc[v][j][2], acc[v][j][3]);
          if (turn > 0) {
            const float4 before = *reinterpret_cast<const float4*>(sums + at);
            sum = make_float4(before.x + sum.x, before.y + sum.y, before.z + sum.z, before.w + sum.w);
          }
          *reinterpret_cast<float4*>((turn == C::kShares - 1 ? part : sums) + at) = sum;
        }
      }
    }
    __syncthreads();
  }
}

// One block of twelve warps has the registers of a multiprocessor.
// ptxas: conv2d_grad_weight_tensor_kernel registers<=168
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, 1)
    conv2d_grad_weight_tensor_kernel(TensorGradWeightArgs<T> a) {
  gpu::Smem shared;
  const bool ahead = a.buffers == 2;
  T* const memory = shared.get<T>(C::shared_bytes(a.buffers) / static_cast<int>(sizeof(T)));
  const auto load = [&](int buffer, int t, int u) {
    T* const tile = memory + buffer * C::kBuffer;
    pixel_tiles<C, false>(tile, tile + C::kInElements, a, t, u);
  };
  const int warp = static_cast<int>(threadIdx.x) / 32, m = warp / C::kShares, share = warp % C::kShares;
  const int first_tile = C::fragments().grid().first(m);
  const int u = static_cast<int>(blockIdx.x) % C::kKernel, chunk = static_cast<int>(blockIdx.x) / C::kKernel;
  const int tiles = a.n * ((a.h + C::kTileH - 1) / C::kTileH) * ((a.w + C::kTileW - 1) / C::kTileW);

  typename C::Acc acc;
  clear(acc);
  if (ahead) load(0, chunk, u);
  gpu::cp_commit();
  int buffer = 0;
  for (int t = chunk; t < tiles; t += a.chunks) {
    if (!ahead) {
      load(0, t, u);
    } else if (t + a.chunks < tiles) {
      load(buffer ^ 1, t + a.chunks, u);
    }
    gpu::cp_commit();
    wait_for_copies(ahead);
    T* const tile = memory + buffer * C::kBuffer;
    if constexpr (sizeof(T) == 4) pixel_tiles<C, true>(tile, tile + C::kInElements, a, t, u);
    __syncthreads();
    multiply_pixels<C>(acc, tile, tile + C::kInElements, share, 16 * m, first_tile);
    __syncthreads();  // the tile is read before another takes its place
    if (ahead) buffer ^= 1;
  }
  gpu::cp_wait<0>();
  __syncthreads();
  float* const part = a.part + static_cast<long long>(chunk) * C::fragments().elements() +
                      u * (C::fragments().elements() / C::kKernel);
  write_part<C>(acc, reinterpret_cast<float*>(memory), part, m, share);
}

constexpr int kSumThreads = 256;

// ptxas: sum_fragments_kernel registers<=40
__global__ void __launch_bounds__(kSumThreads)
    sum_fragments_kernel(const float* part, int parts, GradFragments fragments, float* dw) {
  sum_parts(part, parts, fragments.elements(), fragments, dw);
}

/// Calls f(TensorGradWeight<...>()) for the kernel of this shape; false if there is none.
template <class T, class F>
bool with_tensor_grad_weight(const ConvRun& r, F f) {
  const auto is = [&r](int c, int o, int groups, int kernel) {
    return r.c == c && r.o == o && r.groups == groups && r.kh == kernel && r.kw == kernel;
  };
  if (!has_short_rows(r) || r.stride != 1 || r.pad_h != r.kh / 2 || r.pad_w != r.kw / 2 || r.oh != r.h ||
      r.ow != r.w)
    return false;
  if (is(64, 64, 1, 3)) return f(TensorGradWeight<T, 64, 64, 1, 3>()), true;
  if (is(64, 48, 1, 3)) return f(TensorGradWeight<T, 64, 48, 1, 3>()), true;
  if (is(48, 32, 4, 3)) return f(TensorGradWeight<T, 48, 32, 4, 3>()), true;
  if (is(32, 64, 1, 3)) return f(TensorGradWeight<T, 32, 64, 1, 3>()), true;
  if (is(48, 64, 1, 3)) return f(TensorGradWeight<T, 48, 64, 1, 3>()), true;
  if (is(64, 48, 4, 3)) return f(TensorGradWeight<T, 64, 48, 4, 3>()), true;
  if (is(48, 80, 1, 3)) return f(TensorGradWeight<T, 48, 80, 1, 3>()), true;
  if (is(80, 64, 1, 1)) return f(TensorGradWeight<T, 80, 64, 1, 1>()), true;
  return false;
}

/// Parts that the pixels are cut into: enough for an H100's 132 multiprocessors, few enough that adding them
/// up costs little. Must not depend on the device.
template <class C>
int grad_weight_chunks(const ConvRun& r) {
  const int64_t tiles =
      int64_t{r.n} * ((r.h + C::kTileH - 1) / C::kTileH) * ((r.w + C::kTileW - 1) / C::kTileW);
  return static_cast<int>(std::min<int64_t>(tiles, 132 / C::kKernel));
}

}  // namespace

template <class T>
bool tensor_grad_weight_bytes(const ConvRun& run, int64_t* bytes) {
  return with_tensor_grad_weight<T>(run, [&](auto c) {
    using C = decltype(c);
    *bytes = int64_t{grad_weight_chunks<C>(run)} * C::fragments().elements() * 4;
  });
}

template <class T>
void tensor_grad_weight(const ConvRun& run, const void* x, const void* dy, void* partial, float* dw,
                        const ConvDevice& device) {
  with_tensor_grad_weight<T>(run, [&](auto c) {
    using C = decltype(c);
    const int chunks = grad_weight_chunks<C>(run),
              buffers = C::shared_bytes(2) <= device.shared_bytes ? 2 : 1;
    const TensorGradWeightArgs<T> a{static_cast<const T*>(x),
                                    static_cast<const T*>(dy),
                                    static_cast<float*>(partial),
                                    run.n,
                                    run.h,
                                    run.w,
                                    chunks,
                                    buffers,
                                    static_cast<int>(run.x_pitch),
                                    static_cast<int>(run.y_pitch)};
    gpu::launch(conv2d_grad_weight_tensor_kernel<T, C>, dim3(static_cast<unsigned>(chunks * C::kKernel)),
                dim3(C::kThreads), static_cast<size_t>(C::shared_bytes(buffers)), device.stream, a);
    constexpr GradFragments kFragments = C::fragments();
    gpu::launch(sum_fragments_kernel, dim3((kFragments.elements() + kSumThreads - 1) / kSumThreads),
                dim3(kSumThreads), 0, device.stream, a.part, chunks, kFragments, dw);
  });
}

}  // namespace sr::cuda

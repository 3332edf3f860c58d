// The weights' gradient of 3x3 and 1x1 convolutions on the tensor cores: a GEMM whose rows are input
// channels, whose columns are output channels and whose inner dimension runs over pixels.
//
// One launch serves several layers of the same sizes. A block answers for every `chunks`-th tile of pixels of
// a layer. Its warps share the input channels (16 each), the rows of taps and, where that leaves warps over,
// the tile's k steps among them; a warp keeps the sums of its row of taps in registers. Tiles arrive by
// cp.async, one ahead where shared memory holds two. At the end the warps of the same sums add up in turn,
// the block writes its part as the lanes hold it, and a second kernel adds the parts in order. Kernels whose
// sums leave registers for it (16 bits, grouped or 1x1) add up dy for the bias's gradient on the way. How
// pixels are cut depends on the sizes and the number of layers only, so the bits do not depend on the device.
#pragma once

#include <algorithm>

#include "tensor/conv2d/cuda/bias_sums.h"
#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/sm80/tensor.h"

namespace sr::cuda {

template <class T>
struct TensorGradWeightArgs {
  const T* x[kMostGradWeights];
  const T* dy[kMostGradWeights];
  float* part;  // [layer][chunk][GradFragments]
  int n, h, w, chunks, buffers, x_pitch, y_pitch;
  bool biases;  // whether a layer's is wanted
};

/// The results of the layers of a launch; db may be null.
struct GradWeights {
  float *dw[kMostGradWeights], *db[kMostGradWeights];
};

/// Which element of the weight a lane's value is: parts are [row of taps][channels / 16][column of
/// taps][tile][lane][4], then the bias's if it is there.
struct GradFragments {
  int inputs, outputs, groups, kernel, tiles;  // tiles of eight outputs for each 16 channels
  bool bias;

  GPU_HD constexpr FragmentOrder grid() const { return {inputs, outputs, groups, 1, 16, 1}; }
  GPU_HD constexpr int weights() const { return kernel * kernel * (inputs / 16) * tiles * 128; }
  GPU_HD constexpr int elements() const { return weights() + (bias ? outputs : 0); }
  GPU_HD int operator()(int e) const {
    if (e >= weights()) return -1;
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
  static constexpr int kInW = kTileW + Kernel - 1, kInH = kTileH + Kernel - 1;
  static constexpr int kStep = 32 / sizeof(T), kSteps = kTileH * kTileW / kStep;  // of pixels
  static constexpr int kRowTiles = Inputs / 16, kSums = kRowTiles * Kernel, kShares = 12 / kSums,
                       kWarps = kSums * kShares, kThreads = 32 * kWarps;
  static constexpr int kTiles = GradFragments{Inputs, Outputs, Groups, Kernel, 0, false}.grid().count(0);
  static constexpr bool kBias = sizeof(T) == 2 && (Groups > 1 || Kernel == 1);
  GPU_HD static constexpr GradFragments fragments() {
    return {Inputs, Outputs, Groups, Kernel, kTiles, kBias};
  }
  static constexpr int kUnit = 16 / sizeof(T), kInputs = Inputs, kOutputs = Outputs;
  // 16 bits: an odd number of 16-byte units for ldmatrix; TF32: 8 or 24 modulo 32 banks for single loads.
  static constexpr int kInPitch = sizeof(T) == 2 ? odd_units<T>(Inputs) : Inputs + 8,
                       kOutPitch = sizeof(T) == 2 ? odd_units<T>(Outputs) : Outputs + 8;
  static constexpr int kInElements = kInH * kInW * kInPitch, kOutElements = kTileH * kTileW * kOutPitch;
  static constexpr int kSumElements = kShares > 1 ? kSums* Kernel* kTiles * 128 : 0;
  static constexpr int kBuffer = kInElements + kOutElements;
  GPU_HD static constexpr int shared_bytes(int buffers) {
    const int tiles = buffers * kBuffer * static_cast<int>(sizeof(T)),
              sums = kSumElements * static_cast<int>(sizeof(float));
    return tiles > sums ? tiles : sums;
  }
  static_assert(Inputs % 16 == 0 && Outputs % 8 == 0 && kTiles % 2 == 0 && kSteps % kShares == 0);
  static_assert(shared_bytes(1) <= kLeastSharedBytes);

  using Acc = float[Kernel][kTiles][4];
  using Bias = BiasSums<T, Outputs, kThreads>;
  static_assert(Bias::kSharedBytes <= shared_bytes(1));
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

/// The same for tile `t` of both tensors of a layer.
template <class C, bool Round, class T>
GPU_FN void pixel_tiles(T* x_tile, T* dy_tile, const TensorGradWeightArgs<T>& a, int layer, int t) {
  const int columns = (a.w + C::kTileW - 1) / C::kTileW, rows = (a.h + C::kTileH - 1) / C::kTileH;
  const int x0 = t % columns * C::kTileW, y0 = t / columns % rows * C::kTileH, image = t / (columns * rows);
  copy_pixels<C, Round, C::kInH, C::kInW, C::kInputs>(x_tile, C::kInPitch, a.x[layer], a.x_pitch, a, image,
                                                      y0 - C::kPad, x0 - C::kPad);
  copy_pixels<C, Round, C::kTileH, C::kTileW, C::kOutputs>(dy_tile, C::kOutPitch, a.dy[layer], a.y_pitch, a,
                                                           image, y0, x0);
}

/// The warp's share of a tile's products. x_tile: its row of taps and channels; first_tile: of dy's channels.
template <class C, class T>
GPU_FN void multiply_pixels(typename C::Acc& acc, const T* x_tile, const T* dy_tile, int share,
                            int first_tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 1
  for (int k = share; k < C::kSteps; k += C::kShares) {
    const int row = k / (C::kTileW / C::kStep), column = k % (C::kTileW / C::kStep) * C::kStep;
    uint32_t a[C::kKernel][4];
    gpu::static_for<C::kKernel>([&](auto v) {
      load_channels_a(a[decltype(v)::value], x_tile + (row * C::kInW + column + v) * C::kInPitch, C::kInPitch,
                      lane);
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

/// The warps of the same sums, number `which`, add up in the order of their shares; the last one writes.
template <class C>
GPU_FN void write_part(typename C::Acc& acc, float* sums, float* part, int which, int share) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  constexpr int kValues = C::kKernel * C::kTiles * 128;
  for (int turn = 0; turn < C::kShares; ++turn) {
    if (turn == share) {
#pragma unroll
      for (int v = 0; v < C::kKernel; ++v) {
#pragma unroll
        for (int j = 0; j < C::kTiles; ++j) {
          const int at = which * kValues + ((v * C::kTiles + j) * 32 + lane) * 4;
          float4 sum = make_float4(acc[v][j][0], acc[v][j][1], acc[v][j][2], acc[v][j][3]);
          if (turn > 0) {
            const float4 before = *reinterpret_cast<const float4*>(sums + at);
            sum = make_float4(before.x + sum.x, before.y + sum.y, before.z + sum.z, before.w + sum.w);
          }
          *reinterpret_cast<float4*>((turn == C::kShares - 1 ? part : sums) + at) = sum;
        }
      }
    }
    if constexpr (C::kShares > 1) __syncthreads();
  }
}

// blockIdx.x: chunk; blockIdx.y: layer. One block of up to twelve warps has the registers of a
// multiprocessor.
// ptxas: conv2d_grad_weight_tensor_kernel registers<=168
template <class T, class C>
__global__ void __launch_bounds__(C::kThreads, 1)
    conv2d_grad_weight_tensor_kernel(const __grid_constant__ TensorGradWeightArgs<T> a) {
  gpu::Smem shared;
  const bool ahead = a.buffers == 2;
  T* const memory = shared.get<T>(C::shared_bytes(a.buffers) / static_cast<int>(sizeof(T)));
  const int chunk = static_cast<int>(blockIdx.x), layer = static_cast<int>(blockIdx.y);
  const auto load = [&](int buffer, int t) {
    T* const tile = memory + buffer * C::kBuffer;
    pixel_tiles<C, false>(tile, tile + C::kInElements, a, layer, t);
  };
  const int warp = static_cast<int>(threadIdx.x) / 32, share = warp % C::kShares, which = warp / C::kShares;
  const int m = which % C::kRowTiles, u = which / C::kRowTiles;  // channels, row of taps
  const int first_tile = C::fragments().grid().first(m);
  const int tiles = a.n * ((a.h + C::kTileH - 1) / C::kTileH) * ((a.w + C::kTileW - 1) / C::kTileW);

  typename C::Acc acc;
  clear(acc);
  [[maybe_unused]] typename C::Bias bias;
  if (ahead) load(0, chunk);
  gpu::cp_commit();
  int buffer = 0;
  for (int t = chunk; t < tiles; t += a.chunks) {
    if (!ahead) {
      load(0, t);
    } else if (t + a.chunks < tiles) {
      load(buffer ^ 1, t + a.chunks);
    }
    gpu::cp_commit();
    wait_for_copies(ahead);
    T* const tile = memory + buffer * C::kBuffer;
    if constexpr (sizeof(T) == 4) pixel_tiles<C, true>(tile, tile + C::kInElements, a, layer, t);
    __syncthreads();
    if constexpr (C::kBias) {
      const T* const dy = tile + C::kInElements + C::Bias::unit() * C::kUnit;
      if (a.biases)
        bias.template add<C::kTileW, C::kTileH>(
            [&](int row, int column) { return dy + (row * C::kTileW + column) * C::kOutPitch; });
      __syncwarp();
    }
    multiply_pixels<C>(acc, tile + u * C::kInW * C::kInPitch + 16 * m, tile + C::kInElements, share,
                       first_tile);
    __syncthreads();  // the tile is read before another takes its place
    if (ahead) buffer ^= 1;
  }
  gpu::cp_wait<0>();
  __syncthreads();
  float* const part = a.part + (static_cast<long long>(layer) * a.chunks + chunk) * C::fragments().elements();
  write_part<C>(acc, reinterpret_cast<float*>(memory), part, which, share);
  if constexpr (C::kBias) {
    if (a.biases) bias.write(reinterpret_cast<float*>(memory), part + C::fragments().weights());
  }
}

constexpr int kSumThreads = 256;

// ptxas: sum_fragments_kernel registers<=40
__global__ void __launch_bounds__(kSumThreads)
    sum_fragments_kernel(const float* part, int parts, GradFragments fragments,
                         const __grid_constant__ GradWeights results) {
  const int layer = static_cast<int>(blockIdx.y), elements = fragments.elements();
  part += static_cast<long long>(layer) * parts * elements;
  sum_parts(part, parts, elements, fragments, results.dw[layer]);
  if (results.db[layer]) sum_parts(part, parts, elements, BiasPart{fragments.weights()}, results.db[layer]);
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

/// Parts that the pixels of each of `layers` are cut into: together enough for an H100's 132 multiprocessors.
/// Must not depend on the device.
template <class C>
int grad_weight_chunks(const ConvRun& r, int layers) {
  const int64_t tiles =
      int64_t{r.n} * ((r.h + C::kTileH - 1) / C::kTileH) * ((r.w + C::kTileW - 1) / C::kTileW);
  return static_cast<int>(std::min<int64_t>(tiles, 132 / layers));
}

template <class T, class C>
void launch_grad_weights(const ConvRun& run, std::span<const GradWeightTask> layers, float* partial,
                         const ConvDevice& device) {
  TensorGradWeightArgs<T> a{};
  GradWeights results{};
  for (size_t i = 0; i < layers.size(); ++i) {
    a.x[i] = static_cast<const T*>(layers[i].x), a.dy[i] = static_cast<const T*>(layers[i].dy);
    results.dw[i] = layers[i].dw, results.db[i] = layers[i].db;
    a.biases |= layers[i].db != nullptr;
  }
  const auto count = static_cast<unsigned>(layers.size());
  a.part = partial;
  a.n = run.n, a.h = run.h, a.w = run.w;
  a.chunks = grad_weight_chunks<C>(run, static_cast<int>(count));
  a.buffers = C::shared_bytes(2) <= device.shared_bytes ? 2 : 1;
  a.x_pitch = static_cast<int>(run.x_pitch), a.y_pitch = static_cast<int>(run.y_pitch);
  gpu::launch(conv2d_grad_weight_tensor_kernel<T, C>, dim3(static_cast<unsigned>(a.chunks), count),
              dim3(C::kThreads), static_cast<size_t>(C::shared_bytes(a.buffers)), device.stream, a);
  constexpr GradFragments kFragments = C::fragments();
  gpu::launch(sum_fragments_kernel, dim3((kFragments.elements() + kSumThreads - 1) / kSumThreads, count),
              dim3(kSumThreads), 0, device.stream, partial, a.chunks, kFragments, results);
}

}  // namespace

template <class T>
bool tensor_grad_weight_bytes(const ConvRun& run, int layers, int64_t* bytes) {
  return with_tensor_grad_weight<T>(run, [&](auto c) {
    using C = decltype(c);
    *bytes = int64_t{layers} * grad_weight_chunks<C>(run, layers) * C::fragments().elements() * 4;
  });
}

template <class T>
bool tensor_grads_bias(const ConvRun& run) {
  bool bias = false;
  with_tensor_grad_weight<T>(run, [&](auto c) { bias = decltype(c)::kBias; });
  return bias;
}

template <class T>
void tensor_grad_weights(const ConvRun& run, std::span<const GradWeightTask> layers, void* partial,
                         const ConvDevice& device) {
  with_tensor_grad_weight<T>(run, [&](auto c) {
    launch_grad_weights<T, decltype(c)>(run, layers, static_cast<float*>(partial), device);
  });
}

}  // namespace sr::cuda

// The weights' gradient of a convolution of an image with stride to 64 channels: rows of the GEMM are the
// channels, columns the terms of a window (320 of them a block, 40 a warp), the inner dimension coarse
// pixels. Tiles of 4x32 coarse pixels arrive one ahead; a block's part covers every kParts-th tile, and the
// parts are added in order.
#include <algorithm>

#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/sm80/strided.h"
#include "tensor/conv2d/cuda/sm80/subpixel.h"

namespace sr::cuda {
namespace {

constexpr int kWarps = 8, kThreads = 32 * kWarps, kTileH = 4, kTileW = 32, kOutputs = 64, kRowTiles = 4;
constexpr int kTiles = 5, kBlockTerms = 8 * kTiles * kWarps;
constexpr int kPartElements = kOutputs * kBlockTerms;  // of one slice of the terms
constexpr int kMostParts = 132;
using Acc = float[kRowTiles][kTiles][4];

constexpr int kPitch = 72;  // 9 units of 16 bytes for ldmatrix; 8 modulo 32 banks for TF32's single loads

/// Starts the copies of the gradient's tile t, or rounds it for TF32.
template <bool Round, class T>
GPU_FN void load_gradient(T* tile, const StridedArgs<T>& a, int t) {
  const ConvRun& r = a.r;
  const int x0 = t % a.tile_columns * kTileW, y0 = t / a.tile_columns % a.tile_rows * kTileH,
            image = t / (a.tile_columns * a.tile_rows);
  constexpr int kUnit = 16 / sizeof(T), kUnits = kOutputs / kUnit;
  for (int i = static_cast<int>(threadIdx.x); i < kTileH * kTileW * kUnits; i += kThreads) {
    const int pixel = i / kUnits, c = i % kUnits * kUnit;
    T* const to = tile + pixel * kPitch + c;
    if constexpr (Round) {
      round_unit(to);
    } else {
      const int row = y0 + pixel / kTileW, column = x0 + pixel % kTileW;
      const bool inside = row < r.oh && column < r.ow;
      const long long from = ((static_cast<long long>(image) * r.oh + row) * r.ow + column) * r.y_pitch + c;
      gpu::cp_async16(to, a.coarse + (inside ? from : 0), inside);
    }
  }
}

/// Adds a tile's products. offsets: of the lane's term in each of the warp's tiles of terms.
template <class T>
GPU_FN void multiply_tile(Acc& acc, const float* windows, const T* gradient, const int (&offsets)[kTiles],
                          const StridedArgs<T>& a) {
  constexpr int kStep = 32 / sizeof(T);
  const int lane = static_cast<int>(threadIdx.x) % 32, right = a.r.stride * a.r.c;
#pragma unroll 1
  for (int k = 0; k < kTileH * kTileW / kStep; ++k) {
    const int row = k / (kTileW / kStep), column = k % (kTileW / kStep) * kStep;
    uint32_t dy[kRowTiles][4], b[kTiles][2];
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      load_channels_a(dy[i], gradient + (row * kTileW + column) * kPitch + 16 * i, kPitch, lane);
    }
    const float* const first =
        windows + row * a.r.stride * a.in_w + (column + (sizeof(T) == 2 ? 2 * (lane % 4) : lane % 4)) * right;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const float* const p = first + offsets[j];
      b[j][0] = operand<T>(p, 0, right);
      b[j][1] = operand<T>(p + kStep / 2 * right, 0, right);
    }
    multiply<T>(acc, 0, dy, b);
  }
}

// blockIdx.x: part; blockIdx.y: slice of the terms.
// ptxas: conv2d_grad_weight_strided_kernel registers<=168
template <class T>
__global__ void __launch_bounds__(kThreads, 1)
    conv2d_grad_weight_strided_kernel(StridedArgs<T> a, int parts) {
  gpu::Smem shared;
  int* const table = shared.get<int>(kBlockTerms);
  T* const gradients = shared.get<T>(2 * kTileH * kTileW * kPitch);
  float* const windows = shared.get<float>(2 * a.in_h * a.in_w);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  fill_offsets(table, kBlockTerms, static_cast<int>(blockIdx.y) * kBlockTerms, a);
  __syncthreads();
  int offsets[kTiles];
#pragma unroll
  for (int j = 0; j < kTiles; ++j) offsets[j] = table[(warp * kTiles + j) * 8 + lane / 4];

  Acc acc;
  clear(acc);
  const auto load = [&](int t, int buffer) {
    load_windows(windows + buffer * a.in_h * a.in_w, a, t, kTileH, kTileW);
    load_gradient<false>(gradients + buffer * kTileH * kTileW * kPitch, a, t);
  };
  const int tiles = a.r.n * a.tile_rows * a.tile_columns;
  load(static_cast<int>(blockIdx.x), 0);
  gpu::cp_commit();
  int buffer = 0;
  for (int t = static_cast<int>(blockIdx.x); t < tiles; t += parts, buffer ^= 1) {
    if (t + parts < tiles) load(t + parts, buffer ^ 1);
    gpu::cp_commit();
    gpu::cp_wait<1>();
    T* const gradient = gradients + buffer * kTileH * kTileW * kPitch;
    if constexpr (sizeof(T) == 4) load_gradient<true>(gradient, a, t);
    __syncthreads();
    multiply_tile(acc, windows + buffer * a.in_h * a.in_w, gradient, offsets, a);
    __syncthreads();  // the tile is read before the next but one takes its place
  }
  float* const part = a.part + (static_cast<long long>(blockIdx.x) * gridDim.y + blockIdx.y) * kPartElements;
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
      *reinterpret_cast<float4*>(part + (((warp * kTiles + j) * kRowTiles + i) * 32 + lane) * 4) =
          make_float4(acc[i][j][0], acc[i][j][1], acc[i][j][2], acc[i][j][3]);
    }
  }
}

/// Parts are [slice][tile of terms][row tile][lane][4].
struct TermFragments {
  int terms;
  GPU_HD int operator()(int e) const {
    const int r = e % 4, lane = e / 4 % 32, i = e / 128 % kRowTiles;
    const int k = 8 * (e / 128 / kRowTiles) + 2 * (lane % 4) + r % 2, o = 16 * i + 8 * (r / 2) + lane / 4;
    return k < terms ? o * terms + k : -1;
  }
};

constexpr int kSumThreads = 256;

// ptxas: sum_terms_kernel registers<=40
__global__ void __launch_bounds__(kSumThreads)
    sum_terms_kernel(const float* part, int parts, int elements, TermFragments fragments, float* dw) {
  sum_parts(part, parts, elements, fragments, dw);
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
  return kBlockTerms * 4 + 2 * kTileH * kTileW * kPitch * static_cast<int64_t>(sizeof(T)) +
         2 * int64_t{a.in_h} * a.in_w * 4 + 16;
}

template <class T>
int parts_of(const StridedArgs<T>& a) {
  return static_cast<int>(std::min<int64_t>(int64_t{a.r.n} * a.tile_rows * a.tile_columns, kMostParts));
}

int slices_of(const ConvRun& r) {
  return (r.kh * r.kw * r.c + kBlockTerms - 1) / kBlockTerms;
}

}  // namespace

template <class T>
bool strided_grad_weight_bytes(const ConvRun& r, int64_t most_shared_bytes, int64_t* bytes) {
  if (r.o != kOutputs || r.groups != 1 || r.stride == 1) return false;
  const StridedArgs<T> a = strided_args<T>(r);
  if (shared_bytes(a) > most_shared_bytes) return false;
  *bytes = int64_t{parts_of(a)} * slices_of(r) * kPartElements * 4;
  return true;
}

template <class T>
void strided_grad_weight(const ConvRun& run, const void* x, const void* dy, void* partial, float* dw,
                         cudaStream_t stream) {
  StridedArgs<T> a = strided_args<T>(run);
  a.image = static_cast<const float*>(x), a.part = static_cast<float*>(partial);
  a.coarse = static_cast<T*>(const_cast<void*>(dy));  // read only
  const int parts = parts_of(a), slices = slices_of(run), elements = slices * kPartElements;
  gpu::launch(conv2d_grad_weight_strided_kernel<T>,
              dim3(static_cast<unsigned>(parts), static_cast<unsigned>(slices)), dim3(kThreads),
              static_cast<size_t>(shared_bytes(a)), stream, a, parts);
  gpu::launch(sum_terms_kernel, dim3(static_cast<unsigned>((elements + kSumThreads - 1) / kSumThreads)),
              dim3(kSumThreads), 0, stream, a.part, parts, elements, TermFragments{a.terms}, dw);
}

template bool strided_grad_weight_bytes<float>(const ConvRun&, int64_t, int64_t*);
template bool strided_grad_weight_bytes<__nv_bfloat16>(const ConvRun&, int64_t, int64_t*);
template bool strided_grad_weight_bytes<__half>(const ConvRun&, int64_t, int64_t*);
template void strided_grad_weight<float>(const ConvRun&, const void*, const void*, void*, float*,
                                         cudaStream_t);
template void strided_grad_weight<__nv_bfloat16>(const ConvRun&, const void*, const void*, void*, float*,
                                                 cudaStream_t);
template void strided_grad_weight<__half>(const ConvRun&, const void*, const void*, void*, float*,
                                          cudaStream_t);

}  // namespace sr::cuda

// A thread owns eight of the 64 channels, whose weights (or their sums) stay in registers, and walks along
// runs of eight pixels; eight threads side by side make a pixel, so that whole lines of memory are read and
// written.
#include "tensor/conv2d/cuda/image.h"

#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/values.h"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256, kChannels = 64, kOwn = 8, kRun = 8, kTaps = 9;
constexpr int kRunsPerBlock = kThreads / (kChannels / kOwn);

struct ImageArgs {
  const void* x;
  DType from;
  int n, h, w;
  long long x_pitch, y_pitch, runs;  // runs of pixels in all images
};

/// A run of pixels and the 3x3 window that slides along it: window[u][v].
struct Walk {
  int row, column, columns;  // of the first pixel; pixels in the run
  long long line;            // image * h + row

  GPU_FN Walk(const ImageArgs& a, long long run) {
    const int per_line = (a.w + kRun - 1) / kRun;
    line = run / per_line;
    row = static_cast<int>(line % a.h), column = static_cast<int>(run % per_line) * kRun;
    columns = min(kRun, a.w - column);
  }
  /// Reads the window's column at `at` into `to`.
  GPU_FN void read(float (&window)[3][3], int to, const ImageArgs& a, int at) const {
#pragma unroll
    for (int u = 0; u < 3; ++u) {
      const bool inside = row + u >= 1 && row + u <= a.h && at >= 0 && at < a.w;
      window[u][to] = inside ? load_value(a.x, a.from, ((line + u - 1) * a.w + at) * a.x_pitch) : 0.0f;
    }
  }
  GPU_FN static void shift(float (&window)[3][3]) {
#pragma unroll
    for (int u = 0; u < 3; ++u) window[u][0] = window[u][1], window[u][1] = window[u][2];
  }
};

/// Eight channels of a pixel, each through the epilogue.
template <class T>
GPU_FN void write_channels(const float (&sums)[kOwn], const ConvEpilogue& e, T* y, long long y_pitch,
                           long long pixel, int c) {
  constexpr int kUnit = 16 / sizeof(T);
#pragma unroll
  for (int i = 0; i < kOwn; i += kUnit) {
    float f[kUnit];
#pragma unroll
    for (int j = 0; j < kUnit; ++j) {
      f[j] = leaky(sums[i + j] + (e.bias ? e.bias[c + i + j] : 0.0f), e.leak);
    }
    *reinterpret_cast<uint4*>(y + pixel * y_pitch + c + i) = finish_unit<T>(pack_unit<T>(f), e, pixel, c + i);
  }
}

// ptxas: conv2d_image_kernel registers<=128
template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_image_kernel(ImageArgs a, const float* packed, ConvEpilogue epilogue, T* y) {
  const int tid = static_cast<int>(threadIdx.x), c = tid % (kChannels / kOwn) * kOwn;
  epilogue.own = {};  // there is none, and no registers for its address
  float w[kTaps][kOwn];
#pragma unroll
  for (int k = 0; k < kTaps; ++k) {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) w[k][i] = packed[k * kChannels + c + i];
  }
  const long long first = static_cast<long long>(blockIdx.x) * kRunsPerBlock + tid / (kChannels / kOwn);
  for (long long run = first; run < a.runs; run += static_cast<long long>(gridDim.x) * kRunsPerBlock) {
    const Walk walk(a, run);
    float window[3][3];
    walk.read(window, 1, a, walk.column - 1);
    walk.read(window, 2, a, walk.column);
    for (int p = 0; p < walk.columns; ++p) {
      Walk::shift(window);
      walk.read(window, 2, a, walk.column + p + 1);
      float sums[kOwn] = {};
#pragma unroll
      for (int k = 0; k < kTaps; ++k) {
#pragma unroll
        for (int i = 0; i < kOwn; ++i) sums[i] = fmaf(window[k / 3][k % 3], w[k][i], sums[i]);
      }
      write_channels(sums, epilogue, y, a.y_pitch, walk.line * a.w + walk.column + p, c);
    }
  }
}

/// Adds the threads' sums of one channel: the four runs of a warp as a tree, the warps in their order.
GPU_FN void write_part(const float (&sums)[kTaps][kOwn], float* shared, float* part) {
  const int tid = static_cast<int>(threadIdx.x), lane = tid % 32, warp = tid / 32;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) {
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      float sum = sums[k][i];
      sum += __shfl_xor_sync(0xffffffffu, sum, 8);
      sum += __shfl_xor_sync(0xffffffffu, sum, 16);
      if (lane < 8) shared[(warp * kTaps + k) * kChannels + lane * kOwn + i] = sum;
    }
  }
  __syncthreads();
  for (int e = tid; e < kTaps * kChannels; e += kThreads) {
    float sum = 0.0f;
    for (int i = 0; i < kThreads / 32; ++i) sum += shared[i * kTaps * kChannels + e];
    part[e] = sum;
  }
}

// ptxas: conv2d_grad_weight_image_kernel registers<=128 shared<=18432
template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_grad_weight_image_kernel(ImageArgs a, const T* dy, float* part) {
  GPU_SHARED(float, shared, kThreads / 32 * kTaps * kChannels);
  const int tid = static_cast<int>(threadIdx.x), c = tid % (kChannels / kOwn) * kOwn;
  constexpr int kUnit = 16 / sizeof(T);
  float sums[kTaps][kOwn] = {};
  const long long first = static_cast<long long>(blockIdx.x) * kRunsPerBlock + tid / (kChannels / kOwn);
  for (long long run = first; run < a.runs; run += static_cast<long long>(gridDim.x) * kRunsPerBlock) {
    const Walk walk(a, run);
    float window[3][3];
    walk.read(window, 1, a, walk.column - 1);
    walk.read(window, 2, a, walk.column);
    for (int p = 0; p < walk.columns; ++p) {
      Walk::shift(window);
      walk.read(window, 2, a, walk.column + p + 1);
      const long long from = (walk.line * a.w + walk.column + p) * a.y_pitch + c;
#pragma unroll
      for (int i = 0; i < kOwn; i += kUnit) {
        float g[kUnit];
        unpack_unit<T>(g, load_unit<T>(dy, from + i));
#pragma unroll
        for (int k = 0; k < kTaps; ++k) {
#pragma unroll
          for (int j = 0; j < kUnit; ++j) sums[k][i + j] = fmaf(window[k / 3][k % 3], g[j], sums[k][i + j]);
        }
      }
    }
  }
  write_part(sums, shared, part + static_cast<long long>(blockIdx.x) * kTaps * kChannels);
}

/// Parts are [tap][output], the weight's gradient [output][tap].
struct TapsLast {
  GPU_HD int operator()(int e) const { return e % kChannels * kTaps + e / kChannels; }
};

// ptxas: sum_image_kernel registers<=40
__global__ void __launch_bounds__(kThreads) sum_image_kernel(const float* part, int parts, float* dw) {
  sum_parts(part, parts, kTaps * kChannels, TapsLast(), dw);
}

ImageArgs image_args(const ConvRun& r, DType from, const void* x) {
  return {x, from, r.n, r.h, r.w, r.x_pitch, r.y_pitch, int64_t{r.n} * r.h * ((r.w + kRun - 1) / kRun)};
}

/// Blocks that share the gradient's sum: must not depend on the device.
int parts_of(const ConvRun& r) {
  const int64_t runs = image_args(r, DType::f32, nullptr).runs;
  return static_cast<int>(std::min<int64_t>((runs + kRunsPerBlock - 1) / kRunsPerBlock, 264));
}

bool serves(const ConvRun& r) {
  return r.c == 1 && r.o == kChannels && r.kh == 3 && r.kw == 3 && r.stride == 1 && r.groups == 1 &&
         r.shuffle == 1 && r.pad_h == 1 && r.pad_w == 1 && r.oh == r.h && r.ow == r.w;
}

int64_t bytes(const ConvProblem& p, const ConvDevice&) {
  if (p.op == ConvOp::grad_input || !serves(p.run) || !p.y_aligned()) return 0;
  return p.op == ConvOp::grad_weight ? int64_t{parts_of(p.run)} * kTaps * kChannels * 4
                                     : plain_packed_bytes(p.run);
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  const ImageArgs a = image_args(p.run, p.types.x, x);
  const dim3 blocks(static_cast<unsigned>(
      std::min<int64_t>((a.runs + kRunsPerBlock - 1) / kRunsPerBlock, 2 * device.multiprocessors)));
  const auto start = [&](auto kernel, auto* to) {
    gpu::launch(kernel, blocks, dim3(kThreads), 0, device.stream, a, static_cast<const float*>(packed),
                epilogue, to);
  };
  if (p.types.y == DType::f32)
    start(conv2d_image_kernel<float>, static_cast<float*>(y));
  else if (p.types.y == DType::bf16)
    start(conv2d_image_kernel<__nv_bfloat16>, static_cast<__nv_bfloat16*>(y));
  else
    start(conv2d_image_kernel<__half>, static_cast<__half*>(y));
}

void grad_weight(const ConvProblem& p, const GradWeightTask& layer, float* partial, cudaStream_t stream) {
  const ImageArgs a = image_args(p.run, p.types.x, layer.x);
  const int parts = parts_of(p.run);
  const auto start = [&](auto kernel, auto* from) {
    gpu::launch(kernel, dim3(static_cast<unsigned>(parts)), dim3(kThreads), 0, stream, a, from, partial);
  };
  if (p.types.y == DType::f32)
    start(conv2d_grad_weight_image_kernel<float>, static_cast<const float*>(layer.dy));
  else if (p.types.y == DType::bf16)
    start(conv2d_grad_weight_image_kernel<__nv_bfloat16>, static_cast<const __nv_bfloat16*>(layer.dy));
  else
    start(conv2d_grad_weight_image_kernel<__half>, static_cast<const __half*>(layer.dy));
  gpu::launch(sum_image_kernel, dim3((kTaps * kChannels + kThreads - 1) / kThreads), dim3(kThreads), 0,
              stream, partial, parts, layer.dw);
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  for (const GradWeightTask& layer : layers)  // one after the other in the same memory
    grad_weight(p, layer, static_cast<float*>(partial), device.stream);
}

}  // namespace

const ConvAlgorithm kImage{"image", bytes, pack_plain, conv, grad_weights, false};

}  // namespace sr::cuda

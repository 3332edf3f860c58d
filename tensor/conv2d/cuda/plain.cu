// An implicit GEMM on the float32 units. A block computes pixels x outputs of one group; 16 terms at a time
// of both operands go through shared memory, and a thread keeps 8 pixels x some outputs in registers. The
// terms of a value are added one after the other, in the order kernel row, kernel column, channel.
#include "tensor/conv2d/cuda/plain.h"

#include <algorithm>

#include "tensor/conv2d/cuda/partial.h"
#include "tensor/conv2d/cuda/values.h"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256, kDepth = 16;

struct PlainArgs {
  const void* x;
  const float* packed;
  void* y;
  DType from, to;
  ConvRun r;
  ConvEpilogue epilogue;
};

/// A pixel of the output and where its window begins in the input.
struct Window {
  int image, row, column;
};

GPU_FN Window window_of(const ConvRun& r, long long pixel) {
  const int column = static_cast<int>(pixel % r.ow);
  const long long line = pixel / r.ow;
  return {static_cast<int>(line / r.oh), static_cast<int>(line % r.oh) * r.stride - r.pad_h,
          column * r.stride - r.pad_w};
}

/// Where term k = (u * kw + v) * channels of the group + c looks.
struct Term {
  int u, v, c;
};

GPU_FN Term term_of(const ConvRun& r, int k) {
  const int cg = r.c / r.groups;
  return {k / cg / r.kw, k / cg % r.kw, k % cg};
}

GPU_FN float sample(const ConvRun& r, const void* x, DType from, const Window& w, const Term& t, int group) {
  const int row = w.row + t.u, column = w.column + t.v;
  if (row < 0 || row >= r.h || column < 0 || column >= r.w) return 0.0f;
  return load_value(x, from,
                    ((static_cast<long long>(w.image) * r.h + row) * r.w + column) * r.x_pitch +
                        group * (r.c / r.groups) + t.c);
}

// Threads stand in kThreads / Columns rows of 8 pixels and Columns columns of PerThread outputs.
// ptxas: conv2d_plain_kernel registers<=128 shared<=12544
template <int Columns, int PerThread>
__global__ void __launch_bounds__(kThreads, 2) conv2d_plain_kernel(PlainArgs a) {
  constexpr int kPixels = kThreads / Columns * 8, kOutputs = Columns * PerThread, kPitch = kPixels + 4;
  GPU_SHARED(float, xs, kDepth* kPitch);
  GPU_SHARED(float, ws, kDepth* kOutputs);
  const ConvRun& r = a.r;
  const int tid = static_cast<int>(threadIdx.x), og = r.o / r.groups, terms = r.kh * r.kw * (r.c / r.groups);
  const int group_blocks = (og + kOutputs - 1) / kOutputs,
            group = static_cast<int>(blockIdx.y) / group_blocks,
            first = static_cast<int>(blockIdx.y) % group_blocks * kOutputs;
  const long long pixels = static_cast<long long>(r.n) * r.oh * r.ow,
                  first_pixel = static_cast<long long>(blockIdx.x) * kPixels;
  constexpr int kLoads = kPixels * kDepth / kThreads;
  const int load_k = tid % kDepth, load_p = tid / kDepth;  // neighbours read neighbouring channels
  Window windows[kLoads];
#pragma unroll
  for (int i = 0; i < kLoads; ++i) {
    windows[i] = window_of(r, min(first_pixel + load_p + i * (kThreads / kDepth), pixels - 1));
  }

  float acc[8][PerThread] = {};
  const int row = tid / Columns, column = tid % Columns;
  for (int k0 = 0; k0 < terms; k0 += kDepth) {
    const Term term = term_of(r, k0 + load_k);
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      xs[load_k * kPitch + load_p + i * (kThreads / kDepth)] =
          k0 + load_k < terms ? sample(r, a.x, a.from, windows[i], term, group) : 0.0f;
    }
    for (int i = tid; i < kDepth * kOutputs; i += kThreads) {
      const int k = k0 + i / kOutputs, o = first + i % kOutputs;
      ws[i] = k < terms && o < og ? a.packed[(static_cast<long long>(group) * terms + k) * og + o] : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float p[8];
#pragma unroll
      for (int i = 0; i < 8; i += 4) {
        const float4 v = *reinterpret_cast<const float4*>(xs + k * kPitch + 8 * row + i);
        p[i] = v.x, p[i + 1] = v.y, p[i + 2] = v.z, p[i + 3] = v.w;
      }
#pragma unroll
      for (int j = 0; j < PerThread; ++j) {
        const float w = ws[k * kOutputs + PerThread * column + j];
#pragma unroll
        for (int i = 0; i < 8; ++i) acc[i][j] = fmaf(p[i], w, acc[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
#pragma unroll
    for (int j = 0; j < PerThread; ++j) {
      const long long pixel = first_pixel + 8 * row + i;
      const int o = first + PerThread * column + j;
      if (pixel >= pixels || o >= og) continue;
      const long long line = pixel / r.ow;
      write_output(r, a.epilogue, a.y, a.to, static_cast<int>(line / r.oh), static_cast<int>(line % r.oh),
                   static_cast<int>(pixel % r.ow), group * og + o, acc[i][j]);
    }
  }
}

template <int Columns, int PerThread>
void launch_plain(const PlainArgs& a, cudaStream_t stream) {
  constexpr int kPixels = kThreads / Columns * 8, kOutputs = Columns * PerThread;
  const int64_t pixels = int64_t{a.r.n} * a.r.oh * a.r.ow;
  const int og = a.r.o / a.r.groups;
  gpu::launch(conv2d_plain_kernel<Columns, PerThread>,
              dim3(static_cast<unsigned>((pixels + kPixels - 1) / kPixels),
                   static_cast<unsigned>((og + kOutputs - 1) / kOutputs * a.r.groups)),
              dim3(kThreads), 0, stream, a);
}

// ---- The gradient for the weights: rows are outputs, columns terms, summed over a chunk of pixels ----

constexpr int kTile = 64;

/// The window n output pixels further: divisions of 64 bits would take longer than what is computed for a
/// pixel.
GPU_FN void advance(const ConvRun& r, Window* w, int n) {
  const int columns = r.ow * r.stride, rows = r.oh * r.stride;
  w->column += n * r.stride;
  while (w->column >= columns - r.pad_w) {
    w->column -= columns, w->row += r.stride;
    if (w->row >= rows - r.pad_h) w->row -= rows, ++w->image;
  }
}

struct PlainGradArgs {
  const void* x;
  const void* dy;
  float* part;
  DType x_storage, y_storage;
  ConvRun r;
  long long chunk_pixels;
};

// ptxas: conv2d_grad_weight_plain_kernel registers<=80 shared<=8192
__global__ void __launch_bounds__(kThreads, 2) conv2d_grad_weight_plain_kernel(PlainGradArgs a) {
  GPU_SHARED(float, ys, kDepth* kTile);
  GPU_SHARED(float, xs, kDepth* kTile);
  const ConvRun& r = a.r;
  const int tid = static_cast<int>(threadIdx.x), og = r.o / r.groups, terms = r.kh * r.kw * (r.c / r.groups);
  const int row_blocks = (og + kTile - 1) / kTile, group = static_cast<int>(blockIdx.y) / row_blocks,
            first_o = static_cast<int>(blockIdx.y) % row_blocks * kTile,
            first_k = static_cast<int>(blockIdx.x) * kTile;
  const long long pixels = static_cast<long long>(r.n) * r.oh * r.ow, begin = blockIdx.z * a.chunk_pixels,
                  end = min(begin + a.chunk_pixels, pixels);
  const int load = tid % kTile;
  const Term term = term_of(r, first_k + load);
  Window window = window_of(r, begin + tid / kTile);

  float acc[4][4] = {};
  const int row = tid / 16, column = tid % 16;
  for (long long p0 = begin; p0 < end; p0 += kDepth) {
#pragma unroll
    for (int i = tid / kTile; i < kDepth; i += kThreads / kTile) {
      const long long pixel = p0 + i;
      const bool real = pixel < end;
      ys[i * kTile + load] =
          real && first_o + load < og
              ? load_value(a.dy, a.y_storage, pixel * r.y_pitch + group * og + first_o + load)
              : 0.0f;
      xs[i * kTile + load] =
          real && first_k + load < terms ? sample(r, a.x, a.x_storage, window, term, group) : 0.0f;
      advance(r, &window, kThreads / kTile);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      const float4 y = *reinterpret_cast<const float4*>(ys + k * kTile + 4 * row),
                   x = *reinterpret_cast<const float4*>(xs + k * kTile + 4 * column);
      const float ya[4] = {y.x, y.y, y.z, y.w}, xa[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) acc[i][j] = fmaf(ya[i], xa[j], acc[i][j]);
      }
    }
    __syncthreads();
  }
  float* const part = a.part + blockIdx.z * static_cast<long long>(r.o) * terms;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int o = first_o + 4 * row + i, k = first_k + 4 * column + j;
      if (o < og && k < terms) part[(static_cast<long long>(group) * og + o) * terms + k] = acc[i][j];
    }
  }
}

/// Pixels of a chunk: about 64 chunks, of whole depths. Depends on the sizes only.
int64_t chunk_pixels(const ConvRun& r) {
  const int64_t pixels = int64_t{r.n} * r.oh * r.ow, chunks = std::clamp<int64_t>(pixels / 256, 1, 64);
  return std::max<int64_t>(kDepth, (pixels + chunks * kDepth - 1) / (chunks * kDepth) * kDepth);
}

int64_t chunk_count(const ConvRun& r) {
  return (int64_t{r.n} * r.oh * r.ow + chunk_pixels(r) - 1) / chunk_pixels(r);
}

int weight_elements(const ConvRun& r) {
  return r.o * r.kh * r.kw * (r.c / r.groups);
}

int64_t bytes(const ConvProblem& p, const ConvDevice&) {
  return p.op == ConvOp::grad_weight ? chunk_count(p.run) * weight_elements(p.run) * 4
                                     : plain_packed_bytes(p.run);
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  const PlainArgs a{x, static_cast<const float*>(packed), y, p.read(), p.written(), p.run, epilogue};
  if (p.run.o / p.run.groups > 16)
    launch_plain<16, 4>(a, device.stream);
  else
    launch_plain<16, 1>(a, device.stream);
}

void grad_weights(const ConvProblem& p, std::span<const GradWeightTask> layers, void* partial,
                  const ConvDevice& device) {
  const ConvRun& run = p.run;
  const int og = run.o / run.groups, elements = weight_elements(run), terms = elements / run.o;
  auto* const parts = static_cast<float*>(partial);
  for (const GradWeightTask& layer : layers) {  // one after the other in the same memory
    const PlainGradArgs a{layer.x, layer.dy, parts, p.types.x, p.types.y, run, chunk_pixels(run)};
    const int64_t chunks = chunk_count(run);  // none of an empty batch, whose gradient is 0
    if (chunks > 0)
      gpu::launch(
          conv2d_grad_weight_plain_kernel,
          dim3(static_cast<unsigned>((terms + kTile - 1) / kTile),
               static_cast<unsigned>((og + kTile - 1) / kTile * run.groups), static_cast<unsigned>(chunks)),
          dim3(kThreads), 0, device.stream, a);
    add_parts(parts, static_cast<int>(chunks), elements, layer.dw, device.stream);
  }
}

}  // namespace

const ConvAlgorithm kPlain{"plain", bytes, pack_plain, conv, grad_weights};

}  // namespace sr::cuda

// Compiled without contraction: every product and sum is rounded by itself, as on the CPU.
#include "optim/adam_cuda.h"

#include <algorithm>
#include <cmath>

#include "tensor/cuda/block_sum.cuh"
#include "tensor/cuda/storage.cuh"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256, kPiece = 4 * kThreads;  // elements that a block works on at a time

// The tensor that a piece belongs to: the last one whose first piece is not behind it.
GPU_FN AdamTensor tensor_of(const AdamTensor* tensors, int count, int64_t piece) {
  int low = 0;
  for (int high = count; high - low > 1;) {
    const int middle = (low + high) / 2;
    if (tensors[middle].first_piece <= piece)
      low = middle;
    else
      high = middle;
  }
  return tensors[low];
}

// ptxas: gradient_norm_kernel registers<=48 shared<=2048
__global__ void __launch_bounds__(kThreads)
    gradient_norm_kernel(const AdamTensor* tensors, int count, int64_t pieces, double* sums) {
  GPU_SHARED(double, shared, kThreads);
  for (int64_t piece = blockIdx.x; piece < pieces; piece += gridDim.x) {
    const AdamTensor t = tensor_of(tensors, count, piece);
    const int64_t begin = (piece - t.first_piece) * kPiece;
    double sum = 0;
    for (int i = static_cast<int>(threadIdx.x); i < kPiece; i += kThreads)
      if (begin + i < t.size) {
        const auto g = static_cast<double>(t.gradient[begin + i]);
        sum += g * g;
      }
    sum = block_sum<kThreads>(sum, shared);
    if (threadIdx.x == 0) sums[piece] = sum;
  }
}

GPU_FN bool is_finite(double x) {
  return x - x == 0;
}

// ptxas: finish_norm_kernel registers<=40 shared<=2048
__global__ void __launch_bounds__(kThreads)
    finish_norm_kernel(int64_t pieces, const double* sums, double unscale, double clip_norm,
                       const float* loss, StepState* state) {
  GPU_SHARED(double, shared, kThreads);
  const double norm = unscale * sqrt(block_sum_of<kThreads>(pieces, sums, shared));
  if (threadIdx.x > 0) return;
  state->norm = norm;
  state->gradient_scale =
      static_cast<float>(unscale * (clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1));
  if (loss != nullptr) state->loss = *loss;
  if (!is_finite(norm) || (loss != nullptr && !is_finite(static_cast<double>(*loss)))) state->stopped = 1;
}

// Names as in the CPU's loop.
struct StepFactors {
  float beta1, beta2, gradient_scale, decay_in_gradient, decay_of_weight, rate, root_correction, epsilon,
      keep;
};

struct FixedFactors {
  float beta1, beta2, epsilon;
  bool decoupled;
};

GPU_FN StepFactors factors(const FixedFactors& fixed, const AdamStep& step, float gradient_scale,
                           const AdamTensor& t) {
  const double own_rate = step.rate * t.rate;
  return {fixed.beta1,
          fixed.beta2,
          gradient_scale,
          fixed.decoupled ? 0.0f : static_cast<float>(t.decay),
          fixed.decoupled ? static_cast<float>(own_rate * t.decay) : 0.0f,
          static_cast<float>(own_rate / step.first_correction),
          step.root_correction,
          fixed.epsilon,
          step.keep};
}

template <class T>
struct alignas(4 * sizeof(T)) Four {
  T value[4];
};

// Elements i .. i + n - 1 of a tensor, n <= kVector, at once if kVector is 4.
template <class T, int kVector>
GPU_FN void update(const AdamTensor& t, int64_t i, int n, const StepFactors& f) {
  float w[kVector], m[kVector], v[kVector], g[kVector];
  load(t.weight + i, n, w);
  load(t.m + i, n, m);
  load(t.v + i, n, v);
  load(t.gradient + i, n, g);
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const float d = f.gradient_scale * g[k] + f.decay_in_gradient * w[k];
    m[k] = f.beta1 * m[k] + (1 - f.beta1) * d;
    v[k] = f.beta2 * v[k] + (1 - f.beta2) * d * d;
    w[k] -= f.decay_of_weight * w[k] + f.rate * m[k] / (sqrtf(v[k]) * f.root_correction + f.epsilon);
  }
  store(t.weight + i, n, w);
  store(t.m + i, n, m);
  store(t.v + i, n, v);
  if (t.average != nullptr) {
    float a[kVector];
    load(t.average + i, n, a);
#pragma unroll
    for (int k = 0; k < kVector; ++k) a[k] = f.keep * a[k] + (1 - f.keep) * w[k];
    store(t.average + i, n, a);
  }
  if (t.copy == nullptr) return;
  T* const copy = static_cast<T*>(t.copy) + i;
  if (kVector == 4 && n >= kVector) {
    Four<T> four;
#pragma unroll
    for (int k = 0; k < kVector; ++k) four.value[k] = gpu::from_float<T>(w[k]);
    *reinterpret_cast<Four<T>*>(copy) = four;
  } else {
#pragma unroll
    for (int k = 0; k < kVector; ++k)
      if (k < n) copy[k] = gpu::from_float<T>(w[k]);
  }
}

GPU_FN bool is_aligned(const AdamTensor& t) {
  const auto at = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
  return ((at(t.weight) | at(t.m) | at(t.v) | at(t.gradient) | at(t.average)) & 15) == 0 &&
         (at(t.copy) & 7) == 0;
}

// ptxas: adam_kernel registers<=48 shared<=0
template <class T>
__global__ void __launch_bounds__(kThreads)
    adam_kernel(const AdamTensor* tensors, int count, int64_t pieces, FixedFactors fixed,
                const AdamStep* step, const StepState* state) {
  if (state->stopped != 0) return;
  for (int64_t piece = blockIdx.x; piece < pieces; piece += gridDim.x) {
    const AdamTensor t = tensor_of(tensors, count, piece);
    const StepFactors f = factors(fixed, *step, state->gradient_scale, t);
    const int64_t begin = (piece - t.first_piece) * kPiece;
    const int length = t.size - begin < kPiece ? static_cast<int>(t.size - begin) : kPiece;
    if (is_aligned(t)) {
      const int i = static_cast<int>(threadIdx.x) * 4;
      if (i < length) update<T, 4>(t, begin + i, length - i < 4 ? length - i : 4, f);
    } else {
      for (int i = static_cast<int>(threadIdx.x); i < length; i += kThreads) update<T, 1>(t, begin + i, 1, f);
    }
  }
}

dim3 grid_of(const Queue& queue, int64_t pieces) {
  return dim3(static_cast<unsigned>(std::min<int64_t>(pieces, queue.blocks)));
}

}  // namespace

int64_t number_pieces(std::span<AdamTensor> tensors) {
  int64_t pieces = 0;
  for (AdamTensor& t : tensors) {
    t.first_piece = pieces;
    pieces += (t.size + kPiece - 1) / kPiece;
  }
  return pieces;
}

AdamStep adam_step(const AdamOptions& options, int64_t t, double rate, double ema_decay) {
  const auto steps = static_cast<double>(t);
  AdamStep step;
  step.rate = rate;
  step.first_correction = 1 - std::pow(options.beta1, steps);
  step.root_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, steps)));
  step.keep = static_cast<float>(std::min(ema_decay, steps / (9 + steps)));
  return step;
}

void gradient_norm(const Queue& queue, const AdamTable& table, double unscale, double clip_norm,
                   const float* loss, StepState* state, double* workspace) {
  if (table.pieces > 0)
    gpu::launch(gradient_norm_kernel, grid_of(queue, table.pieces), dim3(kThreads), 0, queue.stream,
                table.tensors, table.count, table.pieces, workspace);
  gpu::launch(finish_norm_kernel, dim3(1), dim3(kThreads), 0, queue.stream, table.pieces, workspace, unscale,
              clip_norm, loss, state);
}

void adam(const Queue& queue, const AdamTable& table, const AdamOptions& options, DType copy_type,
          const AdamStep* step, const StepState* state) {
  if (table.pieces == 0) return;
  const FixedFactors fixed{static_cast<float>(options.beta1), static_cast<float>(options.beta2),
                           static_cast<float>(options.epsilon), options.decoupled};
  const auto kernel = copy_type == DType::f16 ? adam_kernel<__half> : adam_kernel<__nv_bfloat16>;
  gpu::launch(kernel, grid_of(queue, table.pieces), dim3(kThreads), 0, queue.stream, table.tensors,
              table.count, table.pieces, fixed, step, state);
}

}  // namespace sr::cuda

#include "tensor/ops/pointwise_cuda.h"

#include <algorithm>

#include "tensor/cuda/runs.cuh"
#include "tensor/cuda/tensors.h"
#include "tensor/error.h"
#include "tensor/ops/channel_sums.cuh"
#include "tensor/ops/reduce_cuda.h"

namespace sr::cuda {
namespace {

// ptxas: finish_kernel registers<=48 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    finish_kernel(Runs runs, const T* a, int64_t a_pitch, const T* b, int64_t b_pitch, const T* mask,
                  int64_t mask_pitch, float leak, T* y, int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float u[kVector], v[kVector] = {}, s[kVector];
    load(a + run * a_pitch + k, n, u);
    if (b) load(b + run * b_pitch + k, n, v);
    if (mask) load(mask + run * mask_pitch + k, n, s);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (b) u[i] += v[i];
      if (mask) u[i] *= s[i] > 0 ? 1.0f : leak;
    }
    store(y + run * y_pitch + k, n, u);
  });
}

// ptxas: multiply_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    multiply_kernel(Runs runs, const T* a, int64_t a_pitch, const T* b, int64_t b_pitch, T* y,
                    int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float u[kVector], v[kVector];
    load(a + run * a_pitch + k, n, u);
    load(b + run * b_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) u[i] *= v[i];
    store(y + run * y_pitch + k, n, u);
  });
}

// ptxas: scale_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    scale_kernel(Runs runs, const T* x, int64_t x_pitch, float factor, T* y, int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float v[kVector];
    load(x + run * x_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[i] *= factor;
    store(y + run * y_pitch + k, n, v);
  });
}

template <int kVector>
struct GradAndSign {
  float dy[kVector], y[kVector];
};

// ptxas: leaky_relu_grads_kernel registers<=128 shared<=16384
template <class T, int kVector>
__global__ void __launch_bounds__(kSumThreads, 2)
    leaky_relu_grads_kernel(int64_t pixels, int c, const T* dy, int64_t dy_pitch, const T* y, int64_t y_pitch,
                            float leak, T* dz, int64_t dz_pitch, double* sums) {
  const auto read = [&](int64_t p, int k, int n) {
    GradAndSign<kVector> at;
    load(dy + p * dy_pitch + k, n, at.dy);
    load(y + p * y_pitch + k, n, at.y);
    return at;
  };
  constexpr int kAhead = kVector > 4 ? 2 : 4;  // as many as the registers of two blocks hold
  sum_channels<kVector, kAhead>(
      pixels, c, sums, read,
      [&](const GradAndSign<kVector>& at, int64_t p, int k, int n, double(&sum)[kVector]) {
        float d[kVector];
#pragma unroll
        for (int i = 0; i < kVector; ++i) {
          d[i] = at.y[i] > 0 ? at.dy[i] : leak * at.dy[i];
          sum[i] = static_cast<double>(d[i]);
        }
        store(dz + p * dz_pitch + k, n, d);
      });
}

// As many parts as one launch takes; part i has channels begin[i] .. begin[i + 1] - 1, row i of the grid is
// its.
constexpr int kLaunchParts = 4;
template <class T>
struct Parts {
  const T* data[kLaunchParts];
  int64_t pitch[kLaunchParts];
  int begin[kLaunchParts + 1];
};

// ptxas: add_concat_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    add_concat_kernel(Runs runs, const T* x, int64_t x_pitch, const __grid_constant__ Parts<T> parts, T* y,
                      int64_t y_pitch) {
  const unsigned part = blockIdx.y;
  const T* data = parts.data[part];
  const int64_t pitch = parts.pitch[part];
  const int begin = parts.begin[part], c = parts.begin[part + 1] - begin;
  for_each_vector<kVector>(runs, [&](int64_t p, int k, int n) {
    n = c - k < n ? c - k : n;
    if (n <= 0) return;  // runs are as long as the longest part
    float u[kVector], v[kVector];
    load(x + p * x_pitch + begin + k, n, u);
    load(data + p * pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) u[i] += v[i];
    store(y + p * y_pitch + begin + k, n, u);
  });
}

// ptxas: channels_grad_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    channels_grad_kernel(Runs runs, const T* dy, int64_t dy_pitch, int begin, int end, T* dx,
                         int64_t dx_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t p, int k, int n) {
    float v[kVector] = {};
    if (k >= begin && k < end) load(dy + p * dy_pitch + k - begin, n, v);
    store(dx + p * dx_pitch + k, n, v);
  });
}

// Adds up to kLaunchParts parts that lie side by side from channel `begin`; returns where they end.
template <class T>
int add_parts(const Queue& queue, int64_t pixels, ConstView x, std::span<const ConcatPart> group, int begin,
              View y) {
  Parts<T> parts{};
  bool wide = is_wide<T>(x) && is_wide<T>(y) && begin % kWide<T> == 0;
  int64_t longest = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    const ConcatPart& part = group[i];
    parts.data[i] = as<T>(part.view), parts.pitch[i] = part.view.pitch, parts.begin[i] = begin;
    wide = wide && is_wide<T>(part.view) && part.c % kWide<T> == 0;
    longest = std::max(longest, part.c);
    begin += static_cast<int>(part.c);
    parts.begin[i + 1] = begin;
  }
  const Runs runs = pixel_runs(pixels, longest);
  const auto add = [&](auto width) {
    launch_runs<width.value>(queue, add_concat_kernel<T, width.value>, runs, static_cast<int>(group.size()),
                             as<T>(x), x.pitch, parts, as<T>(y), y.pitch);
  };
  wide ? add(gpu::Int<kWide<T>>()) : add(gpu::Int<1>());
  return begin;
}

}  // namespace

void finish(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView a, ConstView b,
            ConstView mask, float leak, View y) {
  if (!b.data) b.pitch = a.pitch;
  if (!mask.data) mask.pitch = a.pitch;
  const Runs runs = runs_of(pixels, c, {a, b, mask, y});
  a = runs.of(a), b = runs.of(b), mask = runs.of(mask), y = runs.of(y);
  with_types(dtype, {a, b, mask, y}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, finish_kernel<T, width.value>, runs, 1, as<T>(a), a.pitch, as<T>(b),
                             b.pitch, as<T>(mask), mask.pitch, leak, as<T>(y), y.pitch);
  });
}

void multiply(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView a, ConstView b, View y) {
  const Runs runs = runs_of(pixels, c, {a, b, y});
  a = runs.of(a), b = runs.of(b), y = runs.of(y);
  with_types(dtype, {a, b, y}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, multiply_kernel<T, width.value>, runs, 1, as<T>(a), a.pitch, as<T>(b),
                             b.pitch, as<T>(y), y.pitch);
  });
}

void scale(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, float factor, View y) {
  const Runs runs = runs_of(pixels, c, {x, y});
  x = runs.of(x), y = runs.of(y);
  with_types(dtype, {x, y}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, scale_kernel<T, width.value>, runs, 1, as<T>(x), x.pitch, factor,
                             as<T>(y), y.pitch);
  });
}

void leaky_relu_grads(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView dy, ConstView y,
                      float leak, View dz, double* sums) {
  with_types(dtype, {dy, y, dz}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_channel_sums<width.value>(queue, leaky_relu_grads_kernel<T, width.value>, pixels, c, pixels,
                                     static_cast<int>(c), as<T>(dy), dy.pitch, as<T>(y), y.pitch, leak,
                                     as<T>(dz), dz.pitch, sums);
  });
}

void add_concat(const Queue& queue, DType dtype, int64_t pixels, ConstView x,
                std::span<const ConcatPart> parts, View y) {
  with_storage(dtype, [&](auto zero) {
    int begin = 0;
    for (size_t i = 0; i < parts.size(); i += kLaunchParts)
      begin = add_parts<decltype(zero)>(
          queue, pixels, x, parts.subspan(i, std::min<size_t>(kLaunchParts, parts.size() - i)), begin, y);
  });
}

void channels_grad(const Queue& queue, DType dtype, int64_t pixels, ConstView dy, int64_t dy_c, int64_t begin,
                   int64_t c, View dx) {
  const Runs runs = pixel_runs(pixels, c);
  with_types(dtype, {dy, dx}, [&](auto zero, auto width) {
    using T = decltype(zero);
    const auto spread = [&](auto vector) {
      launch_runs<vector.value>(queue, channels_grad_kernel<T, vector.value>, runs, 1, as<T>(dy), dy.pitch,
                                static_cast<int>(begin), static_cast<int>(begin + dy_c), as<T>(dx), dx.pitch);
    };
    if (begin % width.value == 0 && dy_c % width.value == 0)
      spread(width);
    else
      spread(gpu::Int<1>());
  });
}

Tensor add(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw Error(Error::Kind::usage, "add: one tensor is stored as ", a.dtype(), ", the other as ", b.dtype());
  const ConstView from = view(a), added = view(b);
  Tensor y = like(a, a.shape());
  telling([&] { finish(queue(), a.dtype(), a.shape().pixels(), a.shape().c, from, added, {}, 1, view(y)); },
          "add of ", a.shape());
  return y;
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    throw Error(Error::Kind::usage, "multiply: one tensor is stored as ", a.dtype(), ", the other as ",
                b.dtype());
  Tensor y = like(a, a.shape());
  telling([&] { multiply(queue(), a.dtype(), a.shape().pixels(), a.shape().c, view(a), view(b), view(y)); },
          "multiply of ", a.shape());
  return y;
}

Tensor scale(const Tensor& x, float factor) {
  Tensor y = like(x, x.shape());
  telling([&] { scale(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(x), factor, view(y)); },
          "scale of ", x.shape());
  return y;
}

LeakyReluGrads leaky_relu_grads(const Tensor& dy, const Tensor& y, float leak) {
  const int64_t pixels = dy.shape().pixels(), c = dy.shape().c;
  Tensor dz = like(dy, dy.shape()), dbias(Shape{1, 1, 1, c}, DType::f32, Device::cuda);
  const ChannelSumsWork work{allocate(8 * sum_workspace(pixels, c)), pixels, dbias};
  telling(
      [&] {
        leaky_relu_grads(queue(), dy.dtype(), pixels, c, view(dy), view(y), leak, view(dz),
                         static_cast<double*>(work.sums.get()));
        add_up(work);
      },
      "leaky_relu_grads of ", dy.shape());
  return {dz, dbias};
}

Tensor add_concat(const Tensor& x, const std::vector<Tensor>& parts) {
  Tensor y = like(x, x.shape());
  std::vector<ConcatPart> views;
  for (const Tensor& part : parts) views.push_back({view(part), part.shape().c});
  telling([&] { add_concat(queue(), x.dtype(), x.shape().pixels(), view(x), views, view(y)); },
          "add_concat of ", x.shape());
  return y;
}

Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c) {
  Shape shape = dy.shape();
  shape.c = c;
  Tensor dx = like(dy, shape);
  telling(
      [&] { channels_grad(queue(), dy.dtype(), shape.pixels(), view(dy), dy.shape().c, begin, c, view(dx)); },
      "channels_grad of ", dy.shape());
  return dx;
}

}  // namespace sr::cuda

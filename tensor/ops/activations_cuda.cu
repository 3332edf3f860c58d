#include "tensor/cuda/runs.cuh"
#include "tensor/cuda/tensors.h"
#include "tensor/ops/activations.cuh"
#include "tensor/ops/activations_cuda.h"

namespace sr::cuda {
namespace {

// ptxas: silu_kernel registers<=48 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    silu_kernel(Runs runs, const T* x, int64_t x_pitch, T* y, int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float v[kVector];
    load(x + run * x_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[i] *= sigmoid(v[i]);
    store(y + run * y_pitch + k, n, v);
  });
}

// ptxas: silu_grad_kernel registers<=56 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    silu_grad_kernel(Runs runs, const T* dy, int64_t dy_pitch, const T* x, int64_t x_pitch, T* dx,
                     int64_t dx_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float d[kVector], v[kVector];
    load(dy + run * dy_pitch + k, n, d);
    load(x + run * x_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const float s = sigmoid(v[i]);
      d[i] *= s * (1.0f + v[i] * (1.0f - s));
    }
    store(dx + run * dx_pitch + k, n, d);
  });
}

// ptxas: gate_kernel registers<=56 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    gate_kernel(Runs runs, const T* z, int64_t z_pitch, const T* x, int64_t x_pitch, T* y, int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float u[kVector], v[kVector];
    load(z + run * z_pitch + k, n, u);
    load(x + run * x_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[i] = (u[i] + v[i]) * (sigmoid(u[i]) - 0.5f);
    store(y + run * y_pitch + k, n, v);
  });
}

// ptxas: gate_grads_kernel registers<=72 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    gate_grads_kernel(Runs runs, const T* dy, int64_t dy_pitch, const T* z, int64_t z_pitch, const T* x,
                      int64_t x_pitch, T* dz, int64_t dz_pitch, T* dx, int64_t dx_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float d[kVector], u[kVector], v[kVector];
    load(dy + run * dy_pitch + k, n, d);
    load(z + run * z_pitch + k, n, u);
    load(x + run * x_pitch + k, n, v);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      const float s = sigmoid(u[i]), of_x = d[i] * (s - 0.5f);
      u[i] = of_x + d[i] * ((u[i] + v[i]) * (s * (1.0f - s)));
      v[i] = of_x;
    }
    store(dz + run * dz_pitch + k, n, u);
    store(dx + run * dx_pitch + k, n, v);
  });
}

}  // namespace

void silu(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, View y) {
  const Runs runs = runs_of(pixels, c, {x, y});
  x = runs.of(x), y = runs.of(y);
  with_types(dtype, {x, y}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, silu_kernel<T, width.value>, runs, 1, as<T>(x), x.pitch, as<T>(y),
                             y.pitch);
  });
}

void silu_grad(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView dy, ConstView x,
               View dx) {
  const Runs runs = runs_of(pixels, c, {dy, x, dx});
  dy = runs.of(dy), x = runs.of(x), dx = runs.of(dx);
  with_types(dtype, {dy, x, dx}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, silu_grad_kernel<T, width.value>, runs, 1, as<T>(dy), dy.pitch, as<T>(x),
                             x.pitch, as<T>(dx), dx.pitch);
  });
}

void gate(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView z, ConstView x, View y) {
  const Runs runs = runs_of(pixels, c, {z, x, y});
  z = runs.of(z), x = runs.of(x), y = runs.of(y);
  with_types(dtype, {z, x, y}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, gate_kernel<T, width.value>, runs, 1, as<T>(z), z.pitch, as<T>(x),
                             x.pitch, as<T>(y), y.pitch);
  });
}

void gate_grads(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView dy, ConstView z,
                ConstView x, View dz, View dx) {
  const Runs runs = runs_of(pixels, c, {dy, z, x, dz, dx});
  dy = runs.of(dy), z = runs.of(z), x = runs.of(x), dz = runs.of(dz), dx = runs.of(dx);
  with_types(dtype, {dy, z, x, dz, dx}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, gate_grads_kernel<T, width.value>, runs, 1, as<T>(dy), dy.pitch, as<T>(z),
                             z.pitch, as<T>(x), x.pitch, as<T>(dz), dz.pitch, as<T>(dx), dx.pitch);
  });
}

Tensor silu(const Tensor& x) {
  Tensor y = like(x, x.shape());
  telling([&] { silu(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(x), view(y)); }, "silu of ",
          x.shape());
  return y;
}

Tensor silu_grad(const Tensor& dy, const Tensor& x) {
  Tensor dx = like(x, x.shape());
  telling(
      [&] { silu_grad(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(dy), view(x), view(dx)); },
      "silu_grad of ", x.shape());
  return dx;
}

Tensor gate(const Tensor& z, const Tensor& x) {
  Tensor y = like(x, x.shape());
  telling([&] { gate(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(z), view(x), view(y)); },
          "gate of ", x.shape());
  return y;
}

GateGrads gate_grads(const Tensor& dy, const Tensor& z, const Tensor& x) {
  GateGrads grads{like(x, x.shape()), like(x, x.shape())};
  telling(
      [&] {
        gate_grads(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(dy), view(z), view(x),
                   view(grads.dz), view(grads.dx));
      },
      "gate_grads of ", x.shape());
  return grads;
}

}  // namespace sr::cuda

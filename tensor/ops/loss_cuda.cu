#include "tensor/ops/loss_cuda.h"

#include "tensor/cuda/runs.cuh"
#include "tensor/cuda/tensors.h"
#include "tensor/ops/channel_sums.cuh"
#include "tensor/ops/loss.h"
#include "tensor/ops/reduce_cuda.h"

namespace sr::cuda {
namespace {

// Loads what the losses compare and hands each pair to f(i, x, target).
template <int kVector, class T, class F>
GPU_FN void for_each_pair(const T* x, const T* target, int n, F&& f) {
  float a[kVector], b[kVector];
  load(x, n, a);
  load(target, n, b);
#pragma unroll
  for (int i = 0; i < kVector; ++i) f(i, a[i], b[i]);
}

// ptxas: l1_loss_kernel registers<=72 shared<=16384
template <class T, int kVector>
__global__ void __launch_bounds__(kSumThreads)
    l1_loss_kernel(int64_t pixels, int c, const T* x, int64_t x_pitch, const T* target, int64_t target_pitch,
                   double* sums) {
  sum_channels<kVector>(pixels, c, sums, [&](int64_t p, int k, int n, double(&sum)[kVector]) {
    for_each_pair<kVector>(x + p * x_pitch + k, target + p * target_pitch + k, n,
                           [&](int i, float a, float b) {
                             const double d = static_cast<double>(a) - static_cast<double>(b);
                             sum[i] = d < 0 ? -d : d;
                           });
  });
}

// ptxas: l2_loss_kernel registers<=72 shared<=16384
template <class T, int kVector>
__global__ void __launch_bounds__(kSumThreads)
    l2_loss_kernel(int64_t pixels, int c, const T* x, int64_t x_pitch, const T* target, int64_t target_pitch,
                   double* sums) {
  sum_channels<kVector>(pixels, c, sums, [&](int64_t p, int k, int n, double(&sum)[kVector]) {
    for_each_pair<kVector>(x + p * x_pitch + k, target + p * target_pitch + k, n,
                           [&](int i, float a, float b) {
                             const double d = static_cast<double>(a) - static_cast<double>(b);
                             sum[i] = d * d;
                           });
  });
}

// ptxas: l1_loss_grad_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    l1_loss_grad_kernel(Runs runs, const T* x, int64_t x_pitch, const T* target, int64_t target_pitch,
                        float each, T* dx, int64_t dx_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float v[kVector];
    for_each_pair<kVector>(x + run * x_pitch + k, target + run * target_pitch + k, n,
                           [&](int i, float a, float b) {
                             const float d = a - b;
                             v[i] = d > 0 ? each : d < 0 ? -each : d;  // 0 or NaN
                           });
    store(dx + run * dx_pitch + k, n, v);
  });
}

// ptxas: l2_loss_grad_kernel registers<=40 shared<=0
template <class T, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    l2_loss_grad_kernel(Runs runs, const T* x, int64_t x_pitch, const T* target, int64_t target_pitch,
                        float each, T* dx, int64_t dx_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float v[kVector];
    for_each_pair<kVector>(x + run * x_pitch + k, target + run * target_pitch + k, n,
                           [&](int i, float a, float b) { v[i] = each * (a - b); });
    store(dx + run * dx_pitch + k, n, v);
  });
}

// How two spectra lie to each other; as in loss.cpp, to the bit but for the angle itself.
struct Angle {
  double per_length_x = 0, per_length_t = 0, minus = 0, plus = 4, sine = 0;
};

template <class T>
GPU_FN double element(const T* from, int k) {
  return static_cast<double>(gpu::to_float(from[k]));
}

template <class T>
GPU_FN Angle angle_of(const T* x, const T* target, int c) {
  double xx = 0, tt = 0;
  for (int k = 0; k < c; ++k) {
    const double u = element(x, k), v = element(target, k);
    xx += u * u, tt += v * v;
  }
  Angle a;
  if (xx < kNoAngle * kNoAngle || tt < kNoAngle * kNoAngle) return a;
  a.per_length_x = 1 / sqrt(xx), a.per_length_t = 1 / sqrt(tt);
  a.plus = 0;
  for (int k = 0; k < c; ++k) {
    const double u = element(x, k) * a.per_length_x, v = element(target, k) * a.per_length_t;
    a.minus += (u - v) * (u - v), a.plus += (u + v) * (u + v);
  }
  a.sine = sqrt(a.minus * a.plus) / 2;
  return a;
}

// ptxas: spectral_angle_kernel registers<=72 shared<=16384
template <class T>
__global__ void __launch_bounds__(kSumThreads)
    spectral_angle_kernel(int64_t pixels, int c, const T* x, int64_t x_pitch, const T* target,
                          int64_t target_pitch, double* sums) {
  sum_channels<1>(pixels, 1, sums, [&](int64_t p, int, int, double(&sum)[1]) {
    const Angle a = angle_of(x + p * x_pitch, target + p * target_pitch, c);
    sum[0] = 2 * atan(sqrt(a.minus / a.plus));
  });
}

// ptxas: spectral_angle_grad_kernel registers<=72 shared<=0
template <class T>
__global__ void __launch_bounds__(kRunThreads)
    spectral_angle_grad_kernel(Runs pixels, int c, const T* x, int64_t x_pitch, const T* target,
                               int64_t target_pitch, double share, T* dx, int64_t dx_pitch) {
  for_each_vector<1>(pixels, [&](int64_t p, int, int) {
    const T *px = x + p * x_pitch, *pt = target + p * target_pitch;
    const Angle a = angle_of(px, pt, c);
    const double each = share * a.per_length_x / a.sine, cosine = (a.plus - a.minus) / 4;
    for (int k = 0; k < c; ++k) {
      const double d = each * (cosine * (element(px, k) * a.per_length_x) - element(pt, k) * a.per_length_t);
      dx[p * dx_pitch + k] = gpu::from_float<T>(a.sine < kSmallestSine ? 0.0f : static_cast<float>(d));
    }
  });
}

}  // namespace

int64_t loss_workspace(int64_t pixels, int64_t c) {
  return sum_pieces(pixels) * c;
}

void l1_loss(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, ConstView target,
             double* result, double* workspace) {
  with_types(dtype, {x, target}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_channel_sums<width.value>(queue, l1_loss_kernel<T, width.value>, pixels, c, pixels,
                                     static_cast<int>(c), as<T>(x), x.pitch, as<T>(target), target.pitch,
                                     workspace);
  });
  add_all(queue, sum_pieces(pixels) * c, workspace, static_cast<double>(pixels * c), result);
}

void l2_loss(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, ConstView target,
             double* result, double* workspace) {
  with_types(dtype, {x, target}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_channel_sums<width.value>(queue, l2_loss_kernel<T, width.value>, pixels, c, pixels,
                                     static_cast<int>(c), as<T>(x), x.pitch, as<T>(target), target.pitch,
                                     workspace);
  });
  add_all(queue, sum_pieces(pixels) * c, workspace, static_cast<double>(pixels * c), result);
}

void l1_loss_grad(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, ConstView target,
                  View dx) {
  const auto each = static_cast<float>(1 / static_cast<double>(pixels * c));
  const Runs runs = runs_of(pixels, c, {x, target, dx});
  x = runs.of(x), target = runs.of(target), dx = runs.of(dx);
  with_types(dtype, {x, target, dx}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, l1_loss_grad_kernel<T, width.value>, runs, 1, as<T>(x), x.pitch,
                             as<T>(target), target.pitch, each, as<T>(dx), dx.pitch);
  });
}

void l2_loss_grad(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, ConstView target,
                  View dx) {
  const auto each = static_cast<float>(2 / static_cast<double>(pixels * c));
  const Runs runs = runs_of(pixels, c, {x, target, dx});
  x = runs.of(x), target = runs.of(target), dx = runs.of(dx);
  with_types(dtype, {x, target, dx}, [&](auto zero, auto width) {
    using T = decltype(zero);
    launch_runs<width.value>(queue, l2_loss_grad_kernel<T, width.value>, runs, 1, as<T>(x), x.pitch,
                             as<T>(target), target.pitch, each, as<T>(dx), dx.pitch);
  });
}

void spectral_angle(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x, ConstView target,
                    double* result, double* workspace) {
  with_storage(dtype, [&](auto zero) {
    using T = decltype(zero);
    launch_channel_sums<1>(queue, spectral_angle_kernel<T>, pixels, 1, pixels, static_cast<int>(c), as<T>(x),
                           x.pitch, as<T>(target), target.pitch, workspace);
  });
  add_all(queue, sum_pieces(pixels), workspace, static_cast<double>(pixels), result);
}

void spectral_angle_grad(const Queue& queue, DType dtype, int64_t pixels, int64_t c, ConstView x,
                         ConstView target, View dx) {
  const double share = 1 / static_cast<double>(pixels);
  with_storage(dtype, [&](auto zero) {
    using T = decltype(zero);
    launch_runs<1>(queue, spectral_angle_grad_kernel<T>, pixel_runs(pixels, 1), 1, static_cast<int>(c),
                   as<T>(x), x.pitch, as<T>(target), target.pitch, share, as<T>(dx), dx.pitch);
  });
}

namespace {

using Loss = void (*)(const Queue&, DType, int64_t, int64_t, ConstView, ConstView, double*, double*);
using Grad = void (*)(const Queue&, DType, int64_t, int64_t, ConstView, ConstView, View);

Doubles loss_of(Loss loss, const char* name, const Tensor& x, const Tensor& target) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Doubles workspace(loss_workspace(pixels, c)), result(1);
  telling(
      [&] { loss(queue(), x.dtype(), pixels, c, view(x), view(target), result.data(), workspace.data()); },
      name, " of ", x.shape());
  return result;
}

Tensor grad_of(Grad grad, const char* name, const Tensor& x, const Tensor& target) {
  Tensor dx = like(x, x.shape());
  telling([&] { grad(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(x), view(target), view(dx)); },
          name, " of ", x.shape());
  return dx;
}

}  // namespace

double l1_loss(const Tensor& x, const Tensor& target) {
  return first(loss_of(l1_loss, "l1_loss", x, target));
}

Tensor l1_loss_value(const Tensor& x, const Tensor& target) {
  return rounded(loss_of(l1_loss, "l1_loss", x, target));
}

Tensor l1_loss_grad(const Tensor& x, const Tensor& target) {
  return grad_of(l1_loss_grad, "l1_loss_grad", x, target);
}

double l2_loss(const Tensor& x, const Tensor& target) {
  return first(loss_of(l2_loss, "l2_loss", x, target));
}

Tensor l2_loss_value(const Tensor& x, const Tensor& target) {
  return rounded(loss_of(l2_loss, "l2_loss", x, target));
}

Tensor l2_loss_grad(const Tensor& x, const Tensor& target) {
  return grad_of(l2_loss_grad, "l2_loss_grad", x, target);
}

double spectral_angle(const Tensor& x, const Tensor& target) {
  return first(loss_of(spectral_angle, "spectral_angle", x, target));
}

Tensor spectral_angle_value(const Tensor& x, const Tensor& target) {
  return rounded(loss_of(spectral_angle, "spectral_angle", x, target));
}

Tensor spectral_angle_grad(const Tensor& x, const Tensor& target) {
  return grad_of(spectral_angle_grad, "spectral_angle_grad", x, target);
}

}  // namespace sr::cuda

#include "tensor/cuda/convert.h"

#include "tensor/cuda/runs.cuh"
#include "tensor/cuda/tensors.h"

namespace sr::cuda {
namespace {

// ptxas: convert_kernel registers<=40 shared<=0
template <class T, class U, int kVector>
__global__ void __launch_bounds__(kRunThreads)
    convert_kernel(Runs runs, const T* x, int64_t x_pitch, U* y, int64_t y_pitch) {
  for_each_vector<kVector>(runs, [&](int64_t run, int k, int n) {
    float v[kVector];
    load(x + run * x_pitch + k, n, v);
    store(y + run * y_pitch + k, n, v);
  });
}

}  // namespace

void convert(const Queue& queue, int64_t pixels, int64_t c, DType from, ConstView x, DType to, View y) {
  const Runs runs = runs_of(pixels, c, {x, y});
  x = runs.of(x), y = runs.of(y);
  with_storage(from, [&](auto zero_from) {
    with_storage(to, [&](auto zero_to) {
      using T = decltype(zero_from);
      using U = decltype(zero_to);
      constexpr int kBoth = kWide < T >> kWide<U> ? kWide<T> : kWide<U>;
      if (is_wide<T>(x) && is_wide<U>(y))
        launch_runs<kBoth>(queue, convert_kernel<T, U, kBoth>, runs, 1, as<T>(x), x.pitch, as<U>(y), y.pitch);
      else
        launch_runs<1>(queue, convert_kernel<T, U, 1>, runs, 1, as<T>(x), x.pitch, as<U>(y), y.pitch);
    });
  });
}

Tensor clone(const Tensor& x) {
  Tensor y = like(x, x.shape());
  telling([&] { convert(queue(), x.shape().pixels(), x.shape().c, x.dtype(), view(x), x.dtype(), view(y)); },
          "clone of ", x.shape());
  return y;
}

Tensor convert(const Tensor& x, DType dtype) {
  Tensor y(x.shape(), dtype, Device::cuda);
  telling([&] { convert(queue(), x.shape().pixels(), x.shape().c, x.dtype(), view(x), dtype, view(y)); },
          "convert of ", x.shape());
  return y;
}

}  // namespace sr::cuda

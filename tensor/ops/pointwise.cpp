#include "tensor/ops/pointwise.h"

#include <algorithm>

#include "tensor/on_cuda.h"
#include "tensor/ops/channel_sums.h"
#include "tensor/ops/pairs.h"
#include "tensor/ops/pointwise_cuda.h"
#include "tensor/ops/pointwise_kernels.h"

namespace sr {

Tensor add(const Tensor& a, const Tensor& b) {
  check_same_shape("add", a, b);
  if constexpr (cuda::kBuilt) {
    if (a.device() == Device::cuda) return cuda::add(a, b);
  }
  return map_pairs(a, b, [](float x, float y) { return x + y; });
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  check_same_shape("multiply", a, b);
  if constexpr (cuda::kBuilt) {
    if (a.device() == Device::cuda) return cuda::multiply(a, b);
  }
  return map_pairs(a, b, [](float x, float y) { return x * y; });
}

Tensor scale(const Tensor& x, float factor) {
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::scale(x, factor);
  }
  return map_pairs(x, x, [factor](float a, float) { return factor * a; });
}

LeakyReluGrads leaky_relu_grads(const Tensor& dy, const Tensor& y, float leak) {
  check_same_shape("leaky_relu_grads", dy, y);
  if constexpr (cuda::kBuilt) {
    if (dy.device() == Device::cuda) return cuda::leaky_relu_grads(dy, y, leak);
  }
  const int64_t c = dy.shape().c;
  Tensor dz(dy.shape());
  ChannelSums sums(dy.shape(), c);
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < sums.blocks(); ++block) {
    const int64_t begin = sums.begin(block);
    const cpu::LeakyReluRun run{
        dy.data() + begin * dy.pitch(), dy.pitch(), y.data() + begin * y.pitch(), y.pitch(), leak,
        dz.data() + begin * c};
    cpu::pointwise_kernels().leaky_relu_grads(run, sums.end(block) - begin, c, sums.of(block));
  }
  return {dz, sums.tree_total()};
}

Tensor add_concat(const Tensor& x, const std::vector<Tensor>& parts) {
  Shape left = x.shape();
  for (const Tensor& part : parts) {
    Shape same = x.shape();
    same.c = part.shape().c;
    if (!(part.shape() == same))
      throw Error(Error::Kind::shape, "add_concat: shapes ", x.shape(), " and ", part.shape(),
                  " differ in more than channels");
    if (part.device() != x.device())
      throw Error(Error::Kind::device, "add_concat: one tensor is on ", x.device(), ", the other on ",
                  part.device());
    left.c -= part.shape().c;
  }
  if (left.c != 0)
    throw Error(Error::Kind::shape, "add_concat: the tensors have ", x.shape().c - left.c,
                " channels together, want ", x.shape().c);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::add_concat(x, parts);
  }
  Tensor y(x.shape());
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    const float *a = x.data() + begin, *b = part.data();
    float* to = y.data() + begin;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; ++p)
      map_run(a + p * x.pitch(), b + p * part.pitch(), to + p * c, part.shape().c,
              [](float u, float v) { return u + v; });
    begin += part.shape().c;
  }
  return y;
}

Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c) {
  Shape shape = dy.shape();
  if (begin < 0 || begin + shape.c > c)
    throw Error(Error::Kind::shape, "channels_grad: ", shape.c, " channels from ", begin, " do not fit in ",
                c);
  shape.c = c;
  if constexpr (cuda::kBuilt) {
    if (dy.device() == Device::cuda) return cuda::channels_grad(dy, begin, c);
  }
  Tensor dx(shape);
  const int64_t end = begin + dy.shape().c;
  const float* from = dy.data();
  float* to = dx.data();
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < shape.pixels(); ++p) {
    std::fill_n(to + p * c, begin, 0.0f);
    std::copy_n(from + p * dy.pitch(), end - begin, to + p * c + begin);
    std::fill_n(to + p * c + end, c - end, 0.0f);
  }
  return dx;
}

}  // namespace sr

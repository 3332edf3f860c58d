#include "tensor/on_cuda.h"

#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/cuda/convert.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/telling.h"
#include "tensor/error.h"
#include "tensor/ops/loss_cuda.h"
#include "tensor/ops/pointwise_cuda.h"
#include "tensor/ops/reduce_cuda.h"
#include "tensor/ops/resize_cuda.h"
#include "tensor/ops/ssim_cuda.h"

namespace sr::cuda {
namespace {

ConstView view(const Tensor& x) {
  finish_if_waiting(x);
  return {x.address(), x.pitch()};
}
View view(Tensor& x) {
  return {x.address(), x.pitch()};
}

Tensor like(const Tensor& x, Shape shape) {
  return Tensor(shape, x.dtype(), Device::cuda);
}

// Device memory for `count` doubles.
class Doubles {
 public:
  explicit Doubles(int64_t count) : memory_(allocate(8 * count)) {}
  double* data() const { return static_cast<double*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

double first(const Doubles& x) {
  double value = 0;
  copy_to_host(&value, x.data(), 8);
  return value;
}

Tensor rounded_first(const Doubles& x) {
  Tensor y(Shape{1, 1, 1, 1}, DType::f32, Device::cuda);
  round_to_float(queue(), x.data(), static_cast<float*>(y.address()));
  return y;
}

Doubles l1_of(const Tensor& x, const Tensor& target) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Doubles workspace(loss_workspace(pixels, c)), result(1);
  telling(
      [&] { l1_loss(queue(), x.dtype(), pixels, c, view(x), view(target), result.data(), workspace.data()); },
      "l1_loss of ", x.shape());
  return result;
}

Doubles l2_of(const Tensor& x, const Tensor& target) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Doubles workspace(loss_workspace(pixels, c)), result(1);
  telling(
      [&] { l2_loss(queue(), x.dtype(), pixels, c, view(x), view(target), result.data(), workspace.data()); },
      "l2_loss of ", x.shape());
  return result;
}

Doubles ssim_of(const Tensor& a, const Tensor& b, double peak) {
  const Doubles workspace(ssim_workspace(a.shape())), result(1);
  telling([&] { ssim(queue(), a.shape(), view(a), view(b), peak, result.data(), workspace.data()); },
          "ssim of ", a.shape());
  return result;
}

template <class T>
std::shared_ptr<void> on_device(const std::vector<T>& values) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  std::shared_ptr<void> memory = allocate(bytes);
  copy_to_device(memory.get(), values.data(), bytes);
  return memory;
}

}  // namespace

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

Tensor add(const Tensor& a, const Tensor& b) {
  return finished(a, {.added = {b}});
}

Tensor finished(const Tensor& x, const Conv2dEnd& end) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const auto view_of = [&](const Tensor& t) {
    if (t && t.dtype() != x.dtype())
      throw Error(Error::Kind::usage, "add: one tensor is stored as ", x.dtype(), ", the other as ",
                  t.dtype());
    return t ? view(t) : ConstView{};
  };
  if (end.own) {
    Tensor own = end.own;  // the same memory
    convert(queue(), pixels, c, x.dtype(), view(x), own.dtype(), view(own));
  }
  const bool concat = end.added.size() > 1;
  const Tensor from = concat ? cuda::add_concat(x, end.added) : x;
  const ConstView added = concat || end.added.empty() ? ConstView{} : view_of(end.added[0]);
  Tensor y = end.into ? end.into : like(x, x.shape());
  view_of(y);
  telling(
      [&] { finish(queue(), x.dtype(), pixels, c, view(from), added, view_of(end.mask), end.leak, view(y)); },
      "add of ", x.shape());
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
        if (!gather(work)) add_sums({work});
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

Tensor sum_per_channel(const Tensor& x) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Tensor y(Shape{1, 1, 1, c}, DType::f32, Device::cuda);
  const ChannelSumsWork work{allocate(8 * sum_workspace(pixels, c)), pixels, y};
  telling(
      [&] {
        sum_pieces_of(queue(), x.dtype(), pixels, c, view(x), static_cast<double*>(work.sums.get()));
        if (!gather(work)) add_sums({work});
      },
      "sum_per_channel of ", x.shape());
  return y;
}

double sum(const Tensor& x) {
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const Doubles workspace(sum_workspace(pixels, c)), result(1);
  telling([&] { sum(queue(), x.dtype(), pixels, c, view(x), result.data(), workspace.data()); }, "sum of ",
          x.shape());
  return first(result);
}

double l1_loss(const Tensor& x, const Tensor& target) {
  return first(l1_of(x, target));
}

Tensor l1_loss_value(const Tensor& x, const Tensor& target) {
  return rounded_first(l1_of(x, target));
}

Tensor l1_loss_grad(const Tensor& x, const Tensor& target) {
  Tensor dx = like(x, x.shape());
  telling(
      [&] {
        l1_loss_grad(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(x), view(target), view(dx));
      },
      "l1_loss_grad of ", x.shape());
  return dx;
}

double l2_loss(const Tensor& x, const Tensor& target) {
  return first(l2_of(x, target));
}

Tensor l2_loss_value(const Tensor& x, const Tensor& target) {
  return rounded_first(l2_of(x, target));
}

Tensor l2_loss_grad(const Tensor& x, const Tensor& target) {
  Tensor dx = like(x, x.shape());
  telling(
      [&] {
        l2_loss_grad(queue(), x.dtype(), x.shape().pixels(), x.shape().c, view(x), view(target), view(dx));
      },
      "l2_loss_grad of ", x.shape());
  return dx;
}

double ssim(const Tensor& a, const Tensor& b, double peak) {
  return first(ssim_of(a, b, peak));
}

Tensor ssim_value(const Tensor& a, const Tensor& b, double peak) {
  return rounded_first(ssim_of(a, b, peak));
}

Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak) {
  Tensor dx = like(a, a.shape());
  const Doubles workspace(ssim_grad_workspace(a.shape())), result(1);
  telling(
      [&] {
        ssim_grad(queue(), a.shape(), view(a), view(b), peak, result.data(),
                  static_cast<float*>(dx.address()), workspace.data());
      },
      "ssim_grad of ", a.shape());
  return dx;
}

Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w) {
  if (x.dtype() != DType::f32)
    throw Error(Error::Kind::usage, "bicubic resize: the tensor is stored as ", x.dtype(),
                "; convert() it to f32");
  const Shape& s = x.shape();
  Tensor y(Shape{s.n, h, w, s.c}, DType::f32, Device::cuda),
      lines(Shape{s.n, s.h, w, s.c}, DType::f32, Device::cuda);
  const Phases across(s.w, w), down(s.h, h);
  const std::shared_ptr<void> across_first = on_device(across.first),
                              across_weight = on_device(across.weight), down_first = on_device(down.first),
                              down_weight = on_device(down.weight);
  telling(
      [&] {
        bicubic_resize(queue(), s, view(x), h, w,
                       {across, static_cast<const int64_t*>(across_first.get()),
                        static_cast<const float*>(across_weight.get())},
                       {down, static_cast<const int64_t*>(down_first.get()),
                        static_cast<const float*>(down_weight.get())},
                       static_cast<float*>(lines.address()), static_cast<float*>(y.address()));
      },
      "bicubic_resize of ", s, " to ", h, " x ", w, " pixels");
  return y;
}

}  // namespace sr::cuda

#include "autograd/functions.h"

#include <utility>

#include "tensor/loss.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/ssim.h"

namespace sr {
namespace {

Tensor value_or_none(const Var& v) {
  return v ? v.value() : Tensor();
}

// y + the joined tensors: what conv2d does in its epilogue, as a step of its own. The bits are the same; the
// convolution's own result survives, whose sign the backward pass needs.
Var add_joined(const Var& y, const std::vector<Var>& parts) {
  std::vector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  std::vector<Var> inputs{y};
  inputs.insert(inputs.end(), parts.begin(), parts.end());
  return Var(add_concat(y.value(), values), inputs, [parts](const Tensor& dy) {
    std::vector<Tensor> grads{dy};
    int64_t begin = 0;
    for (const Var& part : parts) {
      grads.push_back(dy.channels(begin, begin + part.shape().c));
      begin += part.shape().c;
    }
    return grads;
  });
}

// The factor that a loss's gradient comes with; it is given by the processor.
float value_of(const Tensor& single) {
  return *single.data();
}

}  // namespace

Var conv2d(const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& given,
           const std::vector<Var>& added) {
  const Tensor b = value_or_none(bias);
  bool records = x.needs_grad() || weight.needs_grad() || bias.needs_grad();
  for (const Var& a : added) records = records || a.needs_grad();
  records = records && grad_enabled();
  Conv2dOptions options = given;
  options.winograd = given.winograd || records;  // what is only computed keeps the bits that tiles need
  if (!added.empty()) {
    if (records) return add_joined(conv2d(x, weight, bias, options), added);
    std::vector<Tensor> values;
    for (const Var& a : added) values.push_back(a.value());
    return Var(conv2d(x.value(), weight.value(), b, options, values));
  }
  const Tensor y = conv2d(x.value(), weight.value(), b, options);
  return Var(y, {x, weight, bias}, [=](const Tensor& dy) -> std::vector<Tensor> {
    const auto [dz, db] =
        options.leak == 1 ? LeakyReluGrads{dy, sum_per_channel(dy)} : leaky_relu_grads(dy, y, options.leak);
    return {x.needs_grad() ? conv2d_grad_input(dz, weight.value(), x.shape(), options) : Tensor(),
            weight.needs_grad() ? conv2d_grad_weight(dz, x.value(), weight.shape(), options) : Tensor(),
            bias.needs_grad() ? db : Tensor()};
  });
}

Var conv2d_then_pointwise(Var x, const Var& weight, const Var& bias, const Conv2dOptions& options,
                          std::vector<Var> added, const Var& pointwise_weight, const Var& pointwise_bias,
                          float pointwise_leak) {
  if (grad_enabled())
    return conv2d(conv2d(x, weight, bias, options, added), pointwise_weight, pointwise_bias,
                  {.leak = pointwise_leak});
  Tensor value = x.value();
  std::vector<Tensor> values;
  for (const Var& a : added) values.push_back(a.value());
  x = {};
  added.clear();
  return Var(conv2d_then_pointwise(std::move(value), weight.value(), value_or_none(bias), options,
                                   std::move(values), pointwise_weight.value(), value_or_none(pointwise_bias),
                                   pointwise_leak));
}

Var conv_transpose2d(const Var& x, const Var& weight, const Var& bias, int64_t h, int64_t w,
                     const Conv2dOptions& options) {
  const Tensor y = conv_transpose2d(x.value(), weight.value(), value_or_none(bias), h, w, options);
  // y is a convolution's input gradient, linear in x and weight: its gradients are that convolution and its
  // weight gradient.
  return Var(y, {x, weight, bias}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {x.needs_grad() ? conv2d(dy, weight.value(), {}, options) : Tensor(),
            weight.needs_grad() ? conv2d_grad_weight(x.value(), dy, weight.shape(), options) : Tensor(),
            bias.needs_grad() ? sum_per_channel(dy) : Tensor()};
  });
}

Var channels(const Var& x, int64_t begin, int64_t end) {
  const int64_t c = x.shape().c;
  return Var(x.value().channels(begin, end), {x},
             [=](const Tensor& dy) -> std::vector<Tensor> { return {channels_grad(dy, begin, c)}; });
}

Var add(const Var& a, const Var& b) {
  return Var(add(a.value(), b.value()), {a, b}, [](const Tensor& dy) -> std::vector<Tensor> {
    return {dy, dy};
  });
}

Var l1_loss(const Var& x, const Tensor& target) {
  const Tensor value = x.value();
  return Var(l1_loss_value(value, target), {x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {scale(l1_loss_grad(value, target), value_of(dy))};
  });
}

Var l2_loss(const Var& x, const Tensor& target) {
  const Tensor value = x.value();
  return Var(l2_loss_value(value, target), {x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {scale(l2_loss_grad(value, target), value_of(dy))};
  });
}

Var ssim_loss(const Var& x, const Tensor& target, double peak) {
  const Tensor value = x.value();
  return Var(scale(ssim_value(value, target, peak), -1), {x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {scale(ssim_grad(value, target, peak), -value_of(dy))};
  });
}

}  // namespace sr

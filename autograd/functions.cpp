#include "autograd/functions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tensor/bands/kernels.h"
#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/on_cuda.h"
#include "tensor/ops/activations.h"
#include "tensor/ops/branches.h"
#include "tensor/ops/loss.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/ssim.h"

namespace sr {
namespace {

Tensor value_or_none(const Var& v) {
  return v ? v.value() : Tensor();
}

std::vector<Tensor> values_of(const std::vector<Var>& vars) {
  std::vector<Tensor> values;
  for (const Var& v : vars) values.push_back(v.value());
  return values;
}

bool on_gpu(const Tensor& x) {
  return cuda::kBuilt && x.device() == Device::cuda;
}

// What the backward pass needs of a convolution: its result, and what that was before the joined tensors were
// added, whose sign is that of the leaky ReLU's input. The bits are those of one convolution.
struct Convolved {
  Tensor y, own;
};
Convolved convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                   const std::vector<Tensor>& added) {
  if (added.empty() || options.leak == 1) {
    const Tensor y = conv2d(x, weight, bias, options, added);
    return {y, y};
  }
  if constexpr (cuda::kBuilt) {
    if (on_gpu(x)) {
      const Tensor own(conv2d_shape(x.shape(), weight.shape(), options),
                       cuda::conv2d_storage(x, weight.shape().n), Device::cuda);
      return {cuda::conv2d(x, weight, bias, options, {.own = own, .added = added}), own};
    }
  }
  const Tensor own = conv2d(x, weight, bias, options);
  return {add_concat(own, added), own};
}

// The gradient before a convolution's activation, and that for its bias where it is summed on the way.
LeakyReluGrads activation_grads(const Tensor& dy, const Tensor& dz, const Tensor& own, float leak) {
  if (leak != 1 && !on_gpu(own)) return leaky_relu_grads(dy, own, leak);
  return {dz, Tensor()};
}

// The gradients for a convolution's weight and bias, those that are wanted; db: the bias's, if there is one
// yet.
struct WeightAndBias {
  Tensor weight, bias;
};
WeightAndBias parameter_grads(const Tensor& dz, const Tensor& db, const Tensor& x, const Var& weight,
                              const Var& bias, const Conv2dOptions& options) {
  if constexpr (cuda::kBuilt) {
    if (weight.needs_grad() && bias.needs_grad() && on_gpu(dz)) {
      const auto [dw, together] = cuda::conv2d_grad_parameters(dz, x, weight.shape(), options);
      return {dw, together};
    }
  }
  WeightAndBias grads;
  if (weight.needs_grad()) grads.weight = conv2d_grad_weight(dz, x, weight.shape(), options);
  if (bias.needs_grad()) grads.bias = db ? db : sum_per_channel(dz);
  return grads;
}

// f(), for which a GPU keeps the weight in the order that its kernels read only if that is a leaf: others are
// other tensors with each call.
template <class F>
auto with_weight(bool leaf, const F& f) {
  if constexpr (cuda::kBuilt) {
    if (!leaf) {
      const cuda::KeepNone none;
      return f();
    }
  }
  return f();
}

// The gradient of conv2d's input, which a GPU computes when its end is known.
Var::Gradient grad_of_input(const Tensor& dz, const Var& weight, const Shape& x,
                            const Conv2dOptions& options) {
  if constexpr (cuda::kBuilt) {
    if (on_gpu(dz))
      return [=, w = weight.value(), leaf = weight.is_leaf()](const Conv2dEnd& end) {
        std::optional<cuda::KeepNone> none;  // as with_weight(), which GCC compiles without CUDA too
        if (!leaf) none.emplace();
        return cuda::conv2d_grad_input(dz, w, {}, x, options, end);
      };
  }
  return conv2d_grad_input(dz, weight.value(), x, options);
}

// The same for conv_transpose2d's.
Var::Gradient convolution_of(const Tensor& dy, const Tensor& weight, const Conv2dOptions& options) {
  if constexpr (cuda::kBuilt) {
    if (on_gpu(dy)) return [=](const Conv2dEnd& end) { return cuda::conv2d(dy, weight, {}, options, end); };
  }
  return conv2d(dy, weight, {}, options);
}

bool records(const std::vector<Var>& inputs) {
  return grad_enabled() &&
         std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v.needs_grad(); });
}

// The options of a convolution that is recorded; what is only computed keeps the bits that tiles need.
Conv2dOptions for_recording(Conv2dOptions options, const std::vector<Var>& inputs) {
  if (records(inputs) && options.method == Conv2dMethod::direct)
    options.method =
        bands::precision() == bands::Precision::bf16 ? Conv2dMethod::bf16 : Conv2dMethod::winograd;
  return options;
}

// A loss's gradient times the factor that it comes with, which is given by the processor and mostly 1.
Tensor times(const Tensor& gradient, float factor) {
  return factor == 1 ? gradient : scale(gradient, factor);
}
float value_of(const Tensor& single) {
  return *single.data();
}

}  // namespace

Var conv2d(const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& given,
           const std::vector<Var>& added) {
  const Tensor b = value_or_none(bias);
  std::vector<Var> inputs{x, weight, bias};
  inputs.insert(inputs.end(), added.begin(), added.end());
  const Conv2dOptions options = for_recording(given, inputs);
  if (!records(inputs))
    return Var(with_weight(weight.is_leaf(),
                           [&] { return conv2d(x.value(), weight.value(), b, options, values_of(added)); }));
  const auto [y, own] = with_weight(
      weight.is_leaf(), [&] { return convolve(x.value(), weight.value(), b, options, values_of(added)); });
  Var::Activation activation;
  if (on_gpu(y) && options.leak != 1) activation = {own, options.leak, !added.empty()};
  return Var(y, inputs, activation, [=, own = own](const Tensor& dy, const Tensor& before) {
    const auto [dz, db] = activation_grads(dy, before, own, options.leak);
    std::vector<Var::Gradient> grads(3 + added.size());
    if (x.needs_grad()) grads[0] = grad_of_input(dz, weight, x.shape(), options);
    const WeightAndBias parameters = parameter_grads(dz, db, x.value(), weight, bias, options);
    grads[1] = parameters.weight, grads[2] = parameters.bias;
    int64_t begin = 0;
    for (size_t i = 0; i < added.size(); ++i) {
      const int64_t end = begin + added[i].shape().c;
      grads[3 + i] = dy.channels(begin, end);
      begin = end;
    }
    return grads;
  });
}

Var conv2d_then_conv2d(Var x, const Var& weight, const Var& bias, const Conv2dOptions& options,
                       std::vector<Var> added, const Var& next_weight, const Var& next_bias,
                       const Conv2dOptions& next_options) {
  if (grad_enabled())
    return conv2d(conv2d(x, weight, bias, options, added), next_weight, next_bias, next_options);
  Tensor value = x.value();
  std::vector<Tensor> values;
  for (const Var& a : added) values.push_back(a.value());
  x = {};
  added.clear();
  return Var(conv2d_then_conv2d(std::move(value), weight.value(), value_or_none(bias), options,
                                std::move(values), next_weight.value(), value_or_none(next_bias),
                                next_options));
}

Var conv_transpose2d(const Var& x, const Var& weight, const Var& bias, int64_t h, int64_t w,
                     const Conv2dOptions& given) {
  const Conv2dOptions options = for_recording(given, {x, weight, bias});
  const Tensor y = conv_transpose2d(x.value(), weight.value(), value_or_none(bias), h, w, options);
  // y is a convolution's input gradient, linear in x and weight: its gradients are that convolution and its
  // weight gradient.
  return Var(y, {x, weight, bias}, {}, [=](const Tensor& dy, const Tensor&) {
    std::vector<Var::Gradient> grads(3);
    if (x.needs_grad()) grads[0] = convolution_of(dy, weight.value(), options);
    if (weight.needs_grad()) grads[1] = conv2d_grad_weight(x.value(), dy, weight.shape(), options);
    if (bias.needs_grad()) grads[2] = sum_per_channel(dy);
    return grads;
  });
}

Var channels(const Var& x, int64_t begin, int64_t end) {
  return x.channels(begin, end);
}

Var add(const Var& a, const Var& b) {
  return Var(add(a.value(), b.value()), {a, b}, [](const Tensor& dy) -> std::vector<Tensor> {
    return {dy, dy};
  });
}

Var scale(const Var& x, float factor) {
  return Var(scale(x.value(), factor), {x},
             [factor](const Tensor& dy) -> std::vector<Tensor> { return {scale(dy, factor)}; });
}

Var in_float32(const Var& x) {
  const DType stored = x.value().dtype();
  if (stored == DType::f32) return x;
  return Var(convert(x.value(), DType::f32), {x},
             [stored](const Tensor& dy) -> std::vector<Tensor> { return {convert(dy, stored)}; });
}

Var silu(const Var& x) {
  const Tensor value = x.value();
  return Var(silu(value), {x},
             [=](const Tensor& dy) -> std::vector<Tensor> { return {silu_grad(dy, value)}; });
}

Var gate(const Var& z, const Var& x) {
  const Tensor sums = z.value(), input = x.value();
  return Var(gate(sums, input), {z, x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    const GateGrads grads = gate_grads(dy, sums, input);
    return {grads.dz, grads.dx};
  });
}

namespace {
thread_local MergedAsLeaves* as_leaves = nullptr;
}  // namespace

MergedAsLeaves::MergedAsLeaves() : before_(as_leaves) {
  as_leaves = this;
}
MergedAsLeaves::~MergedAsLeaves() {
  as_leaves = before_;
}

void MergedAsLeaves::backward() const {
  for (const Merged& merged : all_) merged.computed.backward(merged.leaf.grad());
}

Var merged_branches(const Var& expand, const Var& middle, const Var& reduce, const Var& beside) {
  const Branches branches{expand.value(), middle.value(), reduce.value(), beside.value()};
  const Var merged(merged_branches(branches), {expand, middle, reduce, beside},
                   [=](const Tensor& dy) -> std::vector<Tensor> {
                     const Branches grads = merged_branches_grads(dy, branches);
                     return {grads.expand, grads.middle, grads.reduce, grads.beside};
                   });
  if (!as_leaves || !merged.needs_grad()) return merged;
  as_leaves->all_.push_back({merged, Var(merged.value(), true)});
  return as_leaves->all_.back().leaf;
}

Var l1_loss(const Var& x, const Tensor& target, int64_t batch) {
  const Tensor value = x.value();
  return Var(l1_loss_value(value, target, batch), {x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {times(l1_loss_grad(value, target, batch), value_of(dy))};
  });
}

Var l2_loss(const Var& x, const Tensor& target, int64_t batch) {
  const Tensor value = x.value();
  return Var(l2_loss_value(value, target, batch), {x}, [=](const Tensor& dy) -> std::vector<Tensor> {
    return {times(l2_loss_grad(value, target, batch), value_of(dy))};
  });
}

Var spectral_angle_loss(const Var& x, const Tensor& target, float weight, int64_t batch) {
  const Tensor value = x.value();
  return Var(scale(spectral_angle_value(value, target, batch), weight), {x},
             [=](const Tensor& dy) -> std::vector<Tensor> {
               return {scale(spectral_angle_grad(value, target, batch), weight * value_of(dy))};
             });
}

Var ssim_loss(const Var& x, const Tensor& target, double peak, int64_t batch) {
  const Tensor value = x.value();
  return Var(scale(ssim_value(value, target, peak, batch), -1), {x},
             [=](const Tensor& dy) -> std::vector<Tensor> {
               return {scale(ssim_grad(value, target, peak, batch), -value_of(dy))};
             });
}

}  // namespace sr

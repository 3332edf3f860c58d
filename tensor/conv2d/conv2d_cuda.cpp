#include "tensor/conv2d/conv2d_cuda.h"

#include <algorithm>
#include <utility>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/convert.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/tensors.h"
#include "tensor/error.h"
#include "tensor/ops/pointwise_cuda.h"
#include "tensor/ops/reduce_cuda.h"

namespace sr::cuda {
namespace {

// Results with fewer channels are images and stay float32: the residual that is added to the bicubic part.
constexpr int64_t kImageChannels = 16;

Math math() {
  return static_cast<Math>(precision());
}
static_assert(static_cast<int>(Math::tf32) == static_cast<int>(Precision::tf32) &&
              static_cast<int>(Math::fp16) == static_cast<int>(Precision::fp16));

ConvDims dims_of(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& o) {
  ConvDims d;
  d.n = x.n, d.h = x.h, d.w = x.w, d.c = x.c;
  d.oh = y.h, d.ow = y.w, d.o = y.c;
  d.kh = weight.h, d.kw = weight.w;
  d.stride = o.stride, d.pad_h = d.pad_w = o.pad_begin, d.groups = o.groups;
  d.x_pitch = x.c, d.y_pitch = y.c;
  return d;
}

GradWeightWork grad_weight_work(const Tensor& dy, const Tensor& x, const Shape& weight,
                                const Conv2dOptions& options) {
  ConvDims d = dims_of(x.shape(), weight, dy.shape(), options);
  d.x_pitch = x.pitch(), d.y_pitch = dy.pitch();
  finish_if_waiting(x);
  finish_if_waiting(dy);
  return {d, {x.dtype(), dy.dtype(), math()}, x, dy, Tensor(weight, DType::f32, Device::cuda), {}};
}

/// For a kernel whose weights were packed before (see ConvDevice) or not.
ConvDevice device_after(bool packed_before) {
  ConvDevice d = conv_device();
  d.packed_before = packed_before;
  return d;
}

const float* bias_of(const Tensor& bias) {
  return bias ? static_cast<const float*>(filled(bias)) : nullptr;
}

// Whether all that an end names lies so that kernels take it by 16 bytes.
bool lies_in_units(const Conv2dEnd& end) {
  const auto aligned = [](const Tensor& t) {
    return !t || (reinterpret_cast<uintptr_t>(t.address()) |
                  static_cast<uintptr_t>(t.pitch() * bytes_of(t.dtype()))) %
                         16 ==
                     0;
  };
  const bool joined =
      end.added.size() < 2 || end.added[0].shape().c * bytes_of(end.added[0].dtype()) % 16 == 0;
  return aligned(end.own) && aligned(end.mask) && aligned(end.into) && joined &&
         std::ranges::all_of(end.added, aligned);
}

// Whether the algorithm that serves this can bring the result to its end.
bool takes(ConvOp op, const ConvDims& d, const ConvTypes& types, const Conv2dEnd& end) {
  return lies_in_units(end) && (!end.own || conv2d_algorithm(op, d, types, conv_device()).writes_own);
}

ConvEpilogue epilogue_of(const Tensor& bias, float leak, const Conv2dEnd& end, const Tensor& y) {
  const auto view = [&](const Tensor& t, const char* what) {
    if (t.dtype() != y.dtype())
      throw Error(Error::Kind::usage, "conv2d: ", what, " is stored as ", t.dtype(), ", the result as ",
                  y.dtype());
    return ChannelView{filled(t), t.pitch(), t.shape().c};
  };
  ConvEpilogue e;
  e.bias = bias_of(bias);
  e.leak = leak;
  for (size_t i = 0; i < end.added.size(); ++i) e.added[i] = view(end.added[i], "an added tensor");
  if (end.mask) e.mask = view(end.mask, "the mask"), e.mask_leak = end.leak;
  if (end.own) {
    Tensor own = end.own;  // the same memory
    view(own, "the second result");
    e.own = {own.address(), own.pitch()};
  }
  return e;
}

/// The two convolutions of conv2d_then_conv2d(), whose results are stored alike.
struct Both {
  ConvDims first, next;
  ConvTypes types, next_types;

  Both(const Tensor& x, const Tensor& weight, const Conv2dOptions& options, const Tensor& next_weight,
       const Conv2dOptions& next_options)
      : types{x.dtype(), conv2d_storage(x, weight.shape().n), math()},
        next_types{types.y, types.y, types.math} {
    const Shape z = conv2d_shape(x.shape(), weight.shape(), options),
                y = conv2d_shape(z, next_weight.shape(), next_options);
    first = dims_of(x.shape(), weight.shape(), z, options);
    first.x_pitch = x.pitch();
    next = dims_of(z, next_weight.shape(), y, next_options);
  }
};

}  // namespace

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

DType conv2d_storage(const Tensor& x, int64_t channels) {
  return channels < kImageChannels && x.shape().c < kImageChannels ? DType::f32 : storage(precision());
}

void conv2d_into(Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Conv2dOptions& options, const Conv2dEnd& end) {
  ConvDims d = dims_of(x.shape(), weight.shape(), y.shape(), options);
  d.x_pitch = x.pitch(), d.y_pitch = y.pitch();
  const ConvTypes types{x.dtype(), y.dtype(), math()};
  const ConvEpilogue epilogue = epilogue_of(bias, options.leak, end, y);
  telling(
      [&] {
        const bool before = are_packed(ConvOp::conv2d, d, types, weight);
        const Tensor packed = packed_weights(ConvOp::conv2d, d, types, weight);
        conv2d(d, types, filled(x), packed.address(), epilogue, y.address(), device_after(before));
      },
      "conv2d of ", x.shape(), " with weights ", weight.shape());
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
              const Conv2dEnd& end) {
  Tensor y = end.into ? end.into
                      : Tensor(conv2d_shape(x.shape(), weight.shape(), options),
                               conv2d_storage(x, weight.shape().n), Device::cuda);
  ConvDims d = dims_of(x.shape(), weight.shape(), y.shape(), options);
  d.x_pitch = x.pitch(), d.y_pitch = y.pitch();
  if (takes(ConvOp::conv2d, d, {x.dtype(), y.dtype(), math()}, end)) {
    conv2d_into(y, x, weight, bias, options, end);
    return y;
  }
  return finished(conv2d(x, weight, bias, options, Conv2dEnd{}), end);
}

bool fuses(const Tensor& x, const Tensor& weight, const Conv2dOptions& options,
           const std::vector<Tensor>& added, const Tensor& next_weight, const Conv2dOptions& next_options) {
  const Both both(x, weight, options, next_weight, next_options);
  return added.size() != 1 && lies_in_units({.added = added}) &&
         fuses(both.first, added.empty() ? 0 : added[0].shape().c, both.next, both.types, conv_device());
}

Tensor conv2d_then_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const Conv2dOptions& options, const std::vector<Tensor>& added,
                          const Tensor& next_weight, const Tensor& next_bias,
                          const Conv2dOptions& next_options) {
  const auto [first, next, types, next_types] = Both(x, weight, options, next_weight, next_options);
  Tensor y(Shape{next.n, next.oh, next.ow, next.o}, types.y, Device::cuda);
  const ConvEpilogue epilogue = epilogue_of(bias, options.leak, {.added = added}, y);
  telling(
      [&] {
        const bool before = are_packed(ConvOp::conv2d, first, types, weight) &&
                            are_packed(ConvOp::next, next, next_types, next_weight);
        const Tensor packed = packed_weights(ConvOp::conv2d, first, types, weight),
                     packed_next = packed_weights(ConvOp::next, next, next_types, next_weight);
        const ConvNext then{next, packed_next.address(), bias_of(next_bias), next_options.leak};
        conv2d_then_conv2d(first, types, filled(x), packed.address(), epilogue, then, y.address(),
                           device_after(before));
      },
      "conv2d_then_conv2d of ", x.shape(), " with weights ", weight.shape(), " and ", next_weight.shape());
  return y;
}

Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const Shape& x,
                         const Conv2dOptions& options, const Conv2dEnd& end) {
  const DType stored = end.mask ? end.mask.dtype() : x.c < kImageChannels ? DType::f32 : dy.dtype();
  Tensor dx = end.into ? end.into : Tensor(x, stored, Device::cuda);
  ConvDims d = dims_of(x, weight.shape(), dy.shape(), options);
  d.x_pitch = dx.pitch(), d.y_pitch = dy.pitch();
  const ConvTypes types{dx.dtype(), dy.dtype(), math()};
  if (!takes(ConvOp::grad_input, d, types, end))
    return finished(conv2d_grad_input(dy, weight, bias, x, options, {}), end);
  const ConvEpilogue epilogue = epilogue_of(bias, 1, end, dx);
  telling(
      [&] {
        const bool before = are_packed(ConvOp::grad_input, d, types, weight);
        const Tensor packed = packed_weights(ConvOp::grad_input, d, types, weight);
        conv2d_grad_input(d, types, filled(dy), packed.address(), epilogue, dx.address(),
                          device_after(before));
      },
      "conv2d_grad_input of ", dy.shape(), " with weights ", weight.shape());
  return dx;
}

Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& weight,
                          const Conv2dOptions& options) {
  const GradWeightWork work = grad_weight_work(dy, x, weight, options);
  compute(work);
  return work.dw;
}

ParameterGrads conv2d_grad_parameters(const Tensor& dy, const Tensor& x, const Shape& weight,
                                      const Conv2dOptions& options) {
  GradWeightWork work = grad_weight_work(dy, x, weight, options);
  const bool together = conv2d_grads_bias(work.dims, work.types, conv_device());
  if (together) work.db = Tensor(Shape{1, 1, 1, weight.n}, DType::f32, Device::cuda);
  const Tensor db = together ? work.db : sum_per_channel(dy);
  compute(work);
  return {work.dw, db};
}

}  // namespace sr::cuda

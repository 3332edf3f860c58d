#include <algorithm>
#include <array>
#include <utility>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/pool.h"
#include "tensor/cuda/telling.h"
#include "tensor/error.h"

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

// Memory for a weight in the operation's order.
Tensor room_for_packed(ConvOp op, const ConvDims& d, const ConvTypes& types) {
  return Tensor(Shape{1, 1, 1, (conv2d_workspace(op, d, types, conv_device()) + 3) / 4}, DType::f32,
                Device::cuda);
}

Tensor contiguous(const Tensor& weight) {
  finish_if_waiting(weight);
  return weight.is_contiguous() ? weight : weight.clone();
}

Tensor pack(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  Tensor packed = room_for_packed(op, d, types);
  const Tensor whole = contiguous(weight);
  conv2d_pack(op, d, types, static_cast<const float*>(whole.address()), packed.address(), conv_device());
  return packed;
}

PackedWeights*& kept_weights() {
  thread_local PackedWeights* kept = nullptr;
  return kept;
}

Tensor packed_weights(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  return kept_weights() ? (*kept_weights())(op, d, types, weight) : pack(op, d, types, weight);
}

/// For a kernel whose weights were packed before (see ConvDevice) or not.
ConvDevice device_after(bool packed_before) {
  ConvDevice d = conv_device();
  d.packed_before = packed_before;
  return d;
}

bool are_packed(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  return kept_weights() && kept_weights()->settled(op, d, types, weight);
}

// Where a tensor that a kernel reads lies.
const void* filled(const Tensor& x) {
  finish_if_waiting(x);
  return x.address();
}

const float* bias_of(const Tensor& bias) {
  return bias ? static_cast<const float*>(filled(bias)) : nullptr;
}

// Whether the kernel can bring a result to this end, by 16 bytes where its sizes allow that.
bool takes(ConvKernel kernel, const Conv2dEnd& end) {
  if (end.own && (kernel == ConvKernel::image || kernel == ConvKernel::strips)) return false;
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

/// The two convolutions of conv2d_then_pointwise(), whose results are stored as x is.
struct Both {
  ConvDims first, then;
  ConvTypes types;

  Both(const Tensor& x, const Tensor& weight, const Conv2dOptions& options, const Tensor& pointwise_weight)
      : types{x.dtype(), x.dtype(), math()} {
    const Shape z = conv2d_shape(x.shape(), weight.shape(), options),
                y{z.n, z.h, z.w, pointwise_weight.shape().n};
    first = dims_of(x.shape(), weight.shape(), z, options);
    first.x_pitch = x.pitch();
    then = dims_of(z, pointwise_weight.shape(), y, {});
  }
};

}  // namespace

ConvDevice conv_device() {
  const Queue q = queue();
  return {q.stream, q.blocks / 8, shared_bytes_of_block(), has_wgmma()};
}

struct PackedWeights::Entry {
  PackTask task;  // without addresses
  Tensor weight, packed;
};

KeepPacked::KeepPacked(PackedWeights& packed) : before_(std::exchange(kept_weights(), &packed)) {}

KeepPacked::~KeepPacked() {
  kept_weights() = before_;
}

PackedWeights::Key PackedWeights::key(ConvOp op, const ConvDims& d, const ConvTypes& types,
                                      const Tensor& weight) {
  const int64_t numbers = (static_cast<int64_t>(types.x) * 4 + static_cast<int64_t>(types.y)) * 4 +
                          static_cast<int64_t>(types.math);
  return {reinterpret_cast<int64_t>(weight.address()),
          static_cast<int64_t>(op),
          static_cast<int64_t>(conv2d_kernel(op, d, types, conv_device())),
          d.stride,
          d.groups,
          d.pad_h,
          numbers,
          conv2d_workspace(op, d, types, conv_device())};
}

bool PackedWeights::settled(ConvOp op, const ConvDims& d, const ConvTypes& types,
                            const Tensor& weight) const {
  return !packed_just_now_ && packed_.contains(key(op, d, types, weight));
}

Tensor PackedWeights::operator()(ConvOp op, const ConvDims& d, const ConvTypes& types, const Tensor& weight) {
  packed_just_now_ = false;  // the kernel that takes this one waits for those that packed
  const Key wanted = key(op, d, types, weight);
  auto entry = packed_.find(wanted);
  if (entry == packed_.end()) {
    const UsePool outside(nullptr);  // it stays: a graph's pool would miss its block when it is recorded
    auto made = std::make_shared<Entry>(Entry{{op, d, types}, weight, {}});
    made->packed = pack(op, d, types, weight);
    entry = packed_.emplace(wanted, made).first;
  }
  return entry->second->packed;
}

void PackedWeights::pack_again() {
  packed_just_now_ = true;
  std::vector<PackTask> tasks;
  std::vector<Tensor> whole;  // until the kernels were asked for
  for (const auto& [key, entry] : packed_) {
    whole.push_back(contiguous(entry->weight));
    PackTask task = entry->task;
    task.weight = static_cast<const float*>(whole.back().address());
    task.packed = Tensor(entry->packed).address();  // the same memory
    tasks.push_back(task);
  }
  conv2d_pack(tasks, conv_device());
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
  if (takes(conv2d_kernel(ConvOp::conv2d, d, {x.dtype(), y.dtype(), math()}, conv_device()), end)) {
    conv2d_into(y, x, weight, bias, options, end);
    return y;
  }
  return finished(conv2d(x, weight, bias, options, Conv2dEnd{}), end);
}

bool fuses_pointwise(const Tensor& x, const Tensor& weight, const Conv2dOptions& options,
                     const std::vector<Tensor>& added, const Tensor& pointwise_weight) {
  const Both both(x, weight, options, pointwise_weight);
  return added.size() == 2 && takes(ConvKernel::patches, {.added = added}) &&
         fuses_pointwise(both.first, added[0].shape().c, both.then, both.types, conv_device());
}

Tensor conv2d_then_pointwise(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Conv2dOptions& options, const std::vector<Tensor>& added,
                             const Tensor& pointwise_weight, const Tensor& pointwise_bias,
                             float pointwise_leak) {
  const auto [first, then, types] = Both(x, weight, options, pointwise_weight);
  Tensor y(Shape{then.n, then.oh, then.ow, then.o}, types.y, Device::cuda);
  const ConvEpilogue epilogue = epilogue_of(bias, options.leak, {.added = added}, y);
  telling(
      [&] {
        const bool before = are_packed(ConvOp::conv2d, first, types, weight) &&
                            are_packed(ConvOp::pointwise, then, types, pointwise_weight);
        const Tensor packed = packed_weights(ConvOp::conv2d, first, types, weight),
                     packed_pointwise = packed_weights(ConvOp::pointwise, then, types, pointwise_weight);
        const Pointwise end{packed_pointwise.address(), bias_of(pointwise_bias), pointwise_leak, y.pitch()};
        conv2d_then_pointwise(first, types, filled(x), packed.address(), epilogue, end, y.address(),
                              device_after(before));
      },
      "conv2d_then_pointwise of ", x.shape(), " with weights ", weight.shape(), " and ",
      pointwise_weight.shape());
  return y;
}

Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const Shape& x,
                         const Conv2dOptions& options, const Conv2dEnd& end) {
  const DType stored = end.mask ? end.mask.dtype() : x.c < kImageChannels ? DType::f32 : dy.dtype();
  Tensor dx = end.into ? end.into : Tensor(x, stored, Device::cuda);
  ConvDims d = dims_of(x, weight.shape(), dy.shape(), options);
  d.x_pitch = dx.pitch(), d.y_pitch = dy.pitch();
  const ConvTypes types{dx.dtype(), dy.dtype(), math()};
  if (!takes(conv2d_kernel(ConvOp::grad_input, d, types, conv_device()), end))
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
  ConvDims d = dims_of(x.shape(), weight, dy.shape(), options);
  d.x_pitch = x.pitch(), d.y_pitch = dy.pitch();
  const ConvTypes types{x.dtype(), dy.dtype(), math()};
  finish_if_waiting(x);
  finish_if_waiting(dy);
  const Tensor dw(weight, DType::f32, Device::cuda);
  if (!gather({d, types, x, dy, dw})) compute_grad_weights({{d, types, x, dy, dw}});
  return dw;
}

}  // namespace sr::cuda

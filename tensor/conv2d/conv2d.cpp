#include "tensor/conv2d/conv2d.h"

#include <algorithm>

#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/error.h"
#include "tensor/image_tree.h"
#include "tensor/on_cuda.h"
#include "tensor/stop.h"

namespace sr {
namespace {

constexpr int64_t kWorthThreads = 1 << 14;  // elements; below, waking the threads costs more than they save

void check_options(const Conv2dOptions& o) {
  if (o.stride < 1 || o.pad_begin < 0 || o.pad_end < 0 || o.groups < 1 || !(o.leak >= 0 && o.leak <= 1))
    throw Error(Error::Kind::usage, "conv2d: stride ", o.stride, ", pads ", o.pad_begin, " and ", o.pad_end,
                ", groups ", o.groups, ", leak ", o.leak,
                "; stride and groups are at least 1, pads at least 0, leak 0..1");
}

void check_bias(const Tensor& bias, int64_t channels) {
  if (bias && !(bias.shape() == Shape{1, 1, 1, channels}))
    throw Error(Error::Kind::shape, "conv2d: bias ", bias.shape(), " for ", channels,
                " output channels; want ", Shape{1, 1, 1, channels});
}

void check_result(const Tensor& y, const Shape& want, const char* what) {
  if (!(y.shape() == want))
    throw Error(Error::Kind::shape, "conv2d: ", what, " has shape ", y.shape(), ", want ", want);
}

cpu::ConvDims dims_of(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& o) {
  cpu::ConvDims d;
  d.n = x.n, d.h = x.h, d.w = x.w, d.c = x.c;
  d.oh = y.h, d.ow = y.w, d.o = y.c;
  d.kh = weight.h, d.kw = weight.w;
  d.stride = o.stride, d.pad_h = d.pad_w = o.pad_begin, d.groups = o.groups;
  return d;
}

// All on one device, weights and biases as float32.
void check_device(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  for (const Tensor* t : {&weight, &bias}) {
    if (!*t) continue;
    if (t->device() != x.device())
      throw Error(Error::Kind::device, "conv2d: the input is on ", x.device(), ", the parameters are on ",
                  t->device(), "; to() copies");
    if (t->dtype() != DType::f32)
      throw Error(Error::Kind::usage, "conv2d: parameters are stored as ", t->dtype(), "; want f32");
  }
}

void check_added(const std::vector<Tensor>& added, Device device, const Shape& y) {
  if (added.empty()) return;
  if (added.size() > 2)
    throw Error(Error::Kind::usage, "conv2d: ", added.size(), " added tensors; at most 2");
  int64_t channels = 0;
  for (const Tensor& a : added) {
    check_result(a, Shape{y.n, y.h, y.w, a.shape().c}, "an added tensor");
    if (a.device() != device)
      throw Error(Error::Kind::device, "conv2d: an added tensor is on ", a.device(), ", the input on ",
                  device);
    channels += a.shape().c;
  }
  if (channels != y.c)
    throw Error(Error::Kind::shape, "conv2d: the added tensors have ", channels, " channels together, want ",
                y.c);
}

/// Of the result, all arguments checked.
Shape checked_shape(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                    const std::vector<Tensor>& added) {
  const Shape y = conv2d_shape(x.shape(), weight.shape(), options);
  check_bias(bias, y.c);
  check_device(x, weight, bias);
  check_added(added, x.device(), y);
  return y;
}

Tensor contiguous(const Tensor& t) {
  return !t || t.is_contiguous() ? t : t.clone();
}

// weight [o,kh,kw,c/g] -> [c,kh,kw,o/g] with both kernel axes reversed: the weights of the input's gradient
// at stride 1.
Tensor flipped(const Tensor& weight, int64_t groups) {
  const auto [o, kh, kw, cg] = weight.shape();
  const int64_t og = o / groups;
  Tensor result(Shape{cg * groups, kh, kw, og});
  const float* from = weight.data();
  float* to = result.data();
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t i = 0; i < og; ++i)
      for (int64_t u = 0; u < kh; ++u)
        for (int64_t v = 0; v < kw; ++v)
          for (int64_t k = 0; k < cg; ++k)
            to[(((g * cg + k) * kh + kh - 1 - u) * kw + kw - 1 - v) * og + i] =
                from[(((g * og + i) * kh + u) * kw + v) * cg + k];
  return result;
}

// Whether Winograd's transforms are wanted, possible and worth their while.
bool takes_winograd(const Conv2dOptions& o, const Shape& weight) {
  return o.method != Conv2dMethod::direct && weight.h == 3 && weight.w == 3 && o.stride == 1 &&
         weight.c >= 8 && weight.n / o.groups >= 8;
}

// Whether it is a matrix product of pixels and weights.
bool is_pointwise(const Conv2dOptions& o, const Shape& weight) {
  return weight.h == 1 && weight.w == 1 && o.stride == 1 && o.groups == 1 && o.pad_begin == 0 &&
         o.pad_end == 0;
}

// Whether products of bfloat16 are wanted, possible and worth their while: pairs take two channels of a
// group, tiles 16 outputs by 32 channels, or at larger strides by 32 elements of the windows.
bool takes_bf16(const Conv2dOptions& o, const Shape& weight) {
  if (o.method != Conv2dMethod::bf16 || weight.n < 16) return false;
  if (cpu::bf16_kernels().transforms)
    return (takes_winograd(o, weight) && weight.c % 2 == 0 && weight.n / o.groups % 2 == 0) ||
           (is_pointwise(o, weight) && weight.c >= 16);
  if (o.stride > 1) return o.groups == 1 && weight.h * weight.w * weight.c >= 32;
  const int64_t smaller_side = std::min(weight.h, weight.w);
  return o.pad_begin < smaller_side && o.pad_end < smaller_side && weight.c * o.groups >= 16;
}

// The kernel for the weights' gradient.
auto grad_weight_of(const Conv2dOptions& o, const Shape& weight) {
  if (takes_bf16(o, weight) && (!cpu::bf16_kernels().transforms || weight.h == 3))
    return cpu::bf16_kernels().grad_weight;
  if (takes_winograd(o, weight) && o.groups == 1)  // small groups gain nothing
    return cpu::conv_kernels().grad_weight_winograd;
  return cpu::conv_kernels().grad_weight;
}

// What a TreeSum takes: numbers that are added in place.
struct Summand {
  Tensor values;
  void operator+=(const Summand& right) {
    float* to = values.data();
    const float* from = right.values.data();
    const int64_t size = values.shape().size();
#pragma omp parallel for simd schedule(static) if (size >= kWorthThreads)
    for (int64_t i = 0; i < size; ++i) to[i] += from[i];
  }
};

int64_t floor_div(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// The gradient for the input at any stride: a stride-1 convolution on dy's grid and a pixel shuffle.
Tensor grad_input_subpixel(const Tensor& dy, const Tensor& weight, const Tensor& bias, const Shape& x,
                           const Conv2dOptions& o) {
  const int64_t s = o.stride;
  const TransposedTaps rows = transposed_taps(weight.shape().h, s, o.pad_begin);
  const TransposedTaps columns = transposed_taps(weight.shape().w, s, o.pad_begin);
  const Tensor taps = subpixel_weights(weight, s, o.pad_begin);
  cpu::ConvDims d;
  d.n = x.n, d.h = dy.shape().h, d.w = dy.shape().w, d.c = dy.shape().c;
  d.oh = (x.h + s - 1) / s, d.ow = (x.w + s - 1) / s, d.o = s * s * x.c;
  d.kh = rows.count(), d.kw = columns.count();
  d.pad_h = rows.before, d.pad_w = columns.before;
  d.x_pitch = dy.pitch();
  Tensor y(Shape{x.n, d.oh * s, d.ow * s, x.c});
  cpu::conv_kernels().conv2d_shuffled(d, dy.data(), taps.data(), bias ? bias.data() : nullptr, s, y.data());
  throw_if_stopping();  // with rows left out
  if (y.shape() == x) return y;
  Tensor cropped(x);  // x ends inside the last coarse pixel
  for (int64_t n = 0; n < x.n; ++n)
    for (int64_t i = 0; i < x.h; ++i)
      for (int64_t k = 0; k < x.w * x.c; ++k)
        cropped.data()[(n * x.h + i) * x.w * x.c + k] =
            y.data()[(n * y.shape().h + i) * y.shape().w * x.c + k];
  return cropped;
}

}  // namespace

Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& o) {
  check_options(o);
  if (weight.c * o.groups != x.c || weight.n % o.groups != 0 || weight.n < 1 || weight.h < 1 || weight.w < 1)
    throw Error(Error::Kind::shape, "conv2d: weight ", weight, " in ", o.groups, " groups wants ",
                weight.c * o.groups, " input channels and outputs in equal groups; input is ", x);
  if (weight.h > cpu::kLargestKernel || weight.w > cpu::kLargestKernel)
    throw Error(Error::Kind::limit, "conv2d: kernel of weight ", weight, "; rows and columns are at most ",
                cpu::kLargestKernel);
  const int64_t h = x.h + o.pad_begin + o.pad_end - weight.h, w = x.w + o.pad_begin + o.pad_end - weight.w;
  if (h < 0 || w < 0)
    throw Error(Error::Kind::shape, "conv2d: kernel of weight ", weight, " is larger than padded input ", x);
  return {x.n, h / o.stride + 1, w / o.stride + 1, weight.n};
}

void conv2d_into(Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Conv2dOptions& options, const std::vector<Tensor>& added) {
  const Shape want = checked_shape(x, weight, bias, options, added);
  check_result(y, want, "the result");
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::conv2d_into(y, x, weight, bias, options, {.added = added});
  }
  const Tensor packed_weight = contiguous(weight), packed_bias = contiguous(bias);
  cpu::ConvDims d = dims_of(x.shape(), weight.shape(), want, options);
  d.x_pitch = x.pitch(), d.y_pitch = y.pitch();
  cpu::ConvEpilogue epilogue{packed_bias ? packed_bias.data() : nullptr, options.leak, {}};
  for (size_t i = 0; i < added.size(); ++i)
    epilogue.added[i] = {added[i].data(), added[i].pitch(), added[i].shape().c};
  if (takes_bf16(options, weight.shape()))
    cpu::bf16_kernels().conv2d(d, x.data(), packed_weight.data(), false, epilogue, y.data());
  else if (takes_winograd(options, weight.shape()))
    cpu::conv_kernels().conv2d_winograd(d, x.data(), packed_weight.data(), false, epilogue, y.data());
  else
    cpu::conv_kernels().conv2d(d, x.data(), packed_weight.data(), epilogue, y.data());
  throw_if_stopping();  // with rows left out
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
              const std::vector<Tensor>& added) {
  DType dtype = DType::f32;
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) dtype = cuda::conv2d_storage(x, weight.shape().n);
  }
  Tensor y(conv2d_shape(x.shape(), weight.shape(), options), dtype, x.device());
  conv2d_into(y, x, weight, bias, options, added);
  return y;
}

Tensor conv2d_then_conv2d(Tensor x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                          std::vector<Tensor> added, const Tensor& next_weight, const Tensor& next_bias,
                          const Conv2dOptions& next_options) {
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda && cuda::fuses(x, weight, options, added, next_weight, next_options)) {
      const Shape z = checked_shape(x, weight, bias, options, added),
                  y = conv2d_shape(z, next_weight.shape(), next_options);
      check_bias(next_bias, y.c);
      check_device(x, next_weight, next_bias);
      return cuda::conv2d_then_conv2d(x, weight, bias, options, added, next_weight, next_bias, next_options);
    }
  }
  const Tensor z = conv2d(x, weight, bias, options, added);
  x = {};
  added.clear();
  return conv2d(z, next_weight, next_bias, next_options);
}

Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Shape& x,
                         const Conv2dOptions& options) {
  check_result(dy, conv2d_shape(x, weight.shape(), options), "the gradient of the result");
  check_device(dy, weight, {});
  if constexpr (cuda::kBuilt) {
    if (dy.device() == Device::cuda) return cuda::conv2d_grad_input(dy, weight, {}, x, options, {});
  }
  const Tensor packed = contiguous(weight);
  if (options.groups == 1 && options.stride > 1) return grad_input_subpixel(dy, packed, {}, x, options);
  if (options.stride > 1)
    throw Error(Error::Kind::unsupported, "conv2d_grad_input: stride ", options.stride, " with ",
                options.groups, " groups; one of the two must be 1");
  Tensor dx(x);
  cpu::ConvDims d = dims_of(dy.shape(), weight.shape(), x, options);
  d.pad_h = weight.shape().h - 1 - options.pad_begin, d.pad_w = weight.shape().w - 1 - options.pad_begin;
  d.x_pitch = dy.pitch(), d.y_pitch = dx.pitch();
  if (takes_bf16(options, weight.shape()))
    cpu::bf16_kernels().conv2d(d, dy.data(), packed.data(), true, {}, dx.data());
  else if (takes_winograd(options, weight.shape()))
    cpu::conv_kernels().conv2d_winograd(d, dy.data(), packed.data(), true, {}, dx.data());
  else
    cpu::conv_kernels().conv2d(d, dy.data(), flipped(packed, options.groups).data(), {}, dx.data());
  throw_if_stopping();
  return dx;
}

Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& weight,
                          const Conv2dOptions& options) {
  const Shape y = conv2d_shape(x.shape(), weight, options);
  check_result(dy, y, "the gradient of the result");
  if (x.device() != dy.device())
    throw Error(Error::Kind::device, "conv2d_grad_weight: the input is on ", x.device(), ", the gradient on ",
                dy.device());
  if constexpr (cuda::kBuilt) {
    if (dy.device() == Device::cuda) return cuda::conv2d_grad_weight(dy, x, weight, options);
  }
  cpu::ConvDims d = dims_of(x.shape(), weight, y, options);
  d.x_pitch = x.pitch(), d.y_pitch = dy.pitch();
  const auto compute = grad_weight_of(options, weight);
  const int64_t leaves = takes_bf16(options, weight) && !cpu::bf16_kernels().transforms ? cpu::kMostSlots : 1;
  if (x.shape().n == 0) return Tensor::zeros(weight);
  TreeSum<Summand> sum;
  for_each_leaf(
      x.shape().n,
      [&](int64_t begin, int64_t end) {
        d.n = end - begin;
        Tensor dw(weight);
        compute(d, x.data() + begin * d.h * d.w * d.x_pitch, dy.data() + begin * d.oh * d.ow * d.y_pitch,
                dw.data());
        sum.add({dw});
      },
      leaves);
  return sum.total().values;
}

// Fine pixel s*i + phase takes coarse pixel i + d through tap phase + pad - s*d, which lies in 0 .. kernel-1.
TransposedTaps transposed_taps(int64_t kernel, int64_t stride, int64_t pad_begin) {
  return {-floor_div(pad_begin - kernel + stride, stride), floor_div(stride - 1 + pad_begin, stride)};
}

Tensor subpixel_weights(const Tensor& weight, int64_t stride, int64_t pad) {
  const auto [o, kh, kw, c] = weight.shape();
  const TransposedTaps rows = transposed_taps(kh, stride, pad), columns = transposed_taps(kw, stride, pad);
  Tensor result = Tensor::zeros(Shape{stride * stride * c, rows.count(), columns.count(), o});
  for (int64_t pr = 0; pr < stride; ++pr)
    for (int64_t pc = 0; pc < stride; ++pc)
      for (int64_t r = 0; r < rows.count(); ++r)
        for (int64_t q = 0; q < columns.count(); ++q) {
          const int64_t u = pr + pad - stride * (r - rows.before),
                        v = pc + pad - stride * (q - columns.before);
          if (u < 0 || u >= kh || v < 0 || v >= kw) continue;
          for (int64_t k = 0; k < c; ++k)
            for (int64_t i = 0; i < o; ++i)
              result
                  .data()[((((pr * stride + pc) * c + k) * rows.count() + r) * columns.count() + q) * o + i] =
                  weight.data()[((i * kh + u) * kw + v) * c + k];
        }
  return result;
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t h, int64_t w,
                        const Conv2dOptions& options) {
  const Shape y{x.shape().n, h, w, weight.shape().c};
  check_bias(bias, y.c);
  if (options.groups != 1)
    throw Error(Error::Kind::unsupported, "conv_transpose2d: ", options.groups,
                " groups; only one is supported");
  check_result(x, conv2d_shape(y, weight.shape(), options), "the input of the transposed convolution");
  check_device(x, weight, bias);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::conv2d_grad_input(x, weight, bias, y, options, {});
  }
  return grad_input_subpixel(x, contiguous(weight), contiguous(bias), y, options);
}

}  // namespace sr

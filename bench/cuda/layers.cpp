#include "bench/cuda/layers.h"

#include <algorithm>
#include <cmath>

#include "idn/network.h"
#include "tensor/ops/pointwise.h"
#include "tensor/random.h"

namespace sr::bench {
namespace {

using cuda::ConvOp;
using cuda::Precision;

struct Layer {
  const char* name;
  int64_t in, out;
  int kernel, groups;
  int64_t first_channel = 0;     // the input is a view of a wider tensor from here on
  std::vector<int64_t> added{};  // channels of what the epilogue adds
};

const Layer kLayers[] = {{"feature1 1->64", 1, 64, 3, 1},   {"feature2 64->64", 64, 64, 3, 1},
                         {"conv1 64->48", 64, 48, 3, 1},    {"conv2 48->32 g4", 48, 32, 3, 4},
                         {"conv3 32->64", 32, 64, 3, 1},    {"conv4 48->64", 48, 64, 3, 1, 16},
                         {"conv5 64->48 g4", 64, 48, 3, 4}, {"conv6 48->80", 48, 80, 3, 1, 0, {64, 16}},
                         {"compress 80->64", 80, 64, 1, 1}};

constexpr int kUpsampleKernel = 17;

LayerCase convolution(const Layer& l, const LayerSize& size, Precision precision) {
  LayerCase c;
  c.layer = l.name;
  c.size = size;
  c.precision = precision;
  c.dims.n = size.n, c.dims.h = c.dims.w = c.dims.oh = c.dims.ow = size.side;
  c.dims.c = l.in, c.dims.o = l.out, c.dims.kh = c.dims.kw = l.kernel;
  c.dims.pad_h = c.dims.pad_w = l.kernel / 2;
  c.dims.groups = l.groups;
  c.dims.x_pitch = l.first_channel + l.in, c.dims.y_pitch = l.out;
  c.types = {l.in == 1 ? DType::f32 : cuda::storage(precision), cuda::storage(precision),
             static_cast<cuda::Math>(precision)};
  return c;
}

// From the fine image (x) to 64 channels (y), of which the layer is the transpose.
LayerCase upsampler(int factor, const LayerSize& size, Precision precision) {
  LayerCase c;
  c.layer = "upsampler x" + std::to_string(factor);
  c.size = size;
  c.precision = precision;
  c.dims.n = size.n, c.dims.h = c.dims.w = factor * size.side, c.dims.oh = c.dims.ow = size.side;
  c.dims.c = 1, c.dims.o = 64, c.dims.kh = c.dims.kw = kUpsampleKernel;
  c.dims.stride = factor, c.dims.pad_h = c.dims.pad_w = 9 - factor;
  c.dims.x_pitch = 1, c.dims.y_pitch = 64;
  c.types = {DType::f32, cuda::storage(precision), static_cast<cuda::Math>(precision)};
  return c;
}

// Normal numbers, the same few again and again: drawing millions of them would take longer than the
// benchmark.
Tensor numbers(Shape shape, double deviation, uint64_t seed) {
  constexpr int64_t kPeriod = 100003;  // a prime: no two rows alike
  Random random{seed};
  const std::vector<float> some =
      random_normal({1, 1, 1, std::min(kPeriod, shape.size())}, deviation, random).to_vector();
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); i += kPeriod)
    std::copy_n(some.data(), std::min(kPeriod, shape.size() - i), t.data() + i);
  return t;
}

Tensor on_device(const Tensor& values, DType type) {
  return convert(values.to(Device::cuda), type);
}

// With zeros below and to the right of the images. `values` are on the processor.
Tensor enlarged(const Tensor& values, int64_t more) {
  const Shape& s = values.shape();
  if (more == 0) return values;
  Tensor t = Tensor::zeros({s.n, s.h + more, s.w + more, s.c});
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t y = 0; y < s.h; ++y)
      std::copy_n(values.data() + (n * s.h + y) * s.w * s.c, s.w * s.c,
                  t.data() + (n * (s.h + more) + y) * (s.w + more) * s.c);
  return t;
}

// Up to 256 rows, spread over all images, of the upper left h x w pixels of each; values in their order.
std::vector<float> sampled_rows(const Tensor& t, int64_t h, int64_t w) {
  const Shape& s = t.shape();
  const int64_t all = s.n * h, count = std::min<int64_t>(all, 256), bytes = w * s.c * bytes_of(t.dtype());
  Tensor rows(Shape{1, count, w, s.c}, t.dtype());
  for (int64_t k = 0; k < count; ++k) {
    const int64_t row = count == 1 ? 0 : k * (all - 1) / (count - 1);
    const int64_t first = (row / h * s.h + row % h) * s.w * s.c * bytes_of(t.dtype());
    cuda::copy_to_host(static_cast<char*>(rows.address()) + k * bytes,
                       static_cast<const char*>(t.address()) + first, bytes);
  }
  return convert(rows, DType::f32).to_vector();
}

cudnnDataType_t cudnn_type(DType type) {
  return type == DType::bf16 ? CUDNN_DATA_BFLOAT16 : type == DType::f16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

cuda::ConvDevice device() {
  const cuda::Queue q = cuda::queue();
  return {q.stream, q.blocks / 8, cuda::shared_bytes_of_block(), cuda::has_wgmma()};
}

}  // namespace

double LayerCase::multiply_adds() const {
  return static_cast<double>(dims.n * dims.oh * dims.ow * dims.o * dims.kh * dims.kw * dims.c / dims.groups);
}

double LayerCase::bytes() const {
  const int64_t x = dims.n * dims.h * dims.w * dims.c * bytes_of(types.x);
  const int64_t y = dims.n * dims.oh * dims.ow * dims.o * bytes_of(types.y);
  const int64_t w = dims.o * dims.kh * dims.kw * dims.c / dims.groups * 4;
  return static_cast<double>(x + y + w + (added.empty() ? 0 : y));
}

std::vector<LayerCase> layer_cases(const LayerSize& size, Precision precision, const std::string& what) {
  std::vector<LayerCase> cases;
  const bool forward = what == "forward", grad_input = what == "grad input";
  for (const Layer& l : kLayers) {
    if (grad_input && l.in == 1) continue;
    LayerCase c = convolution(l, size, precision);
    c.op = forward ? ConvOp::conv2d : grad_input ? ConvOp::grad_input : ConvOp::grad_weight;
    if (forward) c.bias = true, c.leak = kLeak, c.added = l.added;
    if (grad_input) c.dims.x_pitch = c.dims.c;  // a gradient is a tensor of its own
    cases.push_back(c);
  }
  for (const int factor : {2, 3, 4}) {
    LayerCase c = upsampler(factor, size, precision);
    // Without its bias: cuDNN has no engine that adds one to a single channel.
    c.op = forward ? ConvOp::grad_input : grad_input ? ConvOp::conv2d : ConvOp::grad_weight;
    cases.push_back(c);
  }
  for (LayerCase& c : cases) c.what = what;
  return cases;
}

LayerRun::LayerRun(const LayerCase& layer) : layer_(layer) {
  const cuda::ConvDims& d = layer_.dims;
  const DType storage = cuda::storage(layer_.precision);
  const auto rounded = [&](Tensor t) { return convert(on_device(t, storage), DType::f32).to(Device::cpu); };
  const bool reads_x = layer_.op != ConvOp::grad_input, reads_w = layer_.op != ConvOp::grad_weight,
             reads_y = layer_.op != ConvOp::conv2d;
  const Shape x{d.n, d.h, d.w, d.c}, y{d.n, d.oh, d.ow, d.o}, w{d.o, d.kh, d.kw, d.c / d.groups};
  const Shape wide{d.n, d.h, d.w, d.x_pitch};
  if (reads_x) {
    const Tensor values = rounded(numbers(wide, 1, 1));
    x_ = on_device(values, layer_.types.x).channels(d.x_pitch - d.c, d.x_pitch);
    const Tensor whole =
        d.x_pitch == d.c ? on_device(enlarged(values, more()), storage) : convert(x_, storage);
    reference_x_ = whole.is_contiguous() ? whole : whole.clone();
  } else {
    x_ = Tensor(x, layer_.types.x, Device::cuda);
  }
  if (reads_w) {
    const double deviation = 1 / std::sqrt(static_cast<double>(w.h * w.w * w.c));
    const Tensor values = rounded(numbers(w, deviation, 2));
    w_ = values.to(Device::cuda);
    reference_w_ = on_device(values, storage);
  } else {
    w_ = Tensor(w, DType::f32, Device::cuda);
  }
  if (reads_y) {
    y_ = on_device(numbers(y, 0.1, 3), layer_.types.y);
    reference_y_ = convert(y_, storage);
  } else {
    y_ = Tensor(y, layer_.types.y, Device::cuda);
  }
  const Shape& result_shape = result().shape();
  if (layer_.bias) {
    const Tensor values = rounded(numbers({1, 1, 1, result_shape.c}, 0.1, 4));
    bias_ = values.to(Device::cuda);
    reference_bias_ = on_device(values, storage);
  }
  for (const int64_t c : layer_.added) {
    const Shape part{result_shape.n, result_shape.h, result_shape.w, c};
    added_.push_back(on_device(numbers(part, 1, 5 + static_cast<uint64_t>(c)), storage));
  }
  if (!added_.empty())
    reference_added_ = add_concat(convert(Tensor::zeros(result_shape, Device::cuda), storage), added_);
  const int64_t bytes = cuda::conv2d_workspace(layer_.op, d, layer_.types, device());
  workspace_ = Tensor(Shape{1, 1, 1, (bytes + 3) / 4}, DType::f32, Device::cuda);
  pack();
}

int64_t LayerRun::more() const {
  const cuda::ConvDims& d = layer_.dims;
  return (d.oh - 1) * d.stride + d.kh - 2 * d.pad_h - d.h;
}

void LayerRun::run() {
  const cuda::ConvDims& d = layer_.dims;
  if (layer_.op == ConvOp::grad_weight)
    return cuda::conv2d_grad_weight(d, layer_.types, x_.address(), y_.address(), workspace_.address(),
                                    static_cast<float*>(w_.address()), device());
  cuda::ConvEpilogue epilogue;
  if (bias_) epilogue.bias = static_cast<const float*>(bias_.address());
  epilogue.leak = layer_.leak;
  for (size_t i = 0; i < added_.size(); ++i)
    epilogue.added[i] = {added_[i].address(), added_[i].pitch(), added_[i].shape().c};
  if (layer_.op == ConvOp::conv2d)
    cuda::conv2d(d, layer_.types, x_.address(), workspace_.address(), epilogue, y_.address(), device());
  else
    cuda::conv2d_grad_input(d, layer_.types, y_.address(), workspace_.address(), epilogue, x_.address(),
                            device());
}

void LayerRun::pack() {
  if (layer_.op == ConvOp::grad_weight) return;
  cuda::conv2d_pack(layer_.op, layer_.dims, layer_.types, static_cast<const float*>(w_.address()),
                    workspace_.address(), device());
}

const char* LayerRun::kernel() const {
  return cuda::conv2d_algorithm(layer_.op, layer_.dims, layer_.types, device()).name;
}

CudnnProblem LayerRun::problem() const {
  const cuda::ConvDims& d = layer_.dims;
  CudnnProblem p;
  p.op = layer_.op;
  p.n = static_cast<int>(d.n), p.h = static_cast<int>(d.h + more()), p.w = static_cast<int>(d.w + more());
  p.c = static_cast<int>(d.c), p.oh = static_cast<int>(d.oh), p.ow = static_cast<int>(d.ow),
  p.o = static_cast<int>(d.o);
  p.kh = static_cast<int>(d.kh), p.kw = static_cast<int>(d.kw), p.stride = static_cast<int>(d.stride);
  p.pad = static_cast<int>(d.pad_h), p.groups = static_cast<int>(d.groups);
  p.type = cudnn_type(cuda::storage(layer_.precision));
  p.tensor_cores = layer_.precision != Precision::fp32;
  p.bias = layer_.bias, p.leak = layer_.leak, p.added = !layer_.added.empty();
  return p;
}

CudnnOperands LayerRun::operands() {
  const DType storage = cuda::storage(layer_.precision);
  Shape shape = result().shape();
  if (layer_.op == ConvOp::grad_input) shape.h += more(), shape.w += more();
  reference_ = Tensor(shape, storage, Device::cuda);
  if (problem().has_epilogue()) raw_ = Tensor(shape, storage, Device::cuda);
  run();
  ours_ = sampled_rows(result(), result().shape().h, result().shape().w);
  const auto at = [](const Tensor& t) { return t ? const_cast<void*>(t.address()) : nullptr; };
  CudnnOperands o;
  o.x = at(layer_.op == ConvOp::grad_input ? reference_ : reference_x_);
  o.w = at(layer_.op == ConvOp::grad_weight ? reference_ : reference_w_);
  o.y = at(layer_.op == ConvOp::conv2d ? reference_ : reference_y_);
  o.bias = at(reference_bias_), o.added = at(reference_added_), o.raw = at(raw_);
  return o;
}

double LayerRun::difference() {
  const std::vector<float> theirs = sampled_rows(reference_, result().shape().h, result().shape().w);
  double largest = 0, most = 0;
  for (size_t i = 0; i < ours_.size(); ++i) {
    largest = std::max(largest, std::abs(double{ours_[i]}));
    const double d = std::abs(double{ours_[i]} - double{theirs[i]});
    if (!(d <= most)) most = d;  // NaN too
  }
  return most / largest;
}

}  // namespace sr::bench

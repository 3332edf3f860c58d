// Runs the CUDA convolutions on values of the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/random.h"
#include "tests/support/reference.h"
#include "tests/tensor/conv2d/cuda/device_image.h"

namespace sr {

/// A convolution to be run: sizes of x, the weight and the options of the forward operation.
struct CudaConv {
  const char* name;
  Shape x, weight;
  Conv2dOptions options;
  cuda::ConvTypes types;

  Shape y() const { return conv2d_shape(x, weight, options); }
  /// Terms of the longest sum of an operation.
  int64_t terms(cuda::ConvOp op) const {
    if (op == cuda::ConvOp::conv2d) return weight.h * weight.w * weight.c;
    if (op == cuda::ConvOp::grad_input) return weight.h * weight.w * weight.n / options.groups;
    return y().n * y().h * y().w;
  }
};

/// Channels around those of a view.
struct Margins {
  int64_t before = 0, after = 0;
};

struct CudaEpilogue {
  std::vector<float> bias;
  float leak = 1;
  std::vector<std::vector<float>> added;
  std::vector<int64_t> added_c;
  std::vector<float> mask;
  float mask_leak = 1;
  bool own = false;  // whether a second result is asked for
};

struct CudaRun {
  std::vector<float> values;
  bool margins_untouched = true;
  std::vector<float> own{};
};

inline cuda::ConvDims dims_of(const CudaConv& conv, int64_t x_pitch, int64_t y_pitch) {
  const Shape y = conv.y(), &x = conv.x, &w = conv.weight;
  cuda::ConvDims d;
  d.n = x.n, d.h = x.h, d.w = x.w, d.c = x.c, d.oh = y.h, d.ow = y.w, d.o = y.c, d.kh = w.h, d.kw = w.w;
  d.stride = conv.options.stride, d.pad_h = d.pad_w = conv.options.pad_begin, d.groups = conv.options.groups;
  d.x_pitch = x_pitch, d.y_pitch = y_pitch;
  return d;
}

/// Margins that make views of an operation's tensors: whole 16-byte units where there are channels enough for
/// the tensor cores.
inline Margins margins_for(int64_t channels) {
  return channels >= 8 ? Margins{8, 8} : Margins{1, 2};
}

/// Few multiprocessors: blocks then take one tile after the other.
inline const cuda::ConvDevice kSmallDevice{nullptr, 2};
inline const cuda::ConvDevice kHopper{nullptr, 2, 227 * 1024, true};

inline const cuda::ConvAlgorithm& algorithm_of(cuda::ConvOp op, const CudaConv& conv,
                                               const cuda::ConvDevice& device = kSmallDevice) {
  return cuda::conv2d_algorithm(op, dims_of(conv, conv.x.c, conv.weight.n), conv.types, device);
}

inline std::string kernel_of(cuda::ConvOp op, const CudaConv& conv,
                             const cuda::ConvDevice& device = kSmallDevice) {
  return algorithm_of(op, conv, device).name;
}

/// conv2d or grad_input of `input`, all tensors as channel views with NaN beside them.
inline CudaRun run_cuda(cuda::ConvOp op, const CudaConv& conv, const std::vector<float>& input,
                        const std::vector<float>& weight, const CudaEpilogue& e = {},
                        const cuda::ConvDevice& device = kSmallDevice) {
  const bool forward = op == cuda::ConvOp::conv2d;
  const Shape y = conv.y(), &from = forward ? conv.x : y, &to = forward ? y : conv.x;
  const DType from_type = forward ? conv.types.x : conv.types.y,
              to_type = forward ? conv.types.y : conv.types.x;
  const auto image = [](DType storage, int64_t pixels, int64_t c) {
    const Margins m = margins_for(c);
    return std::make_unique<DeviceImage>(storage, pixels, c, c + m.before + m.after, m.before);
  };
  const auto read = image(from_type, from.pixels(), from.c), written = image(to_type, to.pixels(), to.c);
  read->set(input);
  const cuda::ConvDims dims =
      dims_of(conv, (forward ? read : written)->pitch(), (forward ? written : read)->pitch());
  DeviceImage w(DType::f32, 1, conv.weight.size());
  w.set(weight);

  cuda::ConvEpilogue epilogue;
  epilogue.leak = e.leak, epilogue.mask_leak = e.mask_leak;
  std::vector<std::unique_ptr<DeviceImage>> kept;
  if (!e.bias.empty()) {
    kept.push_back(std::make_unique<DeviceImage>(DType::f32, 1, to.c));
    kept.back()->set(e.bias);
    epilogue.bias = static_cast<const float*>(kept.back()->data());
  }
  for (size_t i = 0; i < e.added.size(); ++i) {
    kept.push_back(image(to_type, to.pixels(), e.added_c[i]));
    kept.back()->set(e.added[i]);
    epilogue.added[i] = kept.back()->view();
  }
  if (!e.mask.empty()) {
    kept.push_back(image(to_type, to.pixels(), to.c));
    kept.back()->set(e.mask);
    epilogue.mask = kept.back()->view();
  }
  const auto own = image(to_type, to.pixels(), to.c);
  if (e.own) epilogue.own = {own->data(), own->pitch()};
  const DeviceArray<unsigned char> packed(
      static_cast<size_t>(cuda::conv2d_workspace(op, dims, conv.types, device)));
  cuda::conv2d_pack(op, dims, conv.types, static_cast<const float*>(w.data()), packed.data(), device);
  if (forward)
    cuda::conv2d(dims, conv.types, read->data(), packed.data(), epilogue, written->data(), device);
  else
    cuda::conv2d_grad_input(dims, conv.types, read->data(), packed.data(), epilogue, written->data(), device);
  gpu::check(cudaStreamSynchronize(nullptr), "test");
  return {written->values(), written->margins_untouched() && own->margins_untouched(), own->values()};
}

/// The weight's gradient, and as `own` the bias's where the kernel has both.
inline CudaRun run_cuda_grad_weight(const CudaConv& conv, const std::vector<float>& x_values,
                                    const std::vector<float>& dy_values,
                                    const cuda::ConvDevice& device = kSmallDevice) {
  const Shape y = conv.y();
  const Margins mx = margins_for(conv.x.c), my = margins_for(y.c);
  DeviceImage x(conv.types.x, conv.x.pixels(), conv.x.c, conv.x.c + mx.before + mx.after, mx.before);
  DeviceImage dy(conv.types.y, y.pixels(), y.c, y.c + my.before + my.after, my.before);
  DeviceImage dw(DType::f32, 1, conv.weight.size()), db(DType::f32, 1, y.c);
  x.set(x_values), dy.set(dy_values);
  const cuda::ConvDims dims = dims_of(conv, x.pitch(), dy.pitch());
  const cuda::ConvOp op = cuda::ConvOp::grad_weight;
  const DeviceArray<unsigned char> partial(
      static_cast<size_t>(cuda::conv2d_workspace(op, dims, conv.types, device)));
  const bool with_bias = cuda::conv2d_grads_bias(dims, conv.types, device);
  cuda::conv2d_grad_weight(dims, conv.types, x.data(), dy.data(), partial.data(),
                           static_cast<float*>(dw.data()), device,
                           with_bias ? static_cast<float*>(db.data()) : nullptr);
  gpu::check(cudaStreamSynchronize(nullptr), "test");
  return {dw.values(), true, with_bias ? db.values() : std::vector<float>()};
}

inline std::vector<float> normal_values(int64_t n, uint64_t seed, double deviation = 1) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(deviation * random.normal()));
  return values;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Multiples of 1/64 no larger than `largest`/64: with products and sums below 2^24 of their unit they make
/// every sum exact in float32, in whatever order, and (below 128) they are exact in every storage type.
inline std::vector<float> exact_values(int64_t n, int largest, uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(static_cast<float>(random.integer(2 * largest + 1) - largest) / 64.0f);
  }
  return values;
}

inline reference::Array array_of(const Shape& shape, const std::vector<float>& values) {
  reference::Array a(shape);
  std::copy(values.begin(), values.end(), a.values.begin());
  return a;
}

/// The operation as plain loops in double precision.
inline reference::Array reference_of(cuda::ConvOp op, const CudaConv& conv, const std::vector<float>& first,
                                     const std::vector<float>& second) {
  const Shape y = conv.y();
  const Conv2dOptions linear = [&] {
    Conv2dOptions o = conv.options;
    o.leak = 1;
    return o;
  }();
  if (op == cuda::ConvOp::conv2d)
    return reference::conv2d(array_of(conv.x, first), array_of(conv.weight, second), nullptr, linear);
  if (op == cuda::ConvOp::grad_input)
    return reference::conv2d_grad_input(array_of(y, first), array_of(conv.weight, second), conv.x, linear);
  return reference::conv2d_grad_weight(array_of(y, second), array_of(conv.x, first), conv.weight, linear);
}

}  // namespace sr

// Two convolutions as one CUDA kernel and as two.
#pragma once

#include <gtest/gtest.h>

#include "tensor/cuda/device.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {

/// A convolution of one image and the one after it, and what they are computed from.
struct Pair {
  CudaConv first, next;
  std::vector<float> x, weight, next_weight;
  CudaEpilogue end{}, next_end{};

  /// weights: the deviation of the first's.
  Pair(CudaConv a, CudaConv b, double weights)
      : first(std::move(a)),
        next(std::move(b)),
        x(normal_values(first.x.size(), 1)),
        weight(normal_values(first.weight.size(), 2, weights)),
        next_weight(normal_values(next.weight.size(), 3, 0.1)) {
    end.bias = normal_values(first.weight.n, 4), end.leak = 0.05f;
    next_end.bias = normal_values(next.weight.n, 5), next_end.leak = 0.25f;
  }

  /// By two kernels.
  std::vector<float> apart() const {
    const std::vector<float> between = run_cuda(cuda::ConvOp::conv2d, first, x, weight, end, kHopper).values;
    return run_cuda(cuda::ConvOp::conv2d, next, between, next_weight, next_end, kHopper).values;
  }
};

inline DeviceImage view_of(DType storage, const Shape& s) {
  const Margins m = margins_for(s.c);
  return {storage, s.pixels(), s.c, s.c + m.before + m.after, m.before};
}

/// Float32 values on the device, or none.
struct Parameters {
  std::unique_ptr<DeviceImage> image;

  explicit Parameters(const std::vector<float>& values) {
    if (values.empty()) return;
    image = std::make_unique<DeviceImage>(DType::f32, 1, static_cast<int64_t>(values.size()));
    image->set(values);
  }
  const float* data() const { return image ? static_cast<const float*>(image->data()) : nullptr; }
};

/// By one kernel, the tensors as channel views with NaN beside them.
inline CudaRun together(const Pair& p, const cuda::ConvDevice& device) {
  using cuda::ConvOp;
  DeviceImage x = view_of(p.first.types.x, p.first.x), y = view_of(p.next.types.y, p.next.y());
  x.set(p.x);
  const cuda::ConvDims dims = dims_of(p.first, x.pitch(), p.next.x.c),
                       next_dims = dims_of(p.next, p.next.x.c, y.pitch());
  EXPECT_TRUE(cuda::fuses(dims, 0, next_dims, p.first.types, device)) << p.first.x;
  const Parameters weight(p.weight), next_weight(p.next_weight), bias(p.end.bias), next_bias(p.next_end.bias);
  const auto room = [&](ConvOp op, const cuda::ConvDims& d, const cuda::ConvTypes& types) {
    return DeviceArray<unsigned char>(static_cast<size_t>(cuda::conv2d_workspace(op, d, types, device)));
  };
  const auto packed = room(ConvOp::conv2d, dims, p.first.types),
             next_packed = room(ConvOp::next, next_dims, p.next.types);
  const cuda::PackTask tasks[] = {
      {ConvOp::conv2d, dims, p.first.types, weight.data(), packed.data()},
      {ConvOp::next, next_dims, p.next.types, next_weight.data(), next_packed.data()}};
  cuda::conv2d_pack(tasks, device);
  cuda::ConvEpilogue end;
  end.bias = bias.data(), end.leak = p.end.leak;
  const cuda::ConvNext then{next_dims, next_packed.data(), next_bias.data(), p.next_end.leak};
  cuda::conv2d_then_conv2d(dims, p.first.types, x.data(), packed.data(), end, then, y.data(), device);
  gpu::check(cudaStreamSynchronize(nullptr), "test");
  return {y.values(), y.margins_untouched()};
}

inline cuda::ConvDevice hopper(int multiprocessors) {
  cuda::ConvDevice d = kHopper;
  d.multiprocessors = multiprocessors;
  return d;
}

/// That one kernel has the bits of two for the pairs that make(h, w) gives. Strips of 62 pixels: less than
/// one, one, a pixel more, two, three and more for two groups; segments of a row, and a group that takes one
/// segment after the other.
template <class Make>
void expect_bits_of_two(Make make) {
  struct Case {
    int64_t h, w;
    int multiprocessors;
  };
  for (const Case& c : {Case{1, 1, 2},
                        {1, 62, 2},
                        {3, 63, 2},
                        {9, 64, 2},
                        {2, 124, 2},
                        {5, 125, 1},
                        {6, 250, 1},
                        {31, 7, 1},
                        {7, 61, 40}}) {
    const Pair pair = make(c.h, c.w);
    const CudaRun run = together(pair, hopper(c.multiprocessors));
    EXPECT_TRUE(same_bits(run.values, pair.apart())) << pair.first.x << " by " << c.multiprocessors;
    EXPECT_TRUE(run.margins_untouched) << pair.first.x;
  }
}

}  // namespace sr

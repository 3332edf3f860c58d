// The two feature layers in one kernel against the same one after the other, bit for bit.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise.h"
#include "tests/support/cuda_schedules.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {
namespace {

using cuda::ConvOp;
using cuda::Math;

const cuda::ConvTypes kFromImage[] = {{DType::f32, DType::bf16, Math::bf16},
                                      {DType::f32, DType::f16, Math::fp16}};

std::vector<float> normal_values(int64_t n, uint64_t seed, double deviation = 1) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(deviation * random.normal()));
  return values;
}

/// The features' first and second convolution, and what they are computed from.
struct Features {
  CudaConv first, next;
  std::vector<float> x, weight, next_weight;
  CudaEpilogue end{}, next_end{};

  Features(int64_t h, int64_t w, const cuda::ConvTypes& types)
      : first(first_layer(1, h, w, types)),
        next(layer_conv(kTensorLayers[0], 1, h, w, {types.y, types.y, types.math})),
        x(normal_values(first.x.size(), 1)),
        weight(normal_values(first.weight.size(), 2)),
        next_weight(normal_values(next.weight.size(), 3, 0.1)) {
    end.bias = normal_values(first.weight.n, 4), end.leak = 0.05f;
    next_end.bias = normal_values(next.weight.n, 5), next_end.leak = 0.25f;
  }

  /// By two kernels.
  std::vector<float> apart() const {
    const std::vector<float> between = run_cuda(ConvOp::conv2d, first, x, weight, end, kHopper).values;
    return run_cuda(ConvOp::conv2d, next, between, next_weight, next_end, kHopper).values;
  }
};

DeviceImage view_of(DType storage, const Shape& s) {
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
CudaRun together(const Features& f, const cuda::ConvDevice& device) {
  DeviceImage x = view_of(DType::f32, f.first.x), y = view_of(f.next.types.y, f.next.y());
  x.set(f.x);
  const cuda::ConvDims dims = dims_of(f.first, x.pitch(), f.next.x.c),
                       next_dims = dims_of(f.next, f.next.x.c, y.pitch());
  EXPECT_TRUE(cuda::fuses(dims, 0, next_dims, f.first.types, device)) << f.first.x;
  const Parameters weight(f.weight), next_weight(f.next_weight), bias(f.end.bias), next_bias(f.next_end.bias);
  const auto room = [&](ConvOp op, const cuda::ConvDims& d, const cuda::ConvTypes& types) {
    return DeviceArray<unsigned char>(static_cast<size_t>(cuda::conv2d_workspace(op, d, types, device)));
  };
  const auto packed = room(ConvOp::conv2d, dims, f.first.types),
             next_packed = room(ConvOp::next, next_dims, f.next.types);
  const cuda::PackTask tasks[] = {
      {ConvOp::conv2d, dims, f.first.types, weight.data(), packed.data()},
      {ConvOp::next, next_dims, f.next.types, next_weight.data(), next_packed.data()}};
  cuda::conv2d_pack(tasks, device);
  cuda::ConvEpilogue end;
  end.bias = bias.data(), end.leak = f.end.leak;
  const cuda::ConvNext then{next_dims, next_packed.data(), next_bias.data(), f.next_end.leak};
  cuda::conv2d_then_conv2d(dims, f.first.types, x.data(), packed.data(), end, then, y.data(), device);
  gpu::check(cudaStreamSynchronize(nullptr), "test");
  return {y.values(), y.margins_untouched()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

cuda::ConvDevice hopper(int multiprocessors) {
  cuda::ConvDevice d = kHopper;
  d.multiprocessors = multiprocessors;
  return d;
}

// Strips of 62 pixels: less than one, one, a pixel more, two, three for two groups; segments of a row, and a
// group that takes one segment after the other.
TEST(CudaFeatures, OneKernelHasTheBitsOfTwo) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  struct Case {
    int64_t h, w;
    int multiprocessors;
  };
  for (const cuda::ConvTypes& types : kFromImage)
    for (const Case& c : {Case{1, 1, 2},
                          {1, 62, 2},
                          {3, 63, 2},
                          {9, 64, 2},
                          {2, 124, 2},
                          {5, 125, 1},
                          {6, 250, 1},
                          {31, 7, 1},
                          {7, 61, 40}}) {
      const Features f(c.h, c.w, types);
      const CudaRun run = together(f, hopper(c.multiprocessors));
      EXPECT_TRUE(same_bits(run.values, f.apart())) << f.first.x << " by " << c.multiprocessors;
      EXPECT_TRUE(run.margins_untouched) << f.first.x;
    }
}

TEST(CudaFeatures, OneKernelHasTheBitsOfTwoWithoutBiases) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  Features f(5, 66, kFromImage[1]);
  f.end.bias.clear(), f.next_end.bias.clear();
  EXPECT_TRUE(same_bits(together(f, kHopper).values, f.apart()));
}

// What is not finite goes where two kernels take it, and no further.
TEST(CudaFeatures, OneKernelHasTheNumbersOfTwoBesideWhatIsNotFinite) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  Features f(9, 70, kFromImage[1]);
  f.x[0] = std::numeric_limits<float>::infinity();
  f.x[4 * 70 + 61] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> expected = f.apart(), values = together(f, kHopper).values;
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_TRUE(std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == expected[i]) << i;
}

TEST(CudaFeatures, BitsDoNotDependOnTheNumberOfBlocksOrTheSchedule) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const Features f(9, 70, kFromImage[1]);
  const std::vector<float> expected = f.apart();
  int multiprocessors = 1;
  in_every_schedule([&] {
    EXPECT_TRUE(same_bits(together(f, hopper(multiprocessors)).values, expected)) << multiprocessors;
    multiprocessors *= 4;
  });
}

Tensor on_device(const Shape& shape, const std::vector<float>& values) {
  return Tensor::from(shape, values).to(Device::cuda);
}

TEST(CudaFeatures, TensorsOfAnImageAreOneKernelInTheStorageOfThePrecision) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const cuda::Precision before = cuda::precision();
  for (const cuda::Precision precision : {cuda::Precision::bf16, cuda::Precision::fp16}) {
    cuda::set_precision(precision);
    const Features f(9, 70, kFromImage[precision == cuda::Precision::fp16]);
    const Tensor x = on_device(f.first.x, f.x), weight = on_device(f.first.weight, f.weight),
                 next_weight = on_device(f.next.weight, f.next_weight),
                 bias = on_device({1, 1, 1, 64}, f.end.bias),
                 next_bias = on_device({1, 1, 1, 64}, f.next_end.bias);
    Conv2dOptions options = f.first.options, next_options = f.next.options;
    options.leak = f.end.leak, next_options.leak = f.next_end.leak;
    ASSERT_TRUE(cuda::fuses(x, weight, options, {}, next_weight, next_options));
    // The second time weights are packed, and the kernel starts while the one runs that makes the image.
    cuda::PackedWeights packed;
    const cuda::KeepPacked keep(packed);
    for (int i = 0; i < 2; ++i) {
      const Tensor y =
          conv2d_then_conv2d(scale(x, 1), weight, bias, options, {}, next_weight, next_bias, next_options);
      EXPECT_EQ(y.dtype(), cuda::storage(precision));
      EXPECT_TRUE(same_bits(convert(y, DType::f32).to(Device::cpu).to_vector(), f.apart()));
    }
  }
  cuda::set_precision(before);
}

TEST(CudaFeatures, OtherConvolutionsAreTwoKernels) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  struct Case {
    int64_t images = 1, channels = 1, first_added = 0, y_pitch = 64;
    int next = 0;
    cuda::ConvTypes types = kFromImage[1];
    cuda::ConvDevice device = kHopper;
  };
  const auto fuses = [](const Case& c) {
    const CudaLayer layer{"first", c.channels, 64, 1, 3};
    const CudaConv a = layer_conv(layer, c.images, 9, 9, c.types),
                   b = layer_conv(kTensorLayers[c.next], c.images, 9, 9, c.types);
    return cuda::fuses(dims_of(a, c.channels, 64), c.first_added, dims_of(b, b.x.c, c.y_pitch), c.types,
                       c.device);
  };
  EXPECT_TRUE(fuses({}));
  EXPECT_FALSE(fuses({.images = 2})) << "a batch";
  EXPECT_FALSE(fuses({.channels = 3})) << "three channels";
  EXPECT_FALSE(fuses({.first_added = 32})) << "something is added between";
  EXPECT_FALSE(fuses({.y_pitch = 68})) << "not by 16 bytes";
  EXPECT_FALSE(fuses({.next = 1})) << "another shape that follows";
  EXPECT_FALSE(fuses({.types = {DType::f16, DType::f16, Math::fp16}})) << "an image that is not float32";
  EXPECT_FALSE(fuses({.types = {DType::f32, DType::bf16, Math::fp16}})) << "stored otherwise than multiplied";
  EXPECT_FALSE(fuses({.types = {DType::f32, DType::f32, Math::tf32}})) << "tf32";
  EXPECT_FALSE(fuses({.types = {}})) << "fp32";
  EXPECT_FALSE(fuses({.device = kSmallDevice})) << "no wgmma";
}

}  // namespace
}  // namespace sr

// The two feature layers in one kernel against the same one after the other, bit for bit.
#include <gtest/gtest.h>

#include <limits>

#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise.h"
#include "tests/support/cuda_schedules.h"
#include "tests/tensor/conv2d/cuda/pair.h"

namespace sr {
namespace {

using cuda::Math;

const cuda::ConvTypes kFromImage[] = {{DType::f32, DType::bf16, Math::bf16},
                                      {DType::f32, DType::f16, Math::fp16}};

/// The features' first and second convolution.
Pair features(int64_t h, int64_t w, const cuda::ConvTypes& types) {
  return {first_layer(1, h, w, types), layer_conv(kTensorLayers[0], 1, h, w, {types.y, types.y, types.math}),
          1};
}

TEST(CudaFeatures, OneKernelHasTheBitsOfTwo) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const cuda::ConvTypes& types : kFromImage)
    expect_bits_of_two([&](int64_t h, int64_t w) { return features(h, w, types); });
}

TEST(CudaFeatures, OneKernelHasTheBitsOfTwoWithoutBiases) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  Pair f = features(5, 66, kFromImage[1]);
  f.end.bias.clear(), f.next_end.bias.clear();
  EXPECT_TRUE(same_bits(together(f, kHopper).values, f.apart()));
}

// What is not finite goes where two kernels take it, and no further.
TEST(CudaFeatures, OneKernelHasTheNumbersOfTwoBesideWhatIsNotFinite) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  Pair f = features(9, 70, kFromImage[1]);
  f.x[0] = std::numeric_limits<float>::infinity();
  f.x[4 * 70 + 61] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> expected = f.apart(), values = together(f, kHopper).values;
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_TRUE(std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == expected[i]) << i;
}

TEST(CudaFeatures, BitsDoNotDependOnTheNumberOfBlocksOrTheSchedule) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const Pair f = features(9, 70, kFromImage[1]);
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
    const Pair f = features(9, 70, kFromImage[precision == cuda::Precision::fp16]);
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

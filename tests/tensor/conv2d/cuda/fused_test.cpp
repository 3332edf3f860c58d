// Two 3x3 convolutions in one kernel against the same one after the other, bit for bit.
#include <gtest/gtest.h>

#include "tests/support/cuda_schedules.h"
#include "tests/tensor/conv2d/cuda/pair.h"

namespace sr {
namespace {

/// Of kTensorLayers: the beginning of IDN's block, and its middle.
constexpr int kPairs[] = {1, 4};

Pair pair_of(int layer, int64_t h, int64_t w, const cuda::ConvTypes& types) {
  return {layer_conv(kTensorLayers[layer], 1, h, w, types),
          layer_conv(kTensorLayers[layer + 1], 1, h, w, types), 0.1};
}

TEST(CudaFusedConv2d, OneKernelHasTheBitsOfTwo) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const int layer : kPairs)
    for (const cuda::ConvTypes& types : {kTensorTypes[0], kTensorTypes[1]})
      expect_bits_of_two([&](int64_t h, int64_t w) { return pair_of(layer, h, w, types); });
}

TEST(CudaFusedConv2d, BitsDoNotDependOnTheNumberOfBlocksOrTheSchedule) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const int layer : kPairs) {
    const Pair b = pair_of(layer, 9, 70, kTensorTypes[1]);
    const std::vector<float> expected = b.apart();
    int multiprocessors = 1;
    in_every_schedule([&] {
      EXPECT_TRUE(same_bits(together(b, hopper(multiprocessors)).values, expected)) << multiprocessors;
      multiprocessors *= 4;
    });
  }
}

TEST(CudaFusedConv2d, OtherConvolutionsAreTwoKernels) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const auto fuses = [](int64_t n, int64_t first_added, int first, int next, const cuda::ConvTypes& types,
                        const cuda::ConvDevice& device = kHopper, int64_t y_pitch = 32) {
    const CudaConv a = layer_conv(kTensorLayers[first], n, 9, 9, types),
                   b = layer_conv(kTensorLayers[next], n, 9, 9, types);
    return cuda::fuses(dims_of(a, a.x.c, a.weight.n), first_added, dims_of(b, b.x.c, y_pitch), types, device);
  };
  const cuda::ConvTypes fp16 = kTensorTypes[1];
  EXPECT_TRUE(fuses(1, 0, 1, 2, fp16));
  EXPECT_TRUE(fuses(1, 0, 4, 5, fp16, kHopper, 48));
  EXPECT_FALSE(fuses(2, 0, 1, 2, fp16)) << "a batch";
  EXPECT_FALSE(fuses(1, 32, 1, 2, fp16)) << "something is added between";
  EXPECT_FALSE(fuses(1, 0, 4, 0, fp16, kHopper, 64)) << "another shape";
  EXPECT_FALSE(fuses(1, 0, 1, 4, fp16, kHopper, 64)) << "another shape that follows";
  EXPECT_FALSE(fuses(1, 0, 3, 5, fp16, kHopper, 48)) << "the second of a pair on another first";
  EXPECT_FALSE(fuses(1, 0, 1, 2, kTensorTypes[2])) << "tf32";
  EXPECT_FALSE(fuses(1, 0, 1, 2, {})) << "fp32";
  EXPECT_FALSE(fuses(1, 0, 1, 2, fp16, kSmallDevice)) << "no wgmma";
  EXPECT_FALSE(fuses(1, 0, 1, 2, fp16, kHopper, 36)) << "not by 16 bytes";
}

}  // namespace
}  // namespace sr

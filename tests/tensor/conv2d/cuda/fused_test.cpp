// Two 3x3 convolutions in one kernel against the same one after the other, bit for bit.
#include <gtest/gtest.h>

#include <cstring>

#include "tensor/cuda/device.h"
#include "tests/support/cuda_schedules.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {
namespace {

using cuda::ConvOp;

std::vector<float> normal_values(int64_t n, uint64_t seed, double deviation = 1) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(deviation * random.normal()));
  return values;
}

/// Of kTensorLayers: the beginning of IDN's block, and its middle.
constexpr int kPairs[] = {1, 4};

/// A layer of kTensorLayers and the one after it, and what they are computed from.
struct Pair {
  CudaConv first, next;
  std::vector<float> x, weight, next_weight;
  CudaEpilogue end{}, next_end{};

  Pair(int layer, int64_t h, int64_t w, const cuda::ConvTypes& types)
      : first(layer_conv(kTensorLayers[layer], 1, h, w, types)),
        next(layer_conv(kTensorLayers[layer + 1], 1, h, w, types)),
        x(normal_values(first.x.size(), 1)),
        weight(normal_values(first.weight.size(), 2, 0.1)),
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

/// Float32 values.
std::unique_ptr<DeviceImage> parameters(const std::vector<float>& values) {
  auto p = std::make_unique<DeviceImage>(DType::f32, 1, static_cast<int64_t>(values.size()));
  p->set(values);
  return p;
}

std::unique_ptr<DeviceArray<unsigned char>> packed(ConvOp op, const CudaConv& conv,
                                                   const cuda::ConvDims& dims, const DeviceImage& weight,
                                                   const cuda::ConvDevice& device) {
  auto p = std::make_unique<DeviceArray<unsigned char>>(
      static_cast<size_t>(cuda::conv2d_workspace(op, dims, conv.types, device)));
  cuda::conv2d_pack(op, dims, conv.types, static_cast<const float*>(weight.data()), p->data(), device);
  return p;
}

/// By one kernel, the tensors as channel views with NaN beside them.
CudaRun together(const Pair& b, const cuda::ConvDevice& device) {
  const DType storage = b.first.types.x;
  DeviceImage x = view_of(storage, b.first.x), y = view_of(storage, b.next.y());
  x.set(b.x);
  const cuda::ConvDims dims = dims_of(b.first, x.pitch(), b.next.x.c),
                       next_dims = dims_of(b.next, b.next.x.c, y.pitch());
  EXPECT_TRUE(cuda::fuses(dims, 0, next_dims, b.first.types, device)) << b.first.x;
  const auto weight = parameters(b.weight), next_weight = parameters(b.next_weight),
             bias = parameters(b.end.bias), next_bias = parameters(b.next_end.bias);
  const auto first = packed(ConvOp::conv2d, b.first, dims, *weight, device),
             next = packed(ConvOp::next, b.next, next_dims, *next_weight, device);
  cuda::ConvEpilogue end;
  end.bias = static_cast<const float*>(bias->data()), end.leak = b.end.leak;
  const cuda::ConvNext then{next_dims, next->data(), static_cast<const float*>(next_bias->data()),
                            b.next_end.leak};
  cuda::conv2d_then_conv2d(dims, b.first.types, x.data(), first->data(), end, then, y.data(), device);
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

// Strips of 62 pixels: less than one, one, a pixel more, two, three for two groups; segments of a row.
TEST(CudaFusedConv2d, OneKernelHasTheBitsOfTwo) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  struct Case {
    int64_t h, w;
    int multiprocessors;
  };
  for (const int layer : kPairs)
    for (const cuda::ConvTypes& types : {kTensorTypes[0], kTensorTypes[1]})
      for (const Case& c : {Case{1, 1, 2},
                            {1, 62, 2},
                            {3, 63, 2},
                            {9, 64, 2},
                            {2, 124, 2},
                            {5, 125, 1},
                            {31, 7, 1},
                            {7, 61, 40}}) {
        const Pair b(layer, c.h, c.w, types);
        const CudaRun run = together(b, hopper(c.multiprocessors));
        EXPECT_TRUE(same_bits(run.values, b.apart())) << b.first.x << " by " << c.multiprocessors;
        EXPECT_TRUE(run.margins_untouched) << b.first.x;
      }
}

TEST(CudaFusedConv2d, BitsDoNotDependOnTheNumberOfBlocksOrTheSchedule) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const int layer : kPairs) {
    const Pair b(layer, 9, 70, kTensorTypes[1]);
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

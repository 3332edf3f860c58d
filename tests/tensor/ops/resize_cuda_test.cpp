// The resampling kernels against the CPU's, bit for bit.
#include "tensor/ops/resize_cuda.h"

#include "tensor/ops/resize.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

TEST(CudaResize, EnlargingHasTheCpusBits) {
  Random random{1};
  for (const int factor : {1, 2, 3, 4, 5})
    for (const Shape& s : {Shape{1, 1, 1, 1}, {1, 2, 3, 1}, {2, 7, 11, 3}, {1, 13, 70, 1}}) {
      const Tensor x = random_normal(s, 1, random);
      const DeviceTensor dx(x, DType::f32, {1, 2});
      const DeviceArray<float> weights(cuda::enlarging_weights(factor));
      const Tensor expected = bicubic_enlarge(x, factor);
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor y(expected.shape(), DType::f32, {});
        cuda::bicubic_enlarge(queue, s, dx.view(), factor, weights.data(),
                              static_cast<float*>(y.view().data));
        EXPECT_TRUE(same_bits(y.values(), expected)) << s << " x" << factor;
      });
    }
}

TEST(CudaResize, AnyRatioHasTheCpusBits) {
  Random random{2};
  struct Case {
    Shape shape;
    int64_t h, w;
  };
  for (const auto& [s, h, w] : {Case{{1, 1, 1, 1}, 3, 2},
                                {{2, 12, 15, 3}, 7, 40},
                                {{1, 40, 33, 1}, 3, 11},
                                {{1, 9, 9, 2}, 9, 9},
                                {{1, 31, 2, 1}, 1, 70}}) {
    const Tensor x = random_normal(s, 1, random);
    const DeviceTensor dx(x, DType::f32, {2, 1});
    const Phases across(s.w, w), down(s.h, h);
    const DeviceArray<int64_t> across_first(across.first), down_first(down.first);
    const DeviceArray<float> across_weight(across.weight), down_weight(down.weight);
    const Tensor expected = bicubic_resize(x, h, w);
    on_every_queue([&](const cuda::Queue& queue) {
      const DeviceArray<float> lines(static_cast<size_t>(s.n * s.h * w * s.c));
      const DeviceTensor y(expected.shape(), DType::f32, {});
      cuda::bicubic_resize(queue, s, dx.view(), h, w, {across, across_first.data(), across_weight.data()},
                           {down, down_first.data(), down_weight.data()}, lines.data(),
                           static_cast<float*>(y.view().data));
      EXPECT_TRUE(same_bits(y.values(), expected)) << s << " to " << h << " x " << w;
    });
  }
}

TEST(CudaResize, TensorsOnAGpuAreResizedThere) {
  Random random{3};
  const Tensor x = random_normal(Shape{2, 7, 11, 3}, 1, random);
  EXPECT_TRUE(same_bits(bicubic_enlarge(x.to(Device::cuda), 2).to(Device::cpu), bicubic_enlarge(x, 2)));
  EXPECT_TRUE(same_bits(bicubic_resize(x.to(Device::cuda), 3, 5).to(Device::cpu), bicubic_resize(x, 3, 5)));
}

}  // namespace
}  // namespace sr

// The reductions' kernels against the CPU's sums, which are in double too.
#include "tensor/ops/reduce_cuda.h"

#include <cmath>

#include "tensor/ops/reduce.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

struct Case {
  Shape shape;
  Placement place;
};
std::vector<Case> cases() {
  return {{{1, 1, 1, 1}, {}},       {{2, 29, 31, 64}, {}}, {{1, 17, 19, 80}, {16, 16}}, {{1, 128, 1, 4}, {}},
          {{1, 129, 1, 5}, {3, 2}}, {{1, 91, 101, 1}, {}}, {{1, 3, 11, 300}, {4, 20}}};
}

double size_of_terms(const Tensor& x) {
  double total = 0;
  for (const float v : x.to_vector()) total += std::abs(double{v});
  return total;
}

TEST(CudaReduce, SumsPerChannelAreTheCpusForEveryGrid) {
  Random random{1};
  for (const DType dtype : kDTypes)
    for (const auto& [shape, place] : cases()) {
      const Tensor x = random_values(shape, dtype, random);
      const DeviceTensor dx(x, dtype, place);
      const std::vector<float> expected = sum_per_channel(x).to_vector();
      std::vector<float> first;
      on_every_queue([&](const cuda::Queue& queue) {
        DeviceArray<float> y(static_cast<size_t>(shape.c));
        DeviceArray<double> workspace(static_cast<size_t>(cuda::sum_workspace(shape.pixels(), shape.c)));
        cuda::sum_per_channel(queue, dtype, shape.pixels(), shape.c, dx.view(), y.data(), workspace.data());
        const std::vector<float> sums = y.to_vector();
        for (size_t k = 0; k < sums.size(); ++k)
          EXPECT_NEAR(sums[k], expected[k], 1e-7 * std::abs(expected[k]) + 1e-12) << shape << ' ' << dtype;
        if (first.empty()) first = sums;
        EXPECT_EQ(sums, first) << shape << ' ' << dtype;
      });
    }
}

TEST(CudaReduce, TheSumIsTheCpusToTheLastBitsOfDoubleForEveryGrid) {
  Random random{2};
  for (const DType dtype : kDTypes)
    for (const auto& [shape, place] : cases()) {
      const Tensor x = random_values(shape, dtype, random);
      const DeviceTensor dx(x, dtype, place);
      std::vector<double> first;
      on_every_queue([&](const cuda::Queue& queue) {
        DeviceArray<double> result(1);
        DeviceArray<double> workspace(static_cast<size_t>(cuda::sum_workspace(shape.pixels(), shape.c)));
        cuda::sum(queue, dtype, shape.pixels(), shape.c, dx.view(), result.data(), workspace.data());
        EXPECT_NEAR(result.to_vector()[0], sum(x), 1e-14 * size_of_terms(x)) << shape << ' ' << dtype;
        if (first.empty()) first = result.to_vector();
        EXPECT_EQ(result.to_vector(), first) << shape << ' ' << dtype;
      });
    }
}

TEST(CudaReduce, OnesBesideAValueThatFloatCannotAddThemToAreCounted) {
  // In float32, 2^25 + 1 is 2^25.
  Tensor x(Shape{1, 1, 1000, 1});
  std::fill_n(x.data(), 1000, 1.0f);
  x.data()[0] = 0x1p25f;
  const DeviceTensor dx(x, DType::f32, {});
  DeviceArray<double> result(1), workspace(static_cast<size_t>(cuda::sum_workspace(1000, 1)));
  cuda::sum({}, DType::f32, 1000, 1, dx.view(), result.data(), workspace.data());
  EXPECT_EQ(result.to_vector()[0], 0x1p25 + 999);
}

}  // namespace
}  // namespace sr

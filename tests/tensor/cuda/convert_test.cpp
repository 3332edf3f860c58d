// Conversion and copying kernels against the CPU's.
#include "tensor/cuda/convert.h"

#include <cmath>
#include <limits>

#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

struct Case {
  Shape shape;
  Placement in, out;
};
std::vector<Case> cases() {
  return {{{1, 1, 1, 1}, {}, {}},
          {{1, 61, 37, 1}, {}, {}},
          {{2, 5, 7, 16}, {16, 48}, {}},
          {{2, 5, 7, 13}, {8, 19}, {8, 3}},
          {{1, 5, 7, 3}, {1, 2}, {}}};
}

// Normal values, and those where rounding to 16 bits is special: ties, overflow, subnormals, infinities.
Tensor values_of(Shape shape) {
  Random random{1};
  Tensor x = random_normal(shape, 3, random);
  const float special[] = {1 + 0x1p-8f,
                           1 + 3 * 0x1p-8f,
                           1 + 0x1p-11f,
                           1 + 3 * 0x1p-11f,
                           65519.9f,
                           65520,
                           0x1p-24f,
                           0x1p-25f,
                           0x1.8p-25f,
                           -0.0f,
                           3.3999e38f,
                           1e-40f,
                           std::numeric_limits<float>::infinity()};
  for (size_t i = 0; i < std::size(special) && static_cast<int64_t>(i) < shape.size() - 1; ++i)
    x.data()[i] = special[i];
  return x;
}

TEST(CudaConvert, EveryPairOfTypesIsTheCpusOnViewsToo) {
  for (const DType from : kDTypes)
    for (const DType to : kDTypes)
      for (const auto& [shape, in, out] : cases()) {
        const Tensor x = stored_as(values_of(shape), from);
        const DeviceTensor dx(x, from, in);
        on_every_queue([&](const cuda::Queue& queue) {
          const DeviceTensor y(shape, to, out);
          cuda::convert(queue, shape.pixels(), shape.c, from, dx.view(), to, y.view());
          EXPECT_TRUE(same_bits(y.values(), stored_as(x, to))) << from << " to " << to << ' ' << shape;
        });
      }
}

TEST(CudaConvert, ANaNStaysOne) {
  Tensor x(Shape{1, 1, 9, 1});
  std::fill_n(x.data(), 9, std::numeric_limits<float>::quiet_NaN());
  const DeviceTensor dx(x, DType::f32, {});
  for (const DType to : kDTypes) {
    const DeviceTensor y(x.shape(), to, {});
    cuda::convert({}, 9, 1, DType::f32, dx.view(), to, y.view());
    for (const float v : y.values().to_vector()) EXPECT_TRUE(std::isnan(v));
  }
}

}  // namespace
}  // namespace sr

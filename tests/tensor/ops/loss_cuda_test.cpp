// The losses' kernels against the CPU's.
#include "tensor/ops/loss_cuda.h"

#include <cmath>
#include <limits>

#include "tensor/ops/loss.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

struct Case {
  Shape shape;
  Placement x, target, dx;
};
std::vector<Case> cases() {
  return {{{1, 1, 1, 1}, {}, {}, {}},
          {{2, 29, 37, 1}, {}, {}, {}},
          {{1, 13, 11, 3}, {}, {1, 2}, {}},
          {{1, 13, 11, 16}, {16, 16}, {}, {8, 24}}};
}

using Loss = void (*)(const cuda::Queue&, DType, int64_t, int64_t, cuda::ConstView, cuda::ConstView, double*,
                      double*);
using Grad = void (*)(const cuda::Queue&, DType, int64_t, int64_t, cuda::ConstView, cuda::ConstView,
                      cuda::View);
struct Pair {
  Loss loss;
  Grad grad;
  double (*cpu_loss)(const Tensor&, const Tensor&);
  Tensor (*cpu_grad)(const Tensor&, const Tensor&, int64_t batch);
};
constexpr Pair kPairs[] = {
    {cuda::l1_loss, cuda::l1_loss_grad, l1_loss, l1_loss_grad},
    {cuda::l2_loss, cuda::l2_loss_grad, l2_loss, l2_loss_grad},
    {cuda::spectral_angle, cuda::spectral_angle_grad, spectral_angle, spectral_angle_grad}};

double loss_on_device(const cuda::Queue& queue, Loss loss, DType dtype, Shape s, const DeviceTensor& x,
                      const DeviceTensor& target) {
  DeviceArray<double> result(1), workspace(static_cast<size_t>(cuda::loss_workspace(s.pixels(), s.c)));
  loss(queue, dtype, s.pixels(), s.c, x.view(), target.view(), result.data(), workspace.data());
  return result.to_vector()[0];
}

TEST(CudaLoss, ValuesAreTheCpusToTheLastBitsOfDoubleForEveryGrid) {
  Random random{1};
  for (const Pair& pair : kPairs)
    for (const DType dtype : kDTypes)
      for (const Case& c : cases()) {
        const Tensor x = random_values(c.shape, dtype, random),
                     target = random_values(c.shape, dtype, random);
        const DeviceTensor dx(x, dtype, c.x), dt(target, dtype, c.target);
        const double expected = pair.cpu_loss(x, target);
        std::vector<double> got;
        on_every_queue([&](const cuda::Queue& queue) {
          got.push_back(loss_on_device(queue, pair.loss, dtype, c.shape, dx, dt));
        });
        for (const double value : got) {
          EXPECT_NEAR(value, expected, 1e-14 * expected) << c.shape << ' ' << dtype;
          EXPECT_EQ(value, got[0]) << c.shape << ' ' << dtype;
        }
      }
}

TEST(CudaLoss, GradientsAreTheCpusBitForBit) {
  Random random{2};
  for (const Pair& pair : kPairs)
    for (const DType dtype : kDTypes)
      for (const Case& c : cases()) {
        Tensor x = random_values(c.shape, dtype, random);
        const Tensor target = random_values(c.shape, dtype, random);
        x.data()[x.shape().size() / 2] = target.data()[x.shape().size() / 2];
        const DeviceTensor dx(x, dtype, c.x), dt(target, dtype, c.target);
        on_every_queue([&](const cuda::Queue& queue) {
          const DeviceTensor y(c.shape, dtype, c.dx);
          pair.grad(queue, dtype, c.shape.pixels(), c.shape.c, dx.view(), dt.view(), y.view());
          EXPECT_TRUE(same_bits(y.values(), stored_as(pair.cpu_grad(x, target, 0), dtype)))
              << c.shape << ' ' << dtype;
        });
      }
}

TEST(CudaLoss, NaNShowsInValueAndGradient) {
  Random random{3};
  const Shape s{1, 5, 7, 2};
  Tensor x = random_values(s, DType::f32, random);
  x.data()[11] = std::numeric_limits<float>::quiet_NaN();
  const DeviceTensor dx(x, DType::f32, {}), dt(random_values(s, DType::f32, random), DType::f32, {});
  for (const Pair& pair : kPairs) {
    const bool whole_pixels = pair.cpu_grad == &spectral_angle_grad;
    EXPECT_TRUE(std::isnan(loss_on_device({}, pair.loss, DType::f32, s, dx, dt)));
    const DeviceTensor y(s, DType::f32, {});
    pair.grad({}, DType::f32, s.pixels(), s.c, dx.view(), dt.view(), y.view());
    const Tensor gradient = y.values();
    for (int64_t i = 0; i < s.size(); ++i)
      EXPECT_EQ(std::isnan(gradient.data()[i]), i == 11 || (i == 10 && whole_pixels));
  }
}

}  // namespace
}  // namespace sr

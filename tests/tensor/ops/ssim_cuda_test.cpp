// The similarity's kernels against the CPU's, which the definition's own test holds.
#include "tensor/ops/ssim_cuda.h"

#include <cmath>

#include "tensor/ops/ssim.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

// Something with structure: waves and noise in 0..1.
Tensor image(Shape shape, uint64_t seed, double noise) {
  Random random{seed};
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) {
    const double wave = 0.5 + 0.25 * std::sin(static_cast<double>(i / shape.c % shape.w) / 4) +
                        0.15 * std::cos(static_cast<double>(i / (shape.c * shape.w)) / 3);
    t.data()[i] = static_cast<float>(wave + noise * (2 * random.uniform() - 1));
  }
  return t;
}

// One window; one row and one column of them; several tiles, the last ones cut; images and channels.
const Shape kShapes[] = {{1, 11, 11, 1}, {1, 11, 47, 1}, {1, 30, 11, 1}, {2, 29, 58, 1}, {2, 13, 15, 3}};

TEST(CudaSsim, TheMeanIsTheCpusToTheLastBitsOfDouble) {
  for (const Shape& s : kShapes)
    for (const Placement place : {Placement{}, {1, 2}}) {
      const Tensor a = image(s, 1, 0.02), b = image(s, 2, 0.1);
      const DeviceTensor da(a, DType::f32, place), db(b, DType::f32, {});
      std::vector<double> means;
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceArray<double> result(1), workspace(static_cast<size_t>(cuda::ssim_workspace(s)));
        cuda::ssim(queue, s, da.view(), db.view(), 1, result.data(), workspace.data());
        means.push_back(result.to_vector()[0]);
      });
      for (const double mean : means) {
        EXPECT_NEAR(mean, ssim(a, b, 1), 1e-14) << s;
        EXPECT_EQ(mean, means[0]) << s;
      }
    }
}

TEST(CudaSsim, TheGradientHasTheCpusBits) {
  for (const Shape& s : kShapes)
    for (const double peak : {1.0, 3.0}) {
      const Tensor a = image(s, 3, 0.02), b = image(s, 4, 0.1);
      const DeviceTensor da(a, DType::f32, {}), db(b, DType::f32, {2, 1});
      const Tensor expected = ssim_grad(a, b, peak);
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceArray<double> result(1), workspace(static_cast<size_t>(cuda::ssim_grad_workspace(s)));
        const DeviceTensor dx(s, DType::f32, {});
        cuda::ssim_grad(queue, s, da.view(), db.view(), peak, result.data(),
                        static_cast<float*>(dx.view().data), workspace.data());
        EXPECT_TRUE(same_bits(dx.values(), expected)) << s;
        EXPECT_NEAR(result.to_vector()[0], ssim(a, b, peak), 1e-14) << s;
      });
    }
}

TEST(CudaSsim, EqualImagesHaveOne) {
  const Shape s{1, 20, 20, 1};
  const DeviceTensor a(image(s, 1, 0.1), DType::f32, {});
  const DeviceArray<double> result(1), workspace(static_cast<size_t>(cuda::ssim_workspace(s)));
  cuda::ssim({}, s, a.view(), a.view(), 1, result.data(), workspace.data());
  EXPECT_NEAR(result.to_vector()[0], 1, 1e-12);
}

}  // namespace
}  // namespace sr

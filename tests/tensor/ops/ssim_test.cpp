#include "tensor/ops/ssim.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "tests/support/expect_error.h"
#include "tests/support/reference.h"

namespace sr {
namespace {

using reference::Array;

// Something with structure: waves and noise in 0..255.
Tensor image(Shape shape, uint64_t seed, double noise) {
  Random random{seed};
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) {
    const double wave = 128 + 60 * std::sin(static_cast<double>(i / shape.c % shape.w) / 4) +
                        40 * std::cos(static_cast<double>(i / (shape.c * shape.w)) / 3);
    t.data()[i] = static_cast<float>(wave + noise * (2 * random.uniform() - 1));
  }
  return t;
}

TEST(Ssim, IsTheDefinition) {
  for (const Shape& s :
       {Shape{1, 11, 11, 1}, {1, 11, 30, 1}, {1, 23, 11, 1}, {1, 29, 34, 1}, {2, 13, 15, 3}}) {
    const Tensor a = image(s, 1, 5), b = image(s, 2, 30);
    EXPECT_NEAR(ssim(a, b, 255), reference::ssim(Array(a), Array(b), 255), 1e-11) << s;
    EXPECT_NEAR(ssim(a, b, 400), reference::ssim(Array(a), Array(b), 400), 1e-11) << s;
  }
}

TEST(Ssim, EqualImagesHaveOneAndOppositeOnesLess) {
  const Tensor a = image({1, 20, 20, 1}, 1, 20);
  Tensor b = a.clone();
  for (int64_t i = 0; i < b.shape().size(); ++i) b.data()[i] = 255 - b.data()[i];
  EXPECT_NEAR(ssim(a, a, 255), 1, 1e-12);
  EXPECT_LT(ssim(a, b, 255), 0);
}

TEST(Ssim, TakesViewsAndSeveralImagesAndAnyNumberOfThreads) {
  const Tensor a = image({2, 15, 17, 5}, 1, 5), b = image({2, 15, 17, 5}, 2, 30);
  const Tensor va = a.channels(1, 3), vb = b.channels(1, 3);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const double one = ssim(va, vb, 255);
  const Tensor gradient = ssim_grad(va, vb, 255);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(ssim(va, vb, 255), one);
    EXPECT_EQ(ssim_grad(va.clone(), vb.clone(), 255).to_vector(), gradient.to_vector());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(ssim(va.clone(), vb.clone(), 255), one);
  EXPECT_NEAR(
      one,
      (ssim(va.channels(0, 1), vb.channels(0, 1), 255) + ssim(va.channels(1, 2), vb.channels(1, 2), 255)) / 2,
      1e-12);
}

TEST(SsimGrad, IsZeroBetweenEqualImagesAndPointsTowardsTheTarget) {
  const Tensor target = image({1, 16, 18, 1}, 1, 20);
  for (const float v : ssim_grad(target, target, 255).to_vector()) EXPECT_NEAR(v, 0, 1e-12);
  const Tensor a = image({1, 16, 18, 1}, 2, 60), gradient = ssim_grad(a, target, 255);
  double towards = 0;
  for (int64_t i = 0; i < a.shape().size(); ++i)
    towards += double{gradient.data()[i]} * (double{target.data()[i]} - double{a.data()[i]});
  EXPECT_GT(towards, 0.01);
}

// Flat images have no variance: the constants alone keep the quotients finite.
TEST(SsimGrad, OfFlatImagesIsFinite) {
  const Tensor zero = Tensor::zeros({1, 12, 12, 1});
  Tensor one = zero.clone();
  std::fill_n(one.data(), 144, 1.0f);
  EXPECT_EQ(ssim(zero, zero, 1), 1);
  EXPECT_NEAR(ssim(one, zero, 1), 1e-4 / (1 + 1e-4), 1e-12);
  for (const auto& [a, b] : {std::pair{zero, zero}, {one, zero}, {zero, one}, {one, one}})
    for (const float v : ssim_grad(a, b, 1).to_vector()) EXPECT_TRUE(std::isfinite(v));
}

TEST(Ssim, WhatDoesNotFitIsAnError) {
  using enum Error::Kind;
  const Tensor a = image({1, 11, 12, 1}, 1, 5);
  const Tensor turned = image({1, 12, 11, 1}, 1, 5), low = image({1, 10, 12, 1}, 1, 5);
  expect_error(shape, "[1, 12, 11, 1]", [&] { ssim(a, turned, 255); });
  expect_error(shape, "[1, 12, 11, 1]", [&] { ssim_grad(a, turned, 255); });
  expect_error(shape, "11 x 11", [&] { ssim(low, low, 255); });
  expect_error(shape, "11 x 11", [&] { ssim_grad(low, low, 255); });
  expect_error(usage, "peak", [&] { ssim(a, a, 0); });
}

}  // namespace
}  // namespace sr

#include "idn/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tensor/error.h"

namespace sr {
namespace {

// Something with structure: waves and noise in 0..255.
Tensor image(Shape shape, unsigned seed, double noise) {
  std::mt19937 random(seed);
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) {
    const double wave = 128 + 60 * std::sin(static_cast<double>(i / shape.c % shape.w) / 4) +
                        40 * std::cos(static_cast<double>(i / (shape.c * shape.w)) / 3);
    t.data()[i] = static_cast<float>(wave + noise * (static_cast<double>(random() % 2001) / 1000 - 1));
  }
  return t;
}

TEST(Psnr, IsTheFormula) {
  const Tensor a = Tensor::from({1, 2, 2, 1}, std::vector<float>{10, 20, 30, 40});
  const Tensor b = Tensor::from({1, 2, 2, 1}, std::vector<float>{11, 18, 30, 43});
  EXPECT_NEAR(psnr(a, b, 255), 10 * std::log10(255 * 255 / ((1 + 4 + 0 + 9) / 4.0)), 1e-12);
  EXPECT_NEAR(psnr(a, b, 1), 10 * std::log10(1 / 3.5), 1e-12);
  EXPECT_EQ(psnr(a, a, 255), std::numeric_limits<double>::infinity());
}

TEST(Psnr, TakesChannelViews) {
  const Tensor a = image({1, 9, 7, 4}, 1, 20), b = image({1, 9, 7, 4}, 2, 20);
  EXPECT_EQ(psnr(a.channels(1, 3), b.channels(1, 3), 255),
            psnr(a.channels(1, 3).clone(), b.channels(1, 3).clone(), 255));
}

TEST(Metrics, ShapesThatDoNotFitAreErrors) {
  const Tensor a = image({1, 11, 12, 1}, 1, 5);
  EXPECT_THROW(psnr(a, image({1, 12, 11, 1}, 1, 5), 255), Error);
  EXPECT_THROW(psnr(Tensor(), Tensor(), 255), Error);
}

}  // namespace
}  // namespace sr

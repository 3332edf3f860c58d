#include "idn/metrics.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <functional>
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

// The definition, window by window with the two-dimensional kernel and centred moments.
double ssim_by_definition(const Tensor& a, const Tensor& b, double peak) {
  const int64_t h = a.shape().h, w = a.shape().w;
  double total = 0;
  int64_t windows = 0;
  for (int64_t y = 5; y + 5 < h; ++y)
    for (int64_t x = 5; x + 5 < w; ++x, ++windows) {
      const auto mean = [&](const std::function<double(double, double)>& f) {
        double sum = 0, weights = 0;
        for (int64_t dy = -5; dy <= 5; ++dy)
          for (int64_t dx = -5; dx <= 5; ++dx) {
            const double weight = std::exp(-static_cast<double>(dx * dx + dy * dy) / (2 * 1.5 * 1.5));
            const int64_t i = (y + dy) * w + x + dx;
            sum += weight * f(a.data()[i], b.data()[i]);
            weights += weight;
          }
        return sum / weights;
      };
      const double ma = mean([](double p, double) { return p; }),
                   mb = mean([](double, double q) { return q; });
      const double va = mean([&](double p, double) { return (p - ma) * (p - ma); });
      const double vb = mean([&](double, double q) { return (q - mb) * (q - mb); });
      const double cov = mean([&](double p, double q) { return (p - ma) * (q - mb); });
      const double c1 = std::pow(0.01 * peak, 2), c2 = std::pow(0.03 * peak, 2);
      total += (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
    }
  return total / static_cast<double>(windows);
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

TEST(Ssim, IsTheDefinition) {
  for (const Shape& s : {Shape{1, 11, 11, 1}, {1, 11, 30, 1}, {1, 23, 11, 1}, {1, 29, 34, 1}}) {
    const Tensor a = image(s, 1, 5), b = image(s, 2, 30);
    EXPECT_NEAR(ssim(a, b, 255), ssim_by_definition(a, b, 255), 1e-11) << s;
    EXPECT_NEAR(ssim(a, b, 400), ssim_by_definition(a, b, 400), 1e-11) << s;
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
  const Tensor a = image({2, 15, 17, 3}, 1, 5), b = image({2, 15, 17, 3}, 2, 30);
  const Tensor va = a.channels(1, 2), vb = b.channels(1, 2);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const double one = ssim(va, vb, 255);
  omp_set_num_threads(3);
  EXPECT_EQ(ssim(va, vb, 255), one);
  omp_set_num_threads(before);
  double sum = 0;
  for (int64_t n = 0; n < 2; ++n) {
    Tensor pa({1, 15, 17, 1}), pb({1, 15, 17, 1});
    for (int64_t i = 0; i < 15 * 17; ++i) {
      pa.data()[i] = a.data()[(n * 15 * 17 + i) * 3 + 1];
      pb.data()[i] = b.data()[(n * 15 * 17 + i) * 3 + 1];
    }
    sum += ssim(pa, pb, 255);
  }
  EXPECT_NEAR(one, sum / 2, 1e-12);
}

TEST(Metrics, ShapesThatDoNotFitAreErrors) {
  const Tensor a = image({1, 11, 12, 1}, 1, 5);
  EXPECT_THROW(psnr(a, image({1, 12, 11, 1}, 1, 5), 255), Error);
  EXPECT_THROW(psnr(Tensor(), Tensor(), 255), Error);
  EXPECT_THROW(ssim(a, image({1, 12, 11, 1}, 1, 5), 255), Error);
  EXPECT_THROW(ssim(image({1, 10, 12, 1}, 1, 5), image({1, 10, 12, 1}, 1, 5), 255), Error);
  EXPECT_THROW(ssim(image({1, 12, 12, 2}, 1, 5), image({1, 12, 12, 2}, 1, 5), 255), Error);
}

}  // namespace
}  // namespace sr

#include "tensor/ops/loss.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "tests/support/expect_error.h"
#include "tests/support/reference.h"

namespace sr {
namespace {

const std::vector<float> kX{1, -2, 3, 5}, kTarget{1, 2, 2.5, 5.25};  // differences 0, -4, 0.5, -0.25

Tensor square(const std::vector<float>& values) {
  return Tensor::from({1, 2, 2, 1}, values);
}

TEST(Loss, IsTheFormula) {
  EXPECT_EQ(l1_loss(square(kX), square(kTarget)), 4.75 / 4);
  EXPECT_EQ(l2_loss(square(kX), square(kTarget)), (16 + 0.25 + 0.0625) / 4);
}

TEST(Loss, GradientIsTheFormulaAndZeroWhereTheyAreEqual) {
  EXPECT_EQ(l1_loss_grad(square(kX), square(kTarget)).to_vector(),
            (std::vector<float>{0, -0.25f, 0.25f, -0.25f}));
  EXPECT_EQ(l2_loss_grad(square(kX), square(kTarget)).to_vector(),
            (std::vector<float>{0, -2, 0.25f, -0.125f}));
}

// Spectra of two bands: at right angles, opposite, the same but for brightness, one too dark for an angle,
// and 45 degrees.
const std::vector<float> kSpectra{1, 0, 1, 2, 0.5f, 0.25f, 0.001f, 0, 3, 3},
    kTargets{0, 2, -1, -2, 1, 0.5f, 1, 1, 0, 7};

TEST(Loss, SpectralAngleIsTheMeanOverThePixels) {
  const Tensor x = Tensor::from({1, 1, 5, 2}, kSpectra), target = Tensor::from({1, 1, 5, 2}, kTargets);
  EXPECT_NEAR(spectral_angle(x, target), std::numbers::pi * (0.5 + 1 + 0 + 0 + 0.25) / 5, 1e-15);
  // Angles so small that the cosine's double is 1.
  const Tensor near = Tensor::from({1, 1, 1, 2}, std::vector<float>{1, 1e-9f}),
               axis = Tensor::from({1, 1, 1, 2}, std::vector<float>{1, 0});
  EXPECT_NEAR(spectral_angle(near, axis), 1e-9, 1e-16);
}

TEST(Loss, SpectralAnglesGradientTurnsAndHasNoLength) {
  const Tensor x = Tensor::from({1, 1, 5, 2}, kSpectra), target = Tensor::from({1, 1, 5, 2}, kTargets);
  const float eighth = 1 / 6.0f / 5;  // of (3, 3): 1 / |x| along (1, -1) / sqrt 2
  const std::vector<float> expected{0, -0.2f, 0, 0, 0, 0, 0, 0, eighth, -eighth};
  const std::vector<float> got = spectral_angle_grad(x, target).to_vector();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_FLOAT_EQ(got[i], expected[i]) << i;
}

TEST(Loss, SumsInDouble) {
  // A float32 sum of ones ends at 2^24.
  const int64_t side = 4200;
  Tensor ones(Shape{1, side, side, 1});
  std::fill_n(ones.data(), side * side, 1.0f);
  const Tensor zeros = Tensor::zeros(ones.shape());
  EXPECT_EQ(l1_loss(ones, zeros), 1);
  EXPECT_EQ(l2_loss(zeros, ones), 1);
}

TEST(Loss, AnyNumberOfThreadsAndAnyViewGiveTheSameBits) {
  Random random{3};
  const Shape wide{2, 70, 91, 5};  // three blocks of pixels
  const Tensor x = random_normal(wide, 1, random).channels(1, 3),
               t = random_normal(wide, 1, random).channels(2, 4);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const double l1 = l1_loss(x, t), l2 = l2_loss(x, t), angle = spectral_angle(x, t);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(l1_loss(x.clone(), t.clone()), l1);
    EXPECT_EQ(l2_loss(x.clone(), t.clone()), l2);
    EXPECT_EQ(spectral_angle(x.clone(), t.clone()), angle);
  }
  omp_set_num_threads(before);
  EXPECT_EQ(l1_loss_grad(x, t).to_vector(), l1_loss_grad(x.clone(), t.clone()).to_vector());
  EXPECT_NEAR(l1, reference::l1_loss(reference::Array(x), reference::Array(t)), 1e-14);
  EXPECT_EQ(spectral_angle_grad(x, t).to_vector(), spectral_angle_grad(x.clone(), t.clone()).to_vector());
  EXPECT_NEAR(l2, reference::l2_loss(reference::Array(x), reference::Array(t)), 1e-14);
}

TEST(Loss, NaNShowsInValueAndGradient) {
  std::vector<float> values = kX;
  values[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(l1_loss(square(values), square(kTarget))));
  EXPECT_TRUE(std::isnan(l2_loss(square(values), square(kTarget))));
  EXPECT_TRUE(std::isnan(l1_loss_grad(square(values), square(kTarget)).data()[2]));
  EXPECT_TRUE(std::isnan(l2_loss_grad(square(values), square(kTarget)).data()[2]));
}

TEST(Loss, ShapesThatDoNotFitAreErrors) {
  using enum Error::Kind;
  const Tensor x = square(kX), row = Tensor::from({1, 1, 4, 1}, kX), empty;
  using Loss = double (*)(const Tensor&, const Tensor&);
  using Gradient = Tensor (*)(const Tensor&, const Tensor&, int64_t batch);
  for (const Loss loss : {Loss{l1_loss}, Loss{l2_loss}, Loss{spectral_angle}}) {
    expect_error(shape, "[1, 1, 4, 1]", [&] { loss(x, row); });
    expect_error(shape, "empty", [&] { loss(empty, empty); });
  }
  for (const Gradient grad :
       {Gradient{l1_loss_grad}, Gradient{l2_loss_grad}, Gradient{spectral_angle_grad}}) {
    expect_error(shape, "[1, 1, 4, 1]", [&] { grad(x, row, 0); });
    expect_error(shape, "empty", [&] { grad(empty, empty, 0); });
  }
}

}  // namespace
}  // namespace sr

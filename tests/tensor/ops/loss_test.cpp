#include "tensor/ops/loss.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

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
  const double l1 = l1_loss(x, t), l2 = l2_loss(x, t);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(l1_loss(x.clone(), t.clone()), l1);
    EXPECT_EQ(l2_loss(x.clone(), t.clone()), l2);
  }
  omp_set_num_threads(before);
  EXPECT_EQ(l1_loss_grad(x, t).to_vector(), l1_loss_grad(x.clone(), t.clone()).to_vector());
  EXPECT_NEAR(l1, reference::l1_loss(reference::Array(x), reference::Array(t)), 1e-14);
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
  using Gradient = Tensor (*)(const Tensor&, const Tensor&);
  for (const Loss loss : {Loss{l1_loss}, Loss{l2_loss}}) {
    expect_error(shape, "[1, 1, 4, 1]", [&] { loss(x, row); });
    expect_error(shape, "empty", [&] { loss(empty, empty); });
  }
  for (const Gradient grad : {Gradient{l1_loss_grad}, Gradient{l2_loss_grad}}) {
    expect_error(shape, "[1, 1, 4, 1]", [&] { grad(x, row); });
    expect_error(shape, "empty", [&] { grad(empty, empty); });
  }
}

}  // namespace
}  // namespace sr

#include "tensor/ops/activations.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/simd_sets.h"

namespace sr {
namespace {

// Numbers of all sizes, close to each other.
Tensor many_numbers() {
  std::vector<float> values{0.0f, -0.0f};
  for (double v = 1e-6; v < 200; v *= 1.0007)
    for (const double sign : {-1.0, 1.0}) values.push_back(static_cast<float>(sign * v));
  return Tensor::from({1, 1, 1, static_cast<int64_t>(values.size())}, values);
}

TEST(Activations, SiluIsWithinTheStatedBound) {
  const Tensor x = many_numbers(), y = silu(x);
  for (int64_t i = 0; i < x.shape().size(); ++i) {
    const double v = double{x.data()[i]}, exact = v / (1 + std::exp(-std::max(v, -87.0)));
    ASSERT_NEAR(double{y.data()[i]}, exact, 3e-7 * std::abs(exact)) << v;
  }
}

// A half is taken from the sigmoid: what remains of a small one has the error of the half.
TEST(Activations, TheGateIsWithinTheStatedBound) {
  const Tensor z = many_numbers(), y = gate(z, Tensor::zeros(z.shape()));
  for (int64_t i = 0; i < z.shape().size(); ++i) {
    const double v = double{z.data()[i]}, exact = v * (1 / (1 + std::exp(-v)) - 0.5);
    ASSERT_NEAR(double{y.data()[i]}, exact, 2e-7 * std::abs(v)) << v;
  }
}

TEST(Activations, BitsAreThoseOfAnyInstructionSetAndAnyPlace) {
  const Tensor x = many_numbers();
  const std::vector<float> expected = silu(x).to_vector();
  for_each_simd([&] {
    EXPECT_EQ(silu(x).to_vector(), expected);
    for (const int64_t begin : {1, 2, 3, 5, 8, 13})
      for (const int64_t count : {1, 2, 7, 9, 16, 31}) {
        const std::vector<float> part = silu(x.channels(begin, begin + count)).to_vector();
        EXPECT_EQ(part, std::vector<float>(expected.begin() + begin, expected.begin() + begin + count));
      }
  });
}

TEST(Activations, OtherShapesAreRefused) {
  const Tensor a = Tensor::zeros({1, 2, 3, 4}), b = Tensor::zeros({1, 2, 4, 3});
  expect_error(Error::Kind::shape, "gate: shapes", [&] { gate(a, b); });
  expect_error(Error::Kind::shape, "silu_grad: shapes", [&] { silu_grad(a, b); });
  expect_error(Error::Kind::shape, "gate_grads: shapes", [&] { gate_grads(a, a, b); });
}

}  // namespace
}  // namespace sr

#include "tensor/ops/branches.h"

#include <gtest/gtest.h>

#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/support/reference.h"
#include "tests/support/simd_sets.h"

namespace sr {
namespace {

Branches random_branches() {
  Random random{1};
  return {random_normal({26, 1, 1, 13}, 0.3, random), random_normal({38, 3, 3, 26}, 0.1, random),
          random_normal({19, 1, 1, 38}, 0.2, random), random_normal({19, 1, 1, 13}, 0.3, random)};
}

TEST(Branches, MergedInDoubleTheyAreRoundedOnce) {
  const Branches b = random_branches();
  const reference::Array exact =
      reference::merged_branches(reference::Array(b.expand), reference::Array(b.middle),
                                 reference::Array(b.reduce), reference::Array(b.beside));
  const std::vector<float> merged = merged_branches_exactly(b).to_vector();
  for (size_t i = 0; i < merged.size(); ++i)
    ASSERT_NEAR(double{merged[i]}, exact.values[i], 0x1p-24 * std::abs(exact.values[i]) + 1e-15);
}

TEST(Branches, BitsAreThoseOfAnyInstructionSet) {
  const Branches b = random_branches();
  const std::vector<float> expected = merged_branches(b).to_vector();
  for_each_simd([&] { EXPECT_EQ(merged_branches(b).to_vector(), expected); });
}

TEST(Branches, WeightsThatDoNotFollowOneAnotherAreRefused) {
  using enum Error::Kind;
  Branches b = random_branches();
  b.beside = Tensor::zeros({19, 1, 1, 12});
  expect_error(shape, "do not follow one another", [&] { merged_branches(b); });
  b = random_branches();
  b.reduce = Tensor::zeros({19, 1, 1, 37});
  expect_error(shape, "do not follow one another", [&] { merged_branches_exactly(b); });
  b.middle = Tensor::zeros({38, 2, 2, 26});
  expect_error(shape, "do not follow one another", [&] { merged_branches(b); });
  const Tensor x = Tensor::zeros({2, 1, 1, 3});
  expect_error(shape, "product: 2 x 3 by 2 x 3", [&] { product({x, 3}, {x, 3}, {2, 1, 1, 2}); });
  EXPECT_EQ(product({x, 3}, {x, 3, true}, {2, 1, 1, 2}).shape(), (Shape{2, 1, 1, 2}));
}

}  // namespace
}  // namespace sr

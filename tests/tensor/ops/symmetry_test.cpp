// The symmetries of the square.
#include "tensor/ops/symmetry.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/expect_error.h"

namespace sr {
namespace {

Tensor counted_up(const Shape& shape) {
  Tensor x(shape);
  for (int64_t i = 0; i < shape.size(); ++i) x.data()[i] = static_cast<float>(i);
  return x;
}

TEST(Symmetry, OnesOfASmallImageAreThoseDrawnOnPaper) {
  // 0 1 2
  // 3 4 5
  const Tensor x = counted_up({1, 2, 3, 1});
  const std::vector<std::vector<float>> drawn{{0, 1, 2, 3, 4, 5}, {3, 4, 5, 0, 1, 2}, {2, 1, 0, 5, 4, 3},
                                              {5, 4, 3, 2, 1, 0}, {0, 3, 1, 4, 2, 5}, {2, 5, 1, 4, 0, 3},
                                              {3, 0, 4, 1, 5, 2}, {5, 2, 4, 1, 3, 0}};
  for (int s = 0; s < kSymmetries; ++s) {
    EXPECT_EQ(turned(x, s).to_vector(), drawn[static_cast<size_t>(s)]) << s;
    EXPECT_EQ(turned(x, s).shape(), (s < 4 ? Shape{1, 2, 3, 1} : Shape{1, 3, 2, 1})) << s;
  }
}

TEST(Symmetry, TurningBackUndoesEachOfSeveralImagesAndChannels) {
  const Tensor x = counted_up({2, 5, 3, 4}), view = x.channels(1, 3);
  for (int s = 0; s < kSymmetries; ++s) {
    EXPECT_EQ(turned_back(turned(x, s), s).to_vector(), x.to_vector()) << s;
    EXPECT_EQ(turned(view, s).to_vector(), turned(view.clone(), s).to_vector()) << s;
  }
}

TEST(Symmetry, ThereAreEight) {
  expect_error(Error::Kind::usage, "0 to 7", [] { turned(counted_up({1, 2, 2, 1}), 8); });
  expect_error(Error::Kind::usage, "0 to 7", [] { turned_back(counted_up({1, 2, 2, 1}), -1); });
}

}  // namespace
}  // namespace sr

#include "idn/ensemble.h"

#include <gtest/gtest.h>

#include "tensor/ops/symmetry.h"

namespace sr {
namespace {

constexpr int64_t kHeight = 11, kWidth = 14;

// Each pixel's value is its own number, row by row.
Tensor numbered() {
  Tensor x(Shape{1, kHeight, kWidth, 1});
  for (int64_t i = 0; i < kHeight * kWidth; ++i) x.data()[i] = static_cast<float>(i);
  return x;
}

// The place in `turned` of the pixel with that number.
bands::Origin place_of(float number, const Tensor& turned) {
  int64_t at = 0;
  while (turned.data()[at] != number) ++at;
  return {at / turned.shape().w, at % turned.shape().w};
}

// Where a turned part begins in the turned scene, counted from where the turned scene begins: else a part's
// tiles would lie in another grid than the scene's.
TEST(Ensemble, ATurnedPartBeginsWhereItLiesInTheTurnedScene) {
  const Tensor scene = numbered();
  const int64_t row = 3, column = 4, h = 5, w = 7;
  Tensor part(Shape{1, h, w, 1});
  for (int64_t i = 0; i < h * w; ++i) part.data()[i] = scene.data()[(row + i / w) * kWidth + column + i % w];
  for (int symmetry = 0; symmetry < kSymmetries; ++symmetry) {
    const bands::Origin of_scene = turned_origin({0, 0}, scene.shape(), symmetry);
    const bands::Origin of_part = turned_origin({row, column}, part.shape(), symmetry);
    const bands::Origin lies = place_of(turned(part, symmetry).data()[0], turned(scene, symmetry));
    EXPECT_EQ(of_part.row - of_scene.row, lies.row) << symmetry;
    EXPECT_EQ(of_part.column - of_scene.column, lies.column) << symmetry;
  }
}

}  // namespace
}  // namespace sr

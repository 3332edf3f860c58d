#include "io/tiff/tags/grid_files.h"

#include <gtest/gtest.h>

namespace sr {
namespace {

TEST(FittedGrid, IsTheLeastSquaresFit) {
  const auto point = [](double column, double row, double off = 0) {
    return std::vector<double>{column, row, 0, 5e5 + 8 * column + 3 * row + off, 5e6 + 2 * column - 9 * row,
                               0};
  };
  const auto fit = [](const std::vector<std::vector<double>>& points) {
    std::vector<double> all;
    for (const auto& p : points) all.insert(all.end(), p.begin(), p.end());
    return fitted_grid(all);
  };
  const auto exact = fit({point(10, 20), point(4000, 30), point(50, 3000), point(4100, 2900)});
  ASSERT_TRUE(exact);
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR((*exact)[i], (GeoTransform{5e5, 8, 3, 5e6, 2, -9}[i]), 1e-8);
  // Four corners of a square, one of them a metre off: the plane through it is a quarter off everywhere.
  const auto near = fit({point(0, 0, 1), point(100, 0), point(0, 100), point(100, 100)});
  ASSERT_TRUE(near);
  EXPECT_NEAR((*near)[0], 5e5 + 0.75, 1e-8);
  EXPECT_NEAR((*near)[1], 8 - 0.005, 1e-8);
  EXPECT_FALSE(fit({point(0, 0, 12), point(100, 0), point(0, 100), point(100, 100)}))
      << "more than a quarter pixel";
  EXPECT_FALSE(fit({point(0, 0), point(10, 10), point(20, 20)})) << "on one line";
  EXPECT_FALSE(fit({point(0, 0)}));
  EXPECT_FALSE(fit({point(0, 0), point(5, 0)}));
}

}  // namespace
}  // namespace sr

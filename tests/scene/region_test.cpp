// Which pixels a region is.
#include "scene/region.h"

#include <gtest/gtest.h>

#include "io/tiff/tags/georeference.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

TiffInfo scene(std::optional<GeoTransform> grid) {
  TiffInfo info;
  info.width = 100, info.height = 80;
  if (grid) set_geo_transform(info.tags, *grid);
  return info;
}

Window covering(const GeoTransform& grid, const GroundBox& box) {
  return window_of({.pixels = {}, .ground = box}, scene(grid));
}

TEST(Region, ABoxOfWholePixelsIsThosePixelsHoweverItIsRounded) {
  const GeoTransform tenths{0.1, 0.1, 0, 9.3, 0, -0.1};  // none of which is a binary number
  for (int x = 0; x < 97; ++x)
    for (int y = 0; y < 77; ++y) {
      const GroundBox box{0.1 + 0.1 * x, 9.3 - 0.1 * (y + 3), 0.1 + 0.1 * (x + 3), 9.3 - 0.1 * y};
      EXPECT_EQ(covering(tenths, box), (Window{x, y, 3, 3})) << x << ' ' << y;
    }
}

TEST(Region, APartOfAPixelIsThePixel) {
  const GeoTransform north{1000, 10, 0, 2000, 0, -10}, south{1000, 10, 0, 2000, 0, 10};
  EXPECT_EQ(covering(north, {1019, 1979, 1021, 1981}), (Window{1, 1, 2, 2}));
  EXPECT_EQ(covering(south, {1019, 2019, 1021, 2021}), (Window{1, 1, 2, 2}));
  EXPECT_EQ(covering(north, {1001, 1991, 1002, 1992}), (Window{0, 0, 1, 1}));
}

TEST(Region, OfARotatedGridIsTheWindowAroundTheBoxesFourCorners) {
  // A quarter turn, columns to the north and rows to the east: (x, y) = (1000 + 10 row, 2000 + 10 column).
  const GeoTransform turned{1000, 0, 10, 2000, 10, 0};
  EXPECT_EQ(covering(turned, {1020, 2050, 1040, 2100}), (Window{5, 2, 5, 2}));
  // 45 degrees: a square of side 20 around column 40, row 30 reaches sqrt(2) 10 units, one pixel each, away.
  const double s = std::sqrt(0.5);
  const GeoTransform oblique{1000 - 70 * s, s, s, 2000 - 10 * s, s, -s};
  EXPECT_EQ(covering(oblique, {990, 1990, 1010, 2010}), (Window{25, 15, 30, 30}));
}

TEST(Region, ABoxIsCutWhereTheSceneEndsAndRefusedBesideIt) {
  const GeoTransform north{1000, 10, 0, 2000, 0, -10};
  EXPECT_EQ(covering(north, {0, 0, 1005, 5000}), (Window{0, 0, 1, 80}));
  EXPECT_EQ(covering(north, {-1e300, -1e300, 1e300, 1e300}), (Window{0, 0, 100, 80}));
  for (const GroundBox& beside : {GroundBox{0, 0, 1000, 5000}, {2000, 0, 3000, 5000}, {0, 2000, 5000, 3000}})
    expect_error(Error::Kind::usage, "no pixel of the scene", [&] { covering(north, beside); });
}

TEST(Region, ABoxNeedsAGrid) {
  const Region box{.pixels = {}, .ground = GroundBox{0, 0, 1, 1}};
  expect_error(Error::Kind::usage, "no grid on the ground", [&] { window_of(box, scene({})); });
}

TEST(Region, PixelsMustAllBeInTheScene) {
  const auto of_pixels = [](const Window& w) { return window_of({.pixels = w, .ground = {}}, scene({})); };
  EXPECT_EQ(of_pixels({99, 79, 1, 1}), (Window{99, 79, 1, 1}));
  for (const Window& w :
       {Window{99, 0, 2, 1}, {0, 79, 1, 2}, {-1, 0, 3, 3}, {0, 0, 0, 1}, {INT64_MAX, 0, 1, 1}})
    expect_error(Error::Kind::usage, "not within the scene", [&] { of_pixels(w); });
}

}  // namespace
}  // namespace sr

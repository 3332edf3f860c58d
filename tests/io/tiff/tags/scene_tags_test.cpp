#include "io/tiff/tags/scene_tags.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace sr {
namespace {

using Point = std::array<double, 3>;

/// Model coordinates of a pixel corner (column, row), as GDAL computes them from pixel scale and tiepoint.
Point from_scale(const SceneTags& t, double column, double row) {
  const double half = t.pixel_is_point ? 0.5 : 0.0;
  return {t.tiepoints[3] + (column - half - t.tiepoints[0]) * t.pixel_scale[0],
          t.tiepoints[4] - (row - half - t.tiepoints[1]) * t.pixel_scale[1], 0};
}

/// The same from the 4x4 matrix.
Point from_matrix(const SceneTags& t, double column, double row) {
  const double half = t.pixel_is_point ? 0.5 : 0.0;
  Point p{};
  for (size_t i = 0; i < 3; ++i) {
    const double* m = t.transformation.data() + 4 * i;
    p[i] = m[0] * (column - half) + m[1] * (row - half) + m[3];
  }
  return p;
}

template <class F>
void expect_same_corners(const SceneTags& coarse, F&& model_point, double tolerance) {
  for (const int factor : {2, 3, 4}) {
    const SceneTags fine = scaled(coarse, factor);
    for (const auto& [column, row] : {std::pair{0, 0}, {701, 0}, {0, 503}, {701, 503}}) {
      const Point before = model_point(coarse, column, row);
      const Point after = model_point(fine, column * factor, row * factor);
      for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(before[i], after[i], tolerance) << "factor " << factor;
    }
  }
}

SceneTags north_up() {
  SceneTags tags;
  tags.pixel_scale = {10, 12, 5};
  tags.tiepoints = {3, 4, 0, 500000, 5300000, 0};
  return tags;
}

SceneTags rotated() {
  SceneTags tags;
  const double c = 10 * std::cos(0.5), s = 10 * std::sin(0.5);
  tags.transformation = {c, s, 7, 500000, s, -c, 8, 5300000, 0.01, 0.02, 9, 100, 0, 0, 0, 1};
  return tags;
}

TEST(SceneTags, CornersStayWithPixelScaleAndTiepoint) {
  SceneTags tags = north_up();
  expect_same_corners(tags, from_scale, 1e-8);
  tags.pixel_is_point = true;
  expect_same_corners(tags, from_scale, 1e-8);
}

TEST(SceneTags, CornersStayWithRotation) {
  SceneTags tags = rotated();
  expect_same_corners(tags, from_matrix, 1e-8);
  tags.pixel_is_point = true;
  expect_same_corners(tags, from_matrix, 1e-8);
}

TEST(SceneTags, HeightPartsAreUntouched) {
  const SceneTags scale = scaled(north_up(), 2), matrix = scaled(rotated(), 2);
  EXPECT_EQ(scale.pixel_scale, (std::vector<double>{5, 6, 5}));
  EXPECT_EQ(matrix.transformation[2], 7);
  EXPECT_EQ(matrix.transformation[10], 9);
  EXPECT_EQ((std::vector<double>(matrix.transformation.begin() + 12, matrix.transformation.end())),
            (std::vector<double>{0, 0, 0, 1}));
}

TEST(SceneTags, EveryControlPointIsScaled) {
  SceneTags tags;
  tags.tiepoints = {0, 0, 0, 10, 20, 1, 100.5, 50.25, 0, 11, 21, 2};
  EXPECT_EQ(scaled(tags, 3).tiepoints,
            (std::vector<double>{0, 0, 0, 10, 20, 1, 301.5, 150.75, 0, 11, 21, 2}));
  tags.pixel_is_point = true;
  EXPECT_EQ(scaled(tags, 3).tiepoints,
            (std::vector<double>{1, 1, 0, 10, 20, 1, 302.5, 151.75, 0, 11, 21, 2}));
}

TEST(SceneTags, RpcOffsetsArePixelCentresAndScalesGrow) {
  SceneTags tags;
  for (int i = 0; i < 92; ++i) tags.rpc.push_back(i + 0.25);
  const SceneTags fine = scaled(tags, 4);
  // Normalized coordinate of one ground point: the centre of the pixels that meet at a corner of the coarse
  // grid.
  for (const size_t i : {2u, 3u}) {
    const double coarse = (100 - 0.5 - tags.rpc[i]) / tags.rpc[i + 5];
    const double same = (400 - 0.5 - fine.rpc[i]) / fine.rpc[i + 5];
    EXPECT_NEAR(coarse, same, 1e-12);
  }
  for (size_t i = 0; i < 92; ++i) {
    if (i != 2 && i != 3 && i != 7 && i != 8) {
      EXPECT_EQ(fine.rpc[i], tags.rpc[i]) << i;
    }
  }
}

TEST(SceneTags, RpcItemsOfTheMetadataAreScaledAndTheRestIsVerbatim) {
  SceneTags tags;
  tags.gdal_metadata =
      "<GDALMetadata>\n  <Item name=\"LINE_OFF\">7</Item>\n"
      "  <Item name=\"LINE_OFF\" domain=\"RPC\">7</Item>\n  <Item name=\"SAMP_OFF\" domain=\"RPC\"> "
      "+8.5</Item>\n"
      "  <Item name=\"LINE_SCALE\" domain=\"RPC\">100</Item>\n"
      "  <Item name=\"SAMP_SCALE\" domain=\"RPC\">unknown</Item>\n"
      "  <Item name=\"HEIGHT_OFF\" domain=\"RPC\">30</Item>\n</GDALMetadata>\n";
  EXPECT_EQ(scaled(tags, 2).gdal_metadata,
            "<GDALMetadata>\n  <Item name=\"LINE_OFF\">7</Item>\n"
            "  <Item name=\"LINE_OFF\" domain=\"RPC\">14.5</Item>\n  <Item name=\"SAMP_OFF\" "
            "domain=\"RPC\">17.5</Item>\n"
            "  <Item name=\"LINE_SCALE\" domain=\"RPC\">200</Item>\n"
            "  <Item name=\"SAMP_SCALE\" domain=\"RPC\">unknown</Item>\n"
            "  <Item name=\"HEIGHT_OFF\" domain=\"RPC\">30</Item>\n</GDALMetadata>\n");
  for (const char* odd :
       {"", "<Item", "<Item domain=\"RPC\" name=\"LINE_OFF\">3", "plain text", "<Item>", "<<>><Item><"}) {
    tags.gdal_metadata = odd;
    EXPECT_EQ(scaled(tags, 2).gdal_metadata, odd);
  }
}

TEST(SceneTags, StatisticsOfTheSamplesAreNotCarried) {
  SceneTags tags;
  tags.gdal_metadata =
      "<GDALMetadata>\n  <Item name=\"STATISTICS_MEAN\" sample=\"0\">12.5</Item>\n"
      "  <Item name=\"SENSOR\">MY STATISTICS_MEAN</Item>\n"
      "  <Item name=\"STATISTICS_APPROXIMATE\" sample=\"0\"></Item>\n"
      "  <Item name=\"STATISTICS_MAXIMUM\" sample=\"1\">255</Item>\n</GDALMetadata>\n";
  EXPECT_EQ(scaled(tags, 2).gdal_metadata,
            "<GDALMetadata>\n  <Item name=\"SENSOR\">MY STATISTICS_MEAN</Item>\n  </GDALMetadata>\n");
  tags.gdal_metadata =
      "<GDALMetadata>\n  <Item name=\"STATISTICS_MINIMUM\" sample=\"0\">0</Item>\n</GDALMetadata>\n";
  EXPECT_EQ(scaled(tags, 2).gdal_metadata, "");
  tags.gdal_metadata = "<GDALMetadata><Item name=\"STATISTICS_MINIMUM\">0<Item></GDALMetadata>";
  EXPECT_EQ(scaled(tags, 2).gdal_metadata, tags.gdal_metadata) << "damaged";
}

TEST(SceneTags, ResolutionGrowsAndAbsentTagsStayAbsent) {
  SceneTags tags;
  tags.x_resolution = 72;
  tags.y_resolution = 36;
  tags.resolution_unit = 2;
  tags.geo_key_directory = {1, 1, 0, 0};
  tags.gdal_nodata = "-9999";
  tags.orientation = 6;
  const SceneTags fine = scaled(tags, 3);
  EXPECT_EQ(fine.x_resolution, 216);
  EXPECT_EQ(fine.y_resolution, 108);
  EXPECT_EQ(fine.resolution_unit, 2);
  EXPECT_EQ(fine.geo_key_directory, tags.geo_key_directory);
  EXPECT_EQ(fine.gdal_nodata, "-9999");
  EXPECT_EQ(fine.orientation, 6);
  const SceneTags none = scaled(SceneTags{}, 2);
  EXPECT_TRUE(none.pixel_scale.empty() && none.tiepoints.empty() && none.transformation.empty());
  EXPECT_TRUE(none.rpc.empty() && none.gdal_metadata.empty());
  EXPECT_EQ(none.x_resolution, 0);
}

TEST(SceneTags, TagsOfTheWrongLengthAreCarriedWithoutACrash) {
  SceneTags tags;
  tags.pixel_scale = {1};
  tags.tiepoints = {1, 2, 3};
  tags.transformation = {1, 2, 3, 4};
  tags.rpc = {1, 2, 3, 4};
  const SceneTags fine = scaled(tags, 2);
  EXPECT_EQ(fine.tiepoints, tags.tiepoints);
  EXPECT_EQ(fine.transformation, tags.transformation);
  EXPECT_EQ(fine.rpc, tags.rpc);
}

}  // namespace
}  // namespace sr

#include "io/tiff/tags/georeference.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace sr {
namespace {

SceneTags with_scale() {
  SceneTags tags;
  tags.pixel_scale = {10, 12, 5};
  tags.tiepoints = {3, 4, 0, 500000, 5300000, 0};
  return tags;
}

SceneTags with_matrix() {
  SceneTags tags;
  tags.transformation = {8, 3, 7, 500000, 2, -9, 8, 5300000, 0.5, 0.25, 9, 100, 0, 0, 0, 1};
  return tags;
}

SceneTags centres(SceneTags tags) {
  tags.pixel_is_point = true;
  return tags;
}

GeoTransform grid(const SceneTags& tags) {
  return geo_transform_of(tags).value();
}

TEST(GeoTransform, SpeaksOfPixelCornersWhateverTheTagsNameRasterPointsBy) {
  EXPECT_EQ(grid(with_scale()), (GeoTransform{499970, 10, 0, 5300048, 0, -12}));
  EXPECT_EQ(grid(centres(with_scale())), (GeoTransform{499965, 10, 0, 5300054, 0, -12}));
  EXPECT_EQ(grid(with_matrix()), (GeoTransform{500000, 8, 3, 5300000, 2, -9}));
  EXPECT_EQ(grid(centres(with_matrix())), (GeoTransform{499994.5, 8, 3, 5300003.5, 2, -9}));
}

TEST(GeoTransform, ScaleAndTiePointComeBeforeTheMatrix) {
  SceneTags tags = with_scale();
  tags.transformation = with_matrix().transformation;
  EXPECT_EQ(geo_transform_of(tags), geo_transform_of(with_scale()));
  tags.tiepoints.clear();
  EXPECT_FALSE(geo_transform_of(tags)) << "a scale alone, and still no matrix";
  tags.pixel_scale = {10, 0, 0};
  EXPECT_EQ(geo_transform_of(tags), geo_transform_of(with_matrix()));
}

TEST(GeoTransform, NeitherControlPointsNorHalfATagMakeAGrid) {
  EXPECT_FALSE(geo_transform_of(SceneTags()));
  SceneTags tags;
  tags.tiepoints = {0, 0, 0, 10, 20, 1, 100.5, 50.25, 0, 11, 21, 2};
  EXPECT_FALSE(geo_transform_of(tags));
  tags.transformation = {1, 0, 0, 0, 1, 0};
  EXPECT_FALSE(geo_transform_of(tags));
}

TEST(GeoTransform, ANegativeScaleIsTakenForNorthUp) {
  SceneTags tags = with_scale();
  tags.pixel_scale[1] = -12;
  EXPECT_EQ(geo_transform_of(tags), geo_transform_of(with_scale()));
}

TEST(GeoTransform, IsReadAsItWasSet) {
  for (const GeoTransform& wanted :
       {GeoTransform{500, 10, 0, 600, 0, -12}, GeoTransform{500, 10, 0, 600, 0, 12},
        GeoTransform{500, -10, 0, 600, 0, -12}, GeoTransform{500, 8, 3, 600, 2, -9}})
    for (SceneTags tags : {with_scale(), with_matrix(), centres(with_scale()), centres(SceneTags())}) {
      set_geo_transform(tags, wanted);
      EXPECT_EQ(grid(tags), wanted);
      EXPECT_NE(tags.pixel_scale.empty(), tags.transformation.empty()) << "one way or the other";
    }
}

TEST(Georeference, LosesTagsThatContradictTheOneThatIsTaken) {
  SceneTags tags = with_scale();
  tags.transformation = with_matrix().transformation;
  drop_unused_georeference(tags);
  EXPECT_TRUE(tags.transformation.empty());
  EXPECT_EQ(tags.pixel_scale, with_scale().pixel_scale);
  EXPECT_EQ(tags.tiepoints, with_scale().tiepoints);

  tags.pixel_scale = {0, 0, 0};
  tags.transformation = with_matrix().transformation;
  drop_unused_georeference(tags);
  EXPECT_TRUE(tags.pixel_scale.empty() && tags.tiepoints.empty());
  EXPECT_EQ(tags.transformation, with_matrix().transformation);

  tags = SceneTags();
  tags.tiepoints = {0, 0, 0, 10, 20, 1, 100.5, 50.25, 0, 11, 21, 2};
  tags.transformation = {1, 2, 3};
  drop_unused_georeference(tags);
  EXPECT_EQ(tags.tiepoints.size(), 12u) << "control points are a georeference of their own";
  EXPECT_TRUE(tags.transformation.empty());
}

TEST(Cropped, CornersStay) {
  for (const SceneTags& whole :
       {with_scale(), with_matrix(), centres(with_scale()), centres(with_matrix())}) {
    const GeoTransform g = grid(whole), part = grid(cropped(whole, 40, 30));
    EXPECT_EQ(part, (GeoTransform{g[0] + 40 * g[1] + 30 * g[2], g[1], g[2], g[3] + 40 * g[4] + 30 * g[5],
                                  g[4], g[5]}));
  }
  EXPECT_EQ(cropped(with_matrix(), 40, 30).transformation[11], 127.5) << "heights too";
}

TEST(Cropped, EveryControlPointMoves) {
  SceneTags tags;
  tags.tiepoints = {0, 0, 0, 10, 20, 1, 100.5, 50.25, 0, 11, 21, 2};
  EXPECT_EQ(cropped(tags, 40, 30).tiepoints,
            (std::vector<double>{-40, -30, 0, 10, 20, 1, 60.5, 20.25, 0, 11, 21, 2}));
}

TEST(Cropped, RpcOffsetsMoveInTheTagAndInTheMetadata) {
  SceneTags tags;
  for (int i = 0; i < 92; ++i) tags.rpc.push_back(i);
  tags.gdal_metadata =
      "<GDALMetadata>\n  <Item name=\"LINE_OFF\">7</Item>\n  <Item name=\"LINE_OFF\" "
      "domain=\"RPC\">7.25</Item>\n"
      "  <Item name=\"SAMP_OFF\" domain=\"RPC\"> +8.5</Item>\n  <Item name=\"SAMP_SCALE\" "
      "domain=\"RPC\">5</Item>\n"
      "  <Item name=\"note\">a &amp; b &lt;c&gt;</Item>\n</GDALMetadata>\n";
  const SceneTags part = cropped(tags, 40, 30);
  for (size_t i = 0; i < 92; ++i) EXPECT_EQ(part.rpc[i], tags.rpc[i] - (i == 2 ? 30 : i == 3 ? 40 : 0)) << i;
  EXPECT_EQ(
      part.gdal_metadata,
      "<GDALMetadata>\n  <Item name=\"LINE_OFF\">7</Item>\n  <Item name=\"LINE_OFF\" domain=\"RPC\">-22.75"
      "</Item>\n  <Item name=\"SAMP_OFF\" domain=\"RPC\">-31.5</Item>\n  <Item name=\"SAMP_SCALE\" "
      "domain=\"RPC\">5</Item>\n  <Item name=\"note\">a &amp; b &lt;c&gt;</Item>\n</GDALMetadata>\n");
  for (const char* odd :
       {"", "LINE_OFF", "<Item", "<GDALMetadata><Item name=\"LINE_OFF\" domain=\"RPC\">3"}) {
    tags.gdal_metadata = odd;
    EXPECT_EQ(cropped(tags, 40, 30).gdal_metadata, odd) << "damaged, or without RPC";
  }
}

TEST(Cropped, TheWholePictureKeepsItsTags) {
  SceneTags tags = with_scale();
  tags.gdal_metadata = "<GDALMetadata><Item name=\"A\">1</Item></GDALMetadata>";
  tags.description = "text";
  const SceneTags same = cropped(tags, 0, 0);
  EXPECT_EQ(same.tiepoints, tags.tiepoints);
  EXPECT_EQ(same.gdal_metadata, tags.gdal_metadata);
  EXPECT_EQ(same.description, "text");
}

TEST(Cropped, TagsOfTheWrongLengthAreCarriedWithoutACrash) {
  SceneTags tags;
  tags.tiepoints = {1, 2, 3};
  tags.transformation = {1, 2, 3, 4};
  tags.rpc = {1, 2, 3};
  const SceneTags part = cropped(tags, 40, 30);
  EXPECT_EQ(part.tiepoints, tags.tiepoints);
  EXPECT_EQ(part.transformation, tags.transformation);
  EXPECT_EQ(part.rpc, tags.rpc);
}

}  // namespace
}  // namespace sr

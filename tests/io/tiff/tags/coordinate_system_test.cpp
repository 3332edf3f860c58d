#include "io/tiff/tags/coordinate_system.h"

#include <gtest/gtest.h>

namespace sr {
namespace {

constexpr const char* kWkt =
    "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS "
    "84\",6378137,298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],"
    "AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.0174532925199433],"
    "AUTHORITY[\"EPSG\",\"4326\"]]";

TEST(CoordinateSystem, TheCodeOfTheWholeIsFoundAndNoneOfItsParts) {
  EXPECT_EQ(epsg_of(kWkt), 4326);
  EXPECT_EQ(epsg_of("PROJCRS[\"a\",BASEGEOGCRS[\"b\",ID[\"EPSG\",4326]],\n  ID[\"EPSG\",32631]]\n"), 32631);
  EXPECT_EQ(epsg_of("EPSG:2056"), 2056);
  EXPECT_FALSE(epsg_of("GEOGCS[\"a\",UNIT[\"degree\",0.01,AUTHORITY[\"EPSG\",\"9122\"]]]"));
  EXPECT_FALSE(epsg_of("PROJCS[\"a\",AUTHORITY[\"ESRI\",\"102100\"]]"));
  EXPECT_FALSE(epsg_of(""));
}

TEST(CoordinateSystem, KeysSayModelRasterAndCode) {
  SceneTags tags;
  tags.pixel_is_point = true;
  EXPECT_TRUE(set_epsg(tags, 32631));
  EXPECT_EQ(tags.geo_key_directory,
            (std::vector<uint16_t>{1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32631}));
  tags.geo_ascii_params = "citation|";
  EXPECT_TRUE(set_epsg(tags, 32631));
  EXPECT_EQ(tags.geo_ascii_params, "citation|") << "the same system, as it was";
  EXPECT_TRUE(set_epsg(tags, 4258));
  EXPECT_EQ(tags.geo_key_directory,
            (std::vector<uint16_t>{1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 2, 2048, 0, 1, 4258}));
  EXPECT_TRUE(tags.geo_ascii_params.empty());
  const SceneTags before = tags;
  for (const int other : {5703, 1, 0, 99999}) EXPECT_FALSE(set_epsg(tags, other)) << other;
  EXPECT_EQ(tags.geo_key_directory, before.geo_key_directory);
}

}  // namespace
}  // namespace sr

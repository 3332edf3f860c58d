#include "training/dataset/source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "io/tiff/tags/coordinate_system.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"
#include "tests/support/training_images.h"

namespace sr {
namespace {

class TrainingSourceTest : public testing::Test {
 protected:
  // Opens a pair whose images have these tags.
  void open_pair(const SceneTags& coarse, const SceneTags& fine) {
    write_tiff(folder_ / "coarse.tif", landscape_image(30, 20, 1), [&](TiffInfo& i) { i.tags = coarse; });
    write_tiff(folder_ / "fine.tif", landscape_image(90, 60, 1), [&](TiffInfo& i) { i.tags = fine; });
    TrainingSource(folder_ / "coarse.tif", folder_ / "fine.tif", 3);
  }

  TestFolder folder_;
};

SceneTags grid(double pixel) {
  SceneTags tags;
  tags.pixel_scale = {pixel, pixel, 0};
  tags.tiepoints = {0, 0, 0, 500000, 5300000, 0};
  return tags;
}

SceneTags turned_grid() {
  const double a = 0.3, c = 30 * std::cos(a), s = 30 * std::sin(a);
  SceneTags tags;
  tags.transformation = {c, s, 0, 500000, s, -c, 0, 5300000, 0, 0, 0, 0, 0, 0, 0, 1};
  return tags;
}

SceneTags centres(SceneTags tags) {
  constexpr uint16_t kRasterType = 1025, kPixelIsPoint = 2;
  tags.geo_key_directory = {1, 1, 0, 1, kRasterType, 0, 1, kPixelIsPoint};
  tags.pixel_is_point = true;
  return tags;
}

TEST_F(TrainingSourceTest, AnyGeoreferenceAgreesWithItselfOnTheFinerGridAndNotWithAShiftedOne) {
  for (const SceneTags& coarse : {grid(30), turned_grid(), centres(grid(30)), centres(turned_grid())}) {
    SceneTags fine = scaled(coarse, 3);
    open_pair(coarse, fine);
    if (fine.transformation.empty())
      fine.tiepoints[3] += 8;  // 0.8 fine pixels
    else
      fine.transformation[3] += 8;
    expect_error(Error::Kind::shape, "0.8 fine pixels", [&] { open_pair(coarse, fine); });
  }
}

// The same numbers name centres in one image and corners in the other: one coarse pixel is one fine pixel
// off.
TEST_F(TrainingSourceTest, PixelCentresAndCornersAreToldApart) {
  expect_error(Error::Kind::shape, "fine pixels", [&] { open_pair(centres(grid(30)), grid(10)); });
}

TEST_F(TrainingSourceTest, AMatrixBesideScaleAndTiePointCountsForNothing) {
  SceneTags coarse = grid(30);
  coarse.transformation = turned_grid().transformation;
  open_pair(coarse, grid(10));
  std::swap(coarse.transformation[3], coarse.transformation[7]);
  open_pair(coarse, grid(10));
}

TEST_F(TrainingSourceTest, AWorldFileSpeaksOfPixelCentresWhateverTheKeysSay) {
  std::ofstream(folder_ / "coarse.tfw") << "30\n0\n0\n-30\n500015\n5299985\n";
  open_pair(centres({}), grid(10));
  open_pair({}, grid(10));
  std::ofstream(folder_ / "coarse.tfw") << "30\n0\n0\n-30\n500000\n5300000\n";
  expect_error(Error::Kind::shape, "fine pixels", [&] { open_pair(centres({}), grid(10)); });
}

TEST_F(TrainingSourceTest, APairInTwoCoordinateSystemsIsRefused) {
  const auto in = [&](int epsg, double pixel) {
    SceneTags tags = grid(pixel);
    EXPECT_TRUE(set_epsg(tags, epsg));
    return tags;
  };
  open_pair(in(32632, 30), in(32632, 10));
  open_pair(in(4326, 30), in(4326, 10));
  open_pair(in(32632, 30), grid(10));  // not said of one
  expect_error(Error::Kind::shape, "EPSG:32632, that of its pair",
               [&] { open_pair(in(32632, 30), in(32633, 10)); });
  expect_error(Error::Kind::shape, "EPSG:4326; bring both", [&] { open_pair(in(32632, 30), in(4326, 10)); });
  SceneTags own = in(4326, 30);  // a projection of its own on WGS 84, which is no system in degrees
  for (uint16_t& value : own.geo_key_directory)
    if (value == 4326) value = 32767;
  open_pair(own, in(4326, 10));
}

TEST_F(TrainingSourceTest, WithoutGeoreferenceInBothOnlySizesAreCompared) {
  open_pair(grid(30), SceneTags());
  open_pair(SceneTags(), grid(1));
}

TEST_F(TrainingSourceTest, AWindowIsCompleteOnlyWhereBothImagesOfAPairAre) {
  Raster coarse = landscape_image(30, 20, 1, 1, SampleType::f32);
  Raster fine = landscape_image(60, 40, 1, 1, SampleType::f32);
  coarse.data<float>()[0] = std::nanf("");
  fine.data<float>()[60 * 40 - 1] = std::nanf("");
  write_tiff(folder_ / "coarse.tif", coarse);
  write_tiff(folder_ / "fine.tif", fine);
  TrainingSource source(folder_ / "coarse.tif", folder_ / "fine.tif", 2);
  EXPECT_FALSE(source.read({0, 0, 20, 20}).complete);
  EXPECT_TRUE(source.read({20, 0, 20, 20}).complete);
  EXPECT_FALSE(source.read({40, 20, 20, 20}).complete);
  EXPECT_EQ(source.read({40, 20, 20, 20}).down->window, (Window{20, 10, 10, 10}));
}

TEST(Deviations, AreThoseOfTheBandsAskedFor) {
  Raster raster({0, 0, 4, 1}, 3, SampleType::f64);
  const double values[] = {1e9, 5, 0, 1e9 + 2, 5, 100, 1e9, 5, 0, 1e9 + 2, 5, 100};
  std::copy(std::begin(values), std::end(values), raster.data<double>());
  EXPECT_EQ(deviations(raster, {0, 1, 2}), (std::vector<double>{1, 0, 50}));
  EXPECT_EQ(deviations(raster, {2}), std::vector<double>{50});
}

}  // namespace
}  // namespace sr

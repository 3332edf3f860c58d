// Means that can be done on paper.
#include "io/tiff/output/overview.h"

#include <gtest/gtest.h>
#include <tiff.h>

#include <cmath>
#include <limits>

namespace sr {
namespace {

template <class T>
constexpr SampleType type_of() {
  if constexpr (std::is_same_v<T, uint8_t>) return SampleType::u8;
  if constexpr (std::is_same_v<T, int16_t>) return SampleType::i16;
  if constexpr (std::is_same_v<T, uint32_t>) return SampleType::u32;
  if constexpr (std::is_same_v<T, float>) return SampleType::f32;
  return SampleType::f64;
}

// The samples of the pixels in a row of width w, [row][column][band].
template <class T>
Raster raster_of(int64_t w, int bands, const std::vector<T>& samples) {
  const int64_t h = std::ssize(samples) / bands / w;
  Raster raster({0, 0, w, h}, bands, type_of<T>());
  std::copy(samples.begin(), samples.end(), raster.data<T>());
  return raster;
}

template <class T>
std::vector<T> samples_of(const Raster& raster) {
  return {raster.data<T>(), raster.data<T>() + raster.window.pixels() * raster.bands};
}

// What one pixel of the overview becomes of four.
template <class T>
T mean_of(const std::vector<T>& four, const OverviewRule& rule = {}) {
  return samples_of<T>(halved(raster_of<T>(2, 1, four), rule, {1, 1})).at(0);
}

TEST(Overview, SidesAreHalvedAndRoundedDownUntilBothFitIntoABlock) {
  const auto sizes = [](int64_t w, int64_t h) {
    std::vector<std::pair<int64_t, int64_t>> list;
    for (const auto& [width, height] : overview_sizes(w, h, 512)) list.emplace_back(width, height);
    return list;
  };
  using Sizes = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(sizes(512, 512), Sizes());
  EXPECT_EQ(sizes(513, 1), (Sizes{{256, 1}}));
  EXPECT_EQ(sizes(2051, 1023), (Sizes{{1025, 511}, {512, 255}}));
}

TEST(Overview, IntegersAreRoundedHalfAwayFromZero) {
  EXPECT_EQ(mean_of<uint8_t>({1, 1, 2, 2}), 2);  // 1.5
  EXPECT_EQ(mean_of<uint8_t>({1, 1, 1, 2}), 1);  // 1.25
  EXPECT_EQ(mean_of<uint8_t>({255, 255, 255, 255}), 255);
  EXPECT_EQ(mean_of<int16_t>({-1, -1, -2, -2}), -2);  // -1.5
  EXPECT_EQ(mean_of<int16_t>({-1, -1, -1, -2}), -1);
  EXPECT_EQ(mean_of<int16_t>({-1, 0, 0, 0}), 0);
  EXPECT_EQ(mean_of<int16_t>({-1, -1, 0, 0}), -1);  // -0.5
  EXPECT_EQ(mean_of<uint32_t>({4294967295u, 4294967295u, 4294967295u, 4294967293u}), 4294967295u);
  EXPECT_EQ(mean_of<float>({0.25f, 0.5f, 0.5f, 0.25f}), 0.375f);
}

TEST(Overview, NoDataIsLeftOutOfTheMean) {
  const OverviewRule nodata{.nodata = -9999};
  EXPECT_EQ(mean_of<int16_t>({-9999, 10, -9999, 21}, nodata), 16);  // 15.5
  EXPECT_EQ(mean_of<int16_t>({-9999, -9999, -9999, 21}, nodata), 21);
  EXPECT_EQ(mean_of<int16_t>({-9999, -9999, -9999, -9999}, nodata), -9999);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(mean_of<float>({nan, 1, nan, 2}), 1.5f);
  EXPECT_EQ(mean_of<float>({nan, 1, std::numeric_limits<float>::infinity(), -1e38f}), 1.0f);
  EXPECT_TRUE(std::isnan(mean_of<float>({nan, nan, nan, nan})));
  EXPECT_EQ(mean_of<float>({nan, 1, 2, 3}, {.nodata = 2.0}), 2.0f - 16 * 1.1920929e-7f)
      << "a mean of 2 is not no-data, and neither is it to GDAL";
}

// GDAL masks floats that are nearer to no-data than two units in the last place of their sum.
TEST(Overview, FloatsBesideNoDataAreNoDataAsForGdal) {
  const OverviewRule nodata{.nodata = 1000};
  EXPECT_EQ(mean_of<float>({1000.0003f, 7, 1000, 7}, nodata), 7);
  EXPECT_EQ(mean_of<float>({1001, 7, 1000, 7}, nodata), static_cast<float>(1015 / 3.0));
  const OverviewRule lowest{.nodata = std::numeric_limits<float>::lowest()};
  EXPECT_EQ(mean_of<float>({-3.4028235e38f, 7, -2e31f, 7}, lowest), 7);
}

TEST(Overview, AMeanThatWouldBeNoDataTakesTheValueBesideIt) {
  EXPECT_EQ(mean_of<uint8_t>({4, 6, 4, 6}, {.nodata = 5}), 4);
  EXPECT_EQ(mean_of<uint8_t>({4, 7, 5, 5}, {.nodata = 5}), 6);  // 5.5 of 4 and 7
  EXPECT_EQ(mean_of<uint8_t>({0, 1, 0, 1}, {.nodata = 0}), 1);
  EXPECT_NE(mean_of<float>({-1, 1, -1, 1}, {.nodata = 0}), 0.0f);
}

TEST(Overview, MaskedPixelsAreLeftOutAndOneThatIsNotMakesThePixelValid) {
  Raster fine = raster_of<uint8_t>(4, 1, {200, 10, 200, 201, 200, 20, 202, 203});
  fine.mask = {0, 1, 0, 0, 0, 1, 0, 0};
  const Raster coarse = halved(fine, {}, {2, 1});
  EXPECT_EQ(samples_of<uint8_t>(coarse), (std::vector<uint8_t>{15, 200}));
  EXPECT_EQ(coarse.mask, (std::vector<uint8_t>{1, 0}));
}

TEST(Overview, ColoursOfTransparentPixelsAreLeftOutAndAlphaIsTheMeanOfAll) {
  const std::vector<uint8_t> rgba{250, 251, 252, 0, 10, 20, 30, 255, 250, 251, 252, 0, 20, 40, 60, 101};
  const OverviewRule straight{.alpha_band = 3};
  EXPECT_EQ(samples_of<uint8_t>(halved(raster_of<uint8_t>(2, 4, rgba), straight, {1, 1})),
            (std::vector<uint8_t>{15, 30, 45, 89}));
  const std::vector<uint8_t> premultiplied{0, 0, 0, 0, 200, 100, 50, 200, 0, 0, 0, 0, 0, 0, 0, 0};
  const OverviewRule joined{.alpha_band = 3, .premultiplied = true};
  EXPECT_EQ(samples_of<uint8_t>(halved(raster_of<uint8_t>(2, 4, premultiplied), joined, {1, 1})),
            (std::vector<uint8_t>{50, 25, 13, 50}))
      << "no colour above alpha";
}

TEST(Overview, TheRuleKnowsAlphaByItsKind) {
  TiffInfo info;
  info.bands = 4;
  info.extra_samples = {EXTRASAMPLE_ASSOCALPHA};
  EXPECT_EQ(overview_rule(info, {}).alpha_band, 3);
  EXPECT_TRUE(overview_rule(info, {}).premultiplied);
  info.extra_samples = {EXTRASAMPLE_UNASSALPHA};
  EXPECT_EQ(overview_rule(info, {}).alpha_band, 3);
  EXPECT_FALSE(overview_rule(info, {}).premultiplied);
}

TEST(Overview, ClassesAreNeverMixed) {
  const OverviewRule classes{.nodata = 0, .copied_bands = {1}};
  const Raster fine = raster_of<uint8_t>(2, 2, {1, 0, 2, 7, 3, 9, 4, 9});
  EXPECT_EQ(samples_of<uint8_t>(halved(fine, classes, {1, 1})), (std::vector<uint8_t>{3, 7}))
      << "the first that is no no-data";
}

TEST(Overview, AnOddLastRowOrColumnIsLeftOutUnlessItIsTheOnlyOne) {
  const Raster odd = raster_of<uint8_t>(3, 1, {1, 3, 90, 1, 3, 90, 90, 90, 90});
  EXPECT_EQ(samples_of<uint8_t>(halved(odd, {}, {1, 1})), std::vector<uint8_t>{2});
  Raster beyond = raster_of<uint8_t>(1, 1, {90, 90});
  beyond.window.x = 2;
  EXPECT_TRUE(halved(beyond, {}, {1, 1}).samples.empty());
  const Raster thin = raster_of<uint8_t>(1, 1, {10, 20, 30, 40});
  EXPECT_EQ(samples_of<uint8_t>(halved(thin, {}, {1, 2})), (std::vector<uint8_t>{15, 35}));
}

}  // namespace
}  // namespace sr

#include "scene/value_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "scene/choose_range.h"
#include "tensor/random.h"

namespace sr {
namespace {

TEST(ValueRange, FollowsFromTheTypeWhereTheTypeIsNarrow) {
  TiffInfo info;
  info.type = SampleType::u8;
  EXPECT_EQ(range_of_type(info), (ValueRange{0, 255}));
  info.significant_bits = 4;
  EXPECT_EQ(range_of_type(info), (ValueRange{0, 15}));
  info.type = SampleType::i8;
  EXPECT_EQ(range_of_type(info), (ValueRange{-128, 127}));
  info.type = SampleType::u16, info.significant_bits = 12;
  EXPECT_EQ(range_of_type(info), (ValueRange{0, 4095}));
  info.significant_bits = 16;
  EXPECT_EQ(range_of_type(info), std::nullopt);
}

TEST(ValueRange, StraySamplesWidenTheMeasuredRangeByItsWidthAtMostAndTheInvalidDoNot) {
  Random random{1};
  for (const double offset : {0.0, -3000.0, 1e6}) {
    Raster raster({0, 0, 100, 100}, 1, SampleType::f32);
    for (int i = 0; i < 10000; ++i)
      raster.data<float>()[i] = static_cast<float>(offset + 1000 * random.uniform());
    raster.data<float>()[5] = 1e29f;
    raster.data<float>()[6] = -1e29f;
    raster.data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
    raster.data<float>()[8] = 3e38f;
    RangeMeter meter;
    meter.add(raster, find_invalid(raster, {}), {});
    EXPECT_NEAR(meter.range().low, offset - 1000, 6);
    EXPECT_NEAR(meter.range().high, offset + 2000, 6);
    EXPECT_EQ(meter.least(0), double{-1e29f}) << "of all samples that are a picture";
    EXPECT_EQ(meter.largest(0), double{1e29f});
  }
}

TEST(ValueRange, ANarrowRangeFarFromZeroIsMeasuredAsExactlyAsAnyOther) {
  Raster warm({0, 0, 50, 40}, 1, SampleType::f32), time({0, 0, 50, 40}, 1, SampleType::i32);
  for (int i = 0; i < 2000; ++i) {
    warm.data<float>()[i] = 300 + 0.02f * static_cast<float>(i) / 2000;
    time.data<int32_t>()[i] = 1600000000 + i;
  }
  RangeMeter kelvin, seconds;
  kelvin.add(warm, {}, {});
  seconds.add(time, {}, {});
  EXPECT_NEAR(kelvin.range().low, 300, 1e-4);
  EXPECT_NEAR(kelvin.range().high, 300.02, 1e-4);
  EXPECT_EQ(seconds.range(), (ValueRange{1600000000, 1600001999}));
}

// Bands of 16 bits, each of values of its own magnitude.
Raster random_bands(const Window& window, int bands, uint64_t seed) {
  Random random{seed};
  Raster raster(window, bands, SampleType::u16);
  for (int64_t i = 0; i < window.pixels() * bands; ++i)
    raster.data<uint16_t>()[i] =
        static_cast<uint16_t>(60000 * random.uniform() / std::pow(10, static_cast<double>(i % bands)));
  return raster;
}

TEST(ValueRange, IsTheSameInWhateverWindowsAndOrderTheSceneComes) {
  const Raster whole = random_bands({0, 0, 1500, 1000}, 2, 2);
  RangeMeter at_once(2, 1500 * 1000), in_parts(2, 1500 * 1000);
  at_once.add(whole, {}, {});
  for (int64_t x = 1400; x >= 0; x -= 100) in_parts.add(cut(whole, {x, 0, 100, 1000}), {}, {});
  EXPECT_EQ(in_parts.ranges(), at_once.ranges());
  EXPECT_EQ(at_once.range(0), (ValueRange{at_once.least(0), at_once.largest(0)})) << "none is stray";
  Raster stray({7, 3, 1, 1}, 2, SampleType::u16);
  stray.data<uint16_t>()[1] = 65535;
  at_once.add(stray, {}, {});
  EXPECT_NEAR(at_once.range(1).high, 5994 + 5988, 4) << "the percentile lies at 5994";
}

TEST(ValueRange, OfABandDoesNotDependOnTheBandsBesideIt) {
  const Raster whole = random_bands({40, 0, 1200, 1000}, 3, 4);
  RangeMeter all(3, 1200 * 1000), without_the_first(2, 1200 * 1000);
  all.add(whole, {}, {});
  without_the_first.add(whole, {}, 0);
  for (int band = 0; band < 3; ++band) {
    Raster alone(whole.window, 1, whole.type);
    for (int64_t p = 0; p < whole.window.pixels(); ++p)
      alone.data<uint16_t>()[p] = whole.data<uint16_t>()[3 * p + band];
    RangeMeter meter(1, 1200 * 1000);
    meter.add(alone, {}, {});
    EXPECT_EQ(meter.range(), all.range(band));
    if (band > 0) {
      EXPECT_EQ(meter.range(), without_the_first.range(band - 1));
    }
  }
}

TEST(ValueRange, OfManySmallImagesAllCountAndMetersAddUp) {
  RangeMeter meter(1, 3000000), empty(1, 3000000), parts(1, 3000000);
  for (int i = 0; i < 300000; ++i) {
    meter.next_image(), empty.next_image();
    Raster pixel({0, 0, 1, 10}, 1, SampleType::u16);
    for (int k = 0; k < 10; ++k) pixel.data<uint16_t>()[k] = static_cast<uint16_t>((i + k) % 1000);
    meter.add(pixel, {}, {});
    if (i % 1000 != 0) continue;
    RangeMeter one = empty;
    one.add(pixel, {}, {});
    parts.add(one);
  }
  EXPECT_EQ(meter.range(), (ValueRange{0, 999}));
  EXPECT_EQ(parts.least(0), 0);
  EXPECT_EQ(parts.largest(0), 9);
}

TEST(ValueRange, AConstantOrEmptySceneHasARangeToo) {
  RangeMeter empty, constant;
  EXPECT_LT(empty.range().low, empty.range().high);
  EXPECT_TRUE(empty.is_constant(0));
  Raster raster({0, 0, 4, 4}, 1, SampleType::u16);
  std::fill_n(raster.data<uint16_t>(), 16, uint16_t{500});
  constant.add(raster, {}, {});
  EXPECT_LT(constant.range().low, constant.range().high);
  EXPECT_EQ(constant.range().low, 500);
  EXPECT_LT(constant.range().high, 500.01) << "or the network's residual would show";
  EXPECT_TRUE(constant.is_constant(0));
}

TEST(ValueRange, OfABandThatIsNearlyOneValueTakesInTheOthers) {
  Raster raster({0, 0, 100, 100}, 1, SampleType::u16);
  raster.data<uint16_t>()[5000] = 40;
  RangeMeter meter;
  meter.add(raster, {}, {});
  EXPECT_EQ(meter.range(), (ValueRange{0, 40}));
  EXPECT_FALSE(meter.is_constant(0));
}

// Samples spread evenly from `low` to `high`, as a meter sees them that expects `recorded`.
std::string misfit_of(double low, double high, const ValueRange& recorded) {
  Raster raster({0, 0, 100, 100}, 1, SampleType::f32);
  for (int i = 0; i < 10000; ++i) raster.data<float>()[i] = static_cast<float>(low + (high - low) * i / 9999);
  RangeMeter meter(1, 0, {recorded});
  meter.add(raster, {}, {});
  return misfit(meter, {recorded}, {0});
}

TEST(ValueRange, RecordedRangesFitDarkAndBrightScenesAndNoOtherUnits) {
  // Sentinel-2's reflectance times 10000 over land, and what other ground is in it.
  const ValueRange recorded{100, 4000};
  EXPECT_EQ(misfit_of(100, 4000, recorded), "");
  EXPECT_EQ(misfit_of(120, 300, recorded), "") << "sea";
  EXPECT_EQ(misfit_of(2500, 6000, recorded), "") << "desert";
  EXPECT_EQ(misfit_of(5000, 10000, recorded), "") << "snow and clouds: half of it is seen";
  EXPECT_NE(misfit_of(0.01, 0.4, recorded), "") << "reflectance";
  EXPECT_NE(misfit_of(1, 40, recorded), "") << "percent";
  EXPECT_NE(misfit_of(1600, 64000, recorded), "") << "stretched to 16 bits";
  EXPECT_NE(misfit_of(0, 255, {0, 60000}), "") << "8 bits in 16";
  EXPECT_NE(misfit_of(100, 4000, {0.01, 0.4}), "") << "recorded as reflectance";
  EXPECT_NE(misfit_of(-3, 37, {270, 310}), "") << "Celsius and Kelvin";
  EXPECT_EQ(misfit_of(7, 7, {0, 4000}), "") << "one value tells nothing";
}

// Samples of a scene as most are: many dark ones, few bright ones; a share of the pixels is clouds.
std::string misfit_of_scene(double low, double high, double clouds, double cloud,
                            const ValueRange& recorded) {
  Raster raster({0, 0, 100, 100}, 1, SampleType::f32);
  for (int i = 0; i < 10000; ++i) {
    const double t = i / 9999.0;
    const bool cloudy = i % 100 < 100 * clouds;
    raster.data<float>()[i] =
        static_cast<float>(cloudy ? cloud * (0.8 + 0.2 * t) : low + (high - low) * t * t);
  }
  RangeMeter meter(1, 0, {recorded});
  meter.add(raster, {}, {});
  return misfit(meter, {recorded}, {0});
}

TEST(ValueRange, ScenesOfSixTimesTheRecordedValuesAreRefusedAndCloudsAndSeasonsAreNot) {
  const ValueRange recorded{201, 9157};
  EXPECT_EQ(misfit_of_scene(201, 9157, 0, 0, recorded), "");
  for (const double factor : {6.0, 10.0, 65535 / 9157.0})
    EXPECT_NE(misfit_of_scene(201 * factor, 9157 * factor, 0, 0, recorded), "") << factor;
  EXPECT_EQ(misfit_of_scene(402, 18314, 0, 0, recorded), "") << "twice as bright: summer";
  EXPECT_EQ(misfit_of_scene(80, 2500, 0, 0, recorded), "") << "winter";
  for (const double clouds : {0.1, 0.3, 0.48})
    EXPECT_EQ(misfit_of_scene(201, 9157, clouds, 55000, recorded), "") << "six times as bright as the ground";
  EXPECT_EQ(misfit_of_scene(201, 9157, 0.9, 17000, recorded), "") << "hardly any ground, but most is seen";
}

TEST(ValueRange, OneBandOfManyMayBeDarkButInNoOtherUnits) {
  const auto misfit_beside_land = [](double high) {
    Raster raster({0, 0, 100, 100}, 2, SampleType::f32);
    for (int i = 0; i < 10000; ++i) {
      raster.data<float>()[2 * i] = static_cast<float>(0.4 * i);
      raster.data<float>()[2 * i + 1] = static_cast<float>(high * i / 10000);
    }
    const ValueRanges recorded{{0, 4000}, {0, 5000}};
    RangeMeter meter(2, 0, recorded);
    meter.add(raster, {}, {});
    return misfit(meter, recorded, {0, 1});
  };
  EXPECT_EQ(misfit_beside_land(20), "") << "near infrared over water";
  EXPECT_NE(misfit_beside_land(0.5), "");
}

}  // namespace
}  // namespace sr

#include "scene/value_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

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

TEST(ValueRange, MeasuredRangeLeavesOutTheStrayThousandthAndTheInvalid) {
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
    EXPECT_NEAR(meter.range().low, offset + 1, 1);
    EXPECT_NEAR(meter.range().high, offset + 999, 1);
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
  EXPECT_EQ(seconds.range(), (ValueRange{1600000002, 1600001997}));
}

TEST(ValueRange, IsTheSameInWhateverWindowsAndOrderTheSceneComes) {
  Random random{2};
  Raster whole({0, 0, 900, 700}, 1, SampleType::u16);
  for (int i = 0; i < 900 * 700; ++i)
    whole.data<uint16_t>()[i] = static_cast<uint16_t>(60000 * random.uniform());
  RangeMeter at_once, in_parts;
  at_once.add(whole, {}, {});
  for (int64_t x = 800; x >= 0; x -= 100) in_parts.add(cut(whole, {x, 0, 100, 700}), {}, {});
  EXPECT_EQ(in_parts.range(), at_once.range());
  EXPECT_NEAR(at_once.range().low, 60, 12);
  EXPECT_NEAR(at_once.range().high, 59940, 12);
}

TEST(ValueRange, OfManySmallImagesAllCount) {
  RangeMeter meter;
  for (int i = 0; i < 300000; ++i) {
    meter.next_image();
    Raster pixel({0, 0, 1, 1}, 1, SampleType::u16);
    *pixel.data<uint16_t>() = static_cast<uint16_t>(i % 1000);
    meter.add(pixel, {}, {});
  }
  EXPECT_NEAR(meter.range().low, 1, 1);
  EXPECT_NEAR(meter.range().high, 998, 1);
}

TEST(ValueRange, AConstantOrEmptySceneHasARangeToo) {
  RangeMeter empty, constant;
  EXPECT_LT(empty.range().low, empty.range().high);
  Raster raster({0, 0, 4, 4}, 1, SampleType::u16);
  std::fill_n(raster.data<uint16_t>(), 16, uint16_t{500});
  constant.add(raster, {}, {});
  EXPECT_LT(constant.range().low, constant.range().high);
  EXPECT_EQ(constant.range().low, 500);
  EXPECT_LT(constant.range().high, 500.01) << "or the network's residual would show";
}

}  // namespace
}  // namespace sr

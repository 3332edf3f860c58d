#include "training/dataset/tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "idn/score.h"
#include "tensor/ops/resize.h"
#include "tensor/random.h"
#include "tests/support/training_images.h"
#include "training/dataset/symmetry.h"

namespace sr {
namespace {

constexpr SampleType kTypes[] = {SampleType::u8,  SampleType::i8,  SampleType::u16, SampleType::i16,
                                 SampleType::u32, SampleType::i32, SampleType::f32, SampleType::f64};

std::vector<double> values_of(const Raster& raster) {
  std::vector<double> values(static_cast<size_t>(raster.window.pixels() * raster.bands));
  with_sample_type(raster.type, [&](auto zero) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<double>(raster.data<decltype(zero)>()[i]);
  });
  return values;
}

Tensor tensor_of(const Raster& raster) {
  const std::vector<double> values = values_of(raster);
  Tensor t({1, raster.window.h, raster.window.w, raster.bands});
  for (size_t i = 0; i < values.size(); ++i) t.data()[i] = static_cast<float>(values[i]);
  return t;
}

// What lies right and below of the last multiple of the factor is lost only where a side is below the tile's.
TEST(TileWindows, CoverAllGroundWithTilesOfOneSizeMovedInwards) {
  Random random{4};
  for (int i = 0; i < 300; ++i) {
    const int factor = 2 + static_cast<int>(random.integer(3));
    const int64_t tile_w = factor * (1 + random.integer(9)), tile_h = factor * (1 + random.integer(9));
    const int64_t width = factor + random.integer(70), height = factor + random.integer(70);
    const int64_t w = std::min(tile_w, width / factor * factor);
    const int64_t h = std::min(tile_h, height / factor * factor);
    std::vector<int> covered(static_cast<size_t>(width * height));
    std::set<std::pair<int64_t, int64_t>> places;
    const std::vector<Window> windows = tile_windows(width, height, tile_w, tile_h, factor);
    for (const Window& window : windows) {
      ASSERT_EQ(window.w, w);
      ASSERT_EQ(window.h, h);
      ASSERT_TRUE(window.x >= 0 && window.y >= 0 && window.x + w <= width && window.y + h <= height);
      ASSERT_TRUE(places.insert({window.y, window.x}).second) << "no tile twice";
      for (int64_t y = window.y; y < window.y + h; ++y)
        for (int64_t x = window.x; x < window.x + w; ++x) ++covered[static_cast<size_t>(y * width + x)];
    }
    const int64_t to_x = width < tile_w ? w : width, to_y = height < tile_h ? h : height;
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        ASSERT_EQ(covered[static_cast<size_t>(y * width + x)] > 0, x < to_x && y < to_y) << x << ' ' << y;
    ASSERT_EQ(windows.size(), static_cast<size_t>(((to_x + w - 1) / w) * ((to_y + h - 1) / h)))
        << "and not one more than that takes";
  }
}

TEST(TileWindows, AnImageBelowTheFactorHasNone) {
  EXPECT_TRUE(tile_windows(2, 50, 6, 6, 3).empty());
  EXPECT_TRUE(tile_windows(50, 1, 6, 6, 2).empty());
}

TEST(StoredSamples, StudioLumaIsTheGroundTruthOfTheScores) {
  const Raster rgb = landscape_image(64, 48);
  TileForm form{.mode = ColourMode::luma, .luma = LumaConvention::studio};
  const Raster stored = stored_samples(rgb, {0, 1, 2}, form);
  EXPECT_EQ(tensor_of(stored).to_vector(), ground_truth(rgb, 2, "rgb").to_vector());
}

TEST(StoredSamples, FullLumaIsRoundedInEveryType) {
  for (const SampleType type : kTypes) {
    const Raster rgb = landscape_image(20, 10, 3, 2, type);
    TileForm form{.mode = ColourMode::luma, .type = type};
    const std::vector<double> samples = values_of(rgb),
                              stored = values_of(stored_samples(rgb, {0, 1, 2}, form));
    for (size_t p = 0; p < stored.size(); ++p) {
      const double y = 0.299 * samples[3 * p] + 0.587 * samples[3 * p + 1] + 0.114 * samples[3 * p + 2];
      const bool real = type == SampleType::f32 || type == SampleType::f64;
      ASSERT_NEAR(stored[p], real ? y : std::round(y), 1e-6) << name_of(type);
    }
  }
}

TEST(StoredSamples, GreyIsLumaAsItIsInBothConventions) {
  const Raster grey = landscape_image(20, 10, 1);
  for (const LumaConvention luma : {LumaConvention::full, LumaConvention::studio})
    EXPECT_EQ(stored_samples(grey, {0}, {.mode = ColourMode::luma, .luma = luma}).samples, grey.samples);
}

TEST(StoredSamples, AlphaIsNotTrainedOn) {
  const Raster image = landscape_image(20, 10, 4);
  TiffInfo info = tiff_info_of(image);
  info.extra_samples = {2};
  EXPECT_EQ(colour_bands(info), (std::vector<int>{0, 1, 2}));
  const Raster stored = stored_samples(image, colour_bands(info), {.bands = 3});
  for (int64_t p = 0; p < 200; ++p)
    for (int b = 0; b < 3; ++b)
      ASSERT_EQ(stored.data<uint8_t>()[3 * p + b], image.data<uint8_t>()[4 * p + b]);
}

TEST(Degraded, ShrunkAndEnlargedAreBicubicOfTheTileRoundedToItsType) {
  for (const SampleType type : kTypes)
    for (const int factor : {2, 3, 4}) {
      const Raster gt = landscape_image(factor * 12, factor * 9, 2, 3, type);
      const ValueRange range{-400, 3000};
      const TileRecord record = degraded(gt, {.factor = factor, .bands = 2, .type = type, .ranges = {range}});
      EXPECT_EQ(record.gt.samples, gt.samples);
      EXPECT_EQ(record.down.type, type);
      EXPECT_EQ(record.bic_up.type, type);
      EXPECT_EQ(record.bic_up.window, gt.window);
      const bool real = type == SampleType::f32 || type == SampleType::f64;
      const auto close = [&](const Raster& stored, const Tensor& exact) {
        const std::vector<double> values = values_of(stored);
        ASSERT_EQ(static_cast<int64_t>(values.size()), exact.shape().size());
        int differ = 0;
        for (size_t i = 0; i < values.size(); ++i) {
          const double value = double{exact.data()[i]};
          if (real) {
            ASSERT_NEAR(values[i], value, 1e-3);
          } else {
            const double wanted = type == SampleType::u8   ? std::clamp(std::round(value), 0.0, 255.0)
                                  : type == SampleType::i8 ? std::clamp(std::round(value), -128.0, 127.0)
                                                           : std::round(value);
            ASSERT_NEAR(values[i], wanted, 1) << name_of(type);
            differ += values[i] != wanted;
          }
        }
        // Types of more than 24 bits are computed relative to the range: another last bit before rounding.
        EXPECT_LE(differ, bytes_of(type) < 4 ? 0 : 1 + static_cast<int>(values.size()) / 100);
      };
      close(record.down, bicubic_resize(tensor_of(gt), 9, 12));
      close(record.bic_up, bicubic_enlarge(tensor_of(record.down), factor));
    }
}

TEST(Degraded, UnroundedIsTheInputOfTheLiteraturesProtocol) {
  const Raster rgb = landscape_image(60, 48);
  for (const int factor : {2, 3, 4}) {
    const TileForm form{
        .factor = factor, .mode = ColourMode::luma, .luma = LumaConvention::studio, .unrounded = true};
    const TileRecord record = degraded(stored_samples(rgb, {0, 1, 2}, form), form);
    ASSERT_EQ(record.down.type, SampleType::f32);
    const Tensor input = protocol_input(ground_truth(rgb, factor, "rgb"), factor);
    for (int64_t i = 0; i < input.shape().size(); ++i)
      ASSERT_NEAR(record.down.data<float>()[i] / 255, input.data()[i], 5e-7);
    const Tensor enlarged = bicubic_enlarge(input, factor);
    for (int64_t i = 0; i < enlarged.shape().size(); ++i)
      ASSERT_NEAR(record.bic_up.data<float>()[i] / 255, enlarged.data()[i], 5e-7);
  }
}

// A float has 24 bits; near a billion it knows steps of 64 only.
TEST(Degraded, LargeIntegersKeepTheirPrecisionWithinTheRange) {
  Raster gt({0, 0, 32, 8}, 1, SampleType::u32);
  for (int64_t i = 0; i < 256; ++i) gt.data<uint32_t>()[i] = 4'000'000'000u + static_cast<uint32_t>(i % 32);
  const TileForm form{.type = SampleType::u32, .ranges = {{4e9, 4e9 + 32}}, .unrounded = true};
  const TileRecord record = degraded(gt, form);
  ASSERT_EQ(record.down.type, SampleType::f64);
  EXPECT_NEAR(record.down.data<double>()[8], 4e9 + 16.5, 1e-4);
}

TEST(Turned, TheEightSymmetriesDifferAndKeepTheTruthAndItsShrunkVersionTogether) {
  const Raster gt = landscape_image(24, 16, 2, 5);
  const TileForm form{.bands = 2, .unrounded = true};
  const TileRecord upright = degraded(gt, form);
  std::set<std::vector<double>> seen;
  for (int s = 0; s < kSymmetries; ++s) {
    const Raster view = turned(gt, s);
    EXPECT_EQ(view.window.w, s & 4 ? 16 : 24);
    EXPECT_TRUE(seen.insert(values_of(view)).second) << s;
    const Raster down = turned(upright.down, s), again = degraded(view, form).down;
    ASSERT_EQ(down.window.w, again.window.w);
    for (int64_t i = 0; i < down.window.pixels() * 2; ++i)
      ASSERT_NEAR(down.data<float>()[i], again.data<float>()[i], 1e-3) << s;
  }
  EXPECT_EQ(turned(gt, 0).samples, gt.samples);
}

TEST(Resized, IsBicubicRoundedToTheSampleType) {
  const Raster gt = landscape_image(50, 40, 3, 6);
  const Raster small = resized(gt, 35, 28, {{0, 255}});
  const Tensor exact = bicubic_resize(tensor_of(gt), 28, 35);
  for (int64_t i = 0; i < exact.shape().size(); ++i)
    ASSERT_EQ(small.data<uint8_t>()[i], std::clamp(std::round(exact.data()[i]), 0.0f, 255.0f));
}

TEST(RecordPicture, ShowsTruthEnlargedAndTheirDifference) {
  const Raster gt = landscape_image(40, 30, 4, 7);
  const TileRecord record = degraded(gt, {.bands = 4});
  const Raster picture = record_picture(record, {{0, 255}});
  ASSERT_EQ(picture.bands, 3);
  ASSERT_EQ(picture.window, (Window{0, 0, 3 * 40 + 16, 30}));
  const auto at = [&](int64_t x, int64_t y, int b) {
    return int{picture.data<uint8_t>()[(y * picture.window.w + x) * 3 + b]};
  };
  for (int64_t y = 0; y < 30; ++y)
    for (int64_t x = 0; x < 40; ++x)
      for (int b = 0; b < 3; ++b) {
        const int truth = gt.data<uint8_t>()[(y * 40 + x) * 4 + b];
        const int enlarged = record.bic_up.data<uint8_t>()[(y * 40 + x) * 4 + b];
        ASSERT_EQ(at(x, y, b), truth);
        ASSERT_EQ(at(x + 48, y, b), enlarged);
        ASSERT_NEAR(at(x + 96, y, b), std::clamp(127.5 + 4 * (truth - enlarged), 0.0, 255.0), 0.51);
      }
  EXPECT_EQ(at(42, 5, 0), 255) << "the gap is white";
}

}  // namespace
}  // namespace sr

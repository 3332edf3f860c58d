#include "scene/tile/tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "scene/tile/nodata.h"
#include "scene/tile/nodata_range.h"
#include "tensor/allocator.h"
#include "tensor/ops/resize.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TiffInfo info_of(int64_t width, int64_t height, int bands, SampleType type) {
  TiffInfo info;
  info.width = width, info.height = height, info.bands = bands, info.type = type;
  return info;
}

NetworkOptions small_network(int factor, int nchan = 1) {
  NetworkOptions o;
  o.factor = factor, o.crop_begin = 9 - factor, o.num_Dist_blocks = 1, o.nchan = nchan;
  return o;
}

// A model whose network adds nothing: the result is the bicubic part.
Model silent_model(int factor) {
  Model model(small_network(factor));
  for (Parameter& p : model.params->list()) p.var.set_value(Tensor::zeros(p.var.shape()));
  return model;
}

template <class T>
Raster raster_of(int64_t width, int64_t height, int bands, SampleType type, auto value) {
  Raster raster({0, 0, width, height}, bands, type);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int b = 0; b < bands; ++b)
        raster.data<T>()[(y * width + x) * bands + b] = static_cast<T>(value(x, y, b));
  return raster;
}

Raster whole(const Model& model, const SceneSettings& s, const Raster& raster) {
  return upscale_tile(&model, s, raster, {raster.window, raster.window}, false).result;
}

TEST(UpscaleTile, ALinearRampGoesThroughDownUpAndASilentNetworkWithoutShift) {
  for (const int factor : {2, 3, 4}) {
    const int64_t size = 24;
    Tensor ramp(Shape{1, size * factor, size * factor, 1});
    for (int64_t y = 0; y < size * factor; ++y)
      for (int64_t x = 0; x < size * factor; ++x)
        ramp.data()[y * size * factor + x] = static_cast<float>(x) + 0.5f * static_cast<float>(y);
    const Tensor down = bicubic_resize(ramp, size, size);
    Raster raster({0, 0, size, size}, 1, SampleType::f32);
    std::copy_n(down.data(), size * size, raster.data<float>());
    const Model model = silent_model(factor);
    const SceneSettings s = scene_settings(info_of(size, size, 1, SampleType::f32), model.options(),
                                           {{0, static_cast<double>(size)}});
    const Raster up = whole(model, s, raster);
    for (int64_t y = 6 * factor; y < (size - 6) * factor; ++y)
      for (int64_t x = 6 * factor; x < (size - 6) * factor; ++x)
        ASSERT_NEAR(up.data<float>()[y * size * factor + x], ramp.data()[y * size * factor + x], 1e-4)
            << factor << ": " << x << ", " << y;
  }
}

// The phase of the paper's model: the centre of the 17 taps puts coarse pixel i on fine pixel
// factor*i + 8 - (9 - factor) = factor*i + factor - 1.
TEST(UpscaleTile, TheUpsamplersCentreTapLandsOnTheLastFinePixelOfItsCoarsePixel) {
  for (const int factor : {2, 3, 4}) {
    Params params;
    ConvTranspose2d upsample(params.scope(), 64, 1, 17, factor, 9 - factor);
    Tensor taps = Tensor::zeros(upsample.weight.shape());
    taps.data()[8 * 17 + 8] = 1;  // input channel 0
    upsample.weight.set_value(taps);
    Tensor x = Tensor::zeros({1, 5, 5, 64});
    x.data()[(2 * 5 + 1) * 64] = 1;  // row 2, column 1
    const Tensor y = upsample(Var(x)).value();
    for (int64_t i = 0; i < 5 * factor; ++i)
      for (int64_t j = 0; j < 5 * factor; ++j)
        EXPECT_EQ(y.data()[i * 5 * factor + j], i == 3 * factor - 1 && j == 2 * factor - 1 ? 1.0f : 0.0f);
  }
}

TEST(UpscaleTile, LumaModeAddsTheSameResidualToRedGreenAndBlue) {
  Model model(small_network(2), 3);
  Random random{4};
  TiffInfo info = info_of(20, 16, 3, SampleType::f32);
  const Raster raster =
      raster_of<float>(20, 16, 3, SampleType::f32, [&](auto, auto, auto) { return random.uniform(); });
  for (const LumaConvention luma : {LumaConvention::full, LumaConvention::studio}) {
    model.luma = luma;
    const SceneSettings s = scene_settings(info, model.options(), {{0, 1}}, ColourMode::luma);
    const FineTile fine = upscale_tile(&model, s, raster, {raster.window, raster.window}, true);
    for (int64_t p = 0; p < 40 * 32; ++p) {
      const float* up = fine.result.data<float>() + 3 * p;
      const float* bicubic = fine.bicubic->data<float>() + 3 * p;
      ASSERT_NEAR(up[1] - bicubic[1], up[0] - bicubic[0], 1e-5);
      ASSERT_NEAR(up[2] - bicubic[2], up[0] - bicubic[0], 1e-5);
    }
  }
}

// Luma of the result, made with the same coefficients, is the network's own result for the luma of the input.
TEST(UpscaleTile, LumaOfTheResultIsTheNetworksResultForLuma) {
  Random random{5};
  const Raster rgb =
      raster_of<float>(15, 15, 3, SampleType::f32, [&](auto, auto, auto) { return random.uniform(); });
  for (const LumaConvention luma : {LumaConvention::full, LumaConvention::studio}) {
    Model model(small_network(3), 6);
    model.luma = luma;
    const LumaCoefficients k = coefficients(luma);
    const auto luma_at = [&](const float* v) { return k.offset + k.r * v[0] + k.g * v[1] + k.b * v[2]; };
    const Raster y = raster_of<float>(15, 15, 1, SampleType::f32, [&](int64_t column, int64_t row, int) {
      return luma_at(rgb.data<float>() + (row * 15 + column) * 3);
    });
    const Raster of_rgb = whole(
        model,
        scene_settings(info_of(15, 15, 3, SampleType::f32), model.options(), {{0, 1}}, ColourMode::luma),
        rgb);
    const Raster of_y =
        whole(model, scene_settings(info_of(15, 15, 1, SampleType::f32), model.options(), {{0, 1}}), y);
    for (int64_t p = 0; p < 45 * 45; ++p)
      ASSERT_NEAR(luma_at(of_rgb.data<float>() + 3 * p), of_y.data<float>()[p], 2e-5);
  }
}

TEST(UpscaleTile, MeansAreTakenOffTheInputAndPutOnTheResult) {
  Model model = silent_model(2);
  model.means = {{0.5}, {0.3}, {0.2}};
  const Raster flat = raster_of<float>(6, 6, 1, SampleType::f32, [](auto, auto, auto) { return 1; });
  const Raster up =
      whole(model, scene_settings(info_of(6, 6, 1, SampleType::f32), model.options(), {{0, 2}}), flat);
  for (int64_t p = 0; p < 144; ++p) EXPECT_NEAR(up.data<float>()[p], 1 + 2 * (0.5 - 0.2), 1e-6);
}

TEST(UpscaleTile, ResultsAreRoundedToNearestAndClampedToTheSampleType) {
  const Model model = silent_model(2);
  const Raster steps =
      raster_of<uint8_t>(12, 12, 1, SampleType::u8, [](auto x, auto, auto) { return x < 6 ? 0 : 255; });
  const Raster up =
      whole(model, scene_settings(info_of(12, 12, 1, SampleType::u8), model.options(), {{0, 255}}), steps);
  EXPECT_EQ(up.data<uint8_t>()[10 * 24 + 8], 0);     // undershoot of the step
  EXPECT_EQ(up.data<uint8_t>()[10 * 24 + 15], 255);  // overshoot
}

TEST(UpscaleTile, InvalidSamplesComeBackExactlyOnTheFinePixelsTheyCover) {
  Model model(small_network(3), 2);
  Random random{9};
  Raster raster =
      raster_of<int16_t>(30, 20, 2, SampleType::i16, [&](auto, auto, auto) { return random.integer(2000); });
  for (int64_t y = 4; y < 9; ++y)
    for (int64_t x = 7; x < 29; ++x) raster.data<int16_t>()[(y * 30 + x) * 2 + 1] = -9999;
  TiffInfo info = info_of(30, 20, 2, SampleType::i16);
  info.nodata = -9999;
  const Raster up = whole(model, scene_settings(info, model.options(), {{0, 2000}}), raster);
  for (int64_t y = 0; y < 60; ++y)
    for (int64_t x = 0; x < 90; ++x)
      for (int b = 0; b < 2; ++b)
        EXPECT_EQ(up.data<int16_t>()[(y * 90 + x) * 2 + b] == -9999,
                  raster.data<int16_t>()[(y / 3 * 30 + x / 3) * 2 + b] == -9999);
}

TEST(UpscaleTile, ValidSamplesNeverBecomeTheNodataValue) {
  const Model model = silent_model(2);
  TiffInfo info = info_of(9, 9, 1, SampleType::u8);
  for (const double nodata : {0.0, 255.0, 100.0}) {
    info.nodata = nodata;
    Raster raster = raster_of<uint8_t>(9, 9, 1, SampleType::u8, [&](auto x, auto y, auto) {
      return nodata + (nodata == 255 ? -1.0 : 1.0) * static_cast<double>((x + y) % 2 + 1);
    });
    const Raster up = whole(model, scene_settings(info, model.options(), {{0, 255}}), raster);
    for (int64_t p = 0; p < 18 * 18; ++p) EXPECT_NE(up.data<uint8_t>()[p], static_cast<uint8_t>(nodata));
  }
}

// GDAL hides a where |a - n| < 2^-22 |a + n|.
TEST(UpscaleTile, ValidFloatsStayOutsideOfTheToleranceOfTheNodataValue) {
  const Model model = silent_model(2);
  TiffInfo info = info_of(40, 4, 1, SampleType::f32);
  for (const double nodata : {1000.0, -9999.0}) {
    info.nodata = nodata;
    const double step = std::abs(nodata) * 1.2e-6;
    const Raster ramp = raster_of<float>(40, 4, 1, SampleType::f32, [&](auto x, auto, auto) {
      return nodata + step * (static_cast<double>(x) - 19.5);
    });
    const SceneSettings s = scene_settings(info, model.options(), {{nodata - 25 * step, nodata + 25 * step}});
    const Raster up = whole(model, s, ramp);
    for (int64_t p = 0; p < 80 * 8; ++p) {
      const float a = up.data<float>()[p], n = static_cast<float>(nodata);
      EXPECT_FALSE(std::abs(a - n) < 0x1p-22f * std::abs(a + n)) << a;
    }
  }
}

TEST(NodataRange, EndsWhereGdalNoLongerHides) {
  const auto range = [](double n, SampleType type) { return nodata_range(n, type).value(); };
  const NodataRange thousand = range(1000, SampleType::f32), zero = range(0, SampleType::f32);
  EXPECT_TRUE(thousand.hides(double{1000.0004f}) && !thousand.hides(double{1000.0005f}));
  EXPECT_TRUE(zero.hides(-0.0) && !zero.hides(double{1e-45f}) && !zero.hides(double{-1e-45f}));
  const NodataRange lowest = range(-double{std::numeric_limits<float>::max()}, SampleType::f32);
  EXPECT_TRUE(lowest.hides(-2e31) && !lowest.hides(-1e31));
  EXPECT_EQ(range(0, SampleType::u8).beside(-3), 1);
  EXPECT_EQ(range(255, SampleType::u8).beside(300), 254);
  EXPECT_FALSE(nodata_range(INFINITY, SampleType::f32) || nodata_range(NAN, SampleType::f64));
}

TEST(UpscaleTile, NotANumberDoesNotSpread) {
  Model model(small_network(2), 2);
  const Raster raster = raster_of<float>(40, 40, 1, SampleType::f32, [&](auto x, auto y, auto) {
    if (x == 20 && y == 20) return kNan;
    if (x == 5 && y == 5) return std::numeric_limits<float>::infinity();
    return x == 30 && y == 9 ? 3e38f : 100 + static_cast<float>(x);  // no infinity, but no quantity either
  });
  const Raster up =
      whole(model, scene_settings(info_of(40, 40, 1, SampleType::f32), model.options(), {{0, 200}}), raster);
  int64_t invalid = 0;
  for (int64_t p = 0; p < 80 * 80; ++p) invalid += std::isfinite(up.data<float>()[p]) ? 0 : 1;
  EXPECT_EQ(invalid, 8);  // 2 x 2 fine pixels for the NaN, as many for the infinity
  EXPECT_TRUE(std::isnan(up.data<float>()[40 * 80 + 40]));
  EXPECT_TRUE(std::isinf(up.data<float>()[11 * 80 + 11]));
  EXPECT_EQ(up.data<float>()[18 * 80 + 60], 3e38f);
  EXPECT_LT(std::abs(up.data<float>()[18 * 80 + 59]), 1000) << "its neighbour";
}

TEST(UpscaleTile, ASceneWithoutAnyValidSampleComesBackAsItIs) {
  Model model(small_network(2), 2);
  TiffInfo info = info_of(10, 10, 3, SampleType::u8);
  info.nodata = 7;
  const Raster raster = raster_of<uint8_t>(10, 10, 3, SampleType::u8, [](auto, auto, auto) { return 7; });
  const Raster up = whole(model, scene_settings(info, model.options(), {{0, 255}}), raster);
  for (const std::byte sample : up.samples) ASSERT_EQ(sample, std::byte{7});
}

TEST(UpscaleTile, BinaryAlphaStaysBinaryAndHiddenColoursDoNotBleed) {
  const Model model = silent_model(2);
  TiffInfo info = info_of(20, 20, 4, SampleType::u8);
  info.photometric = 2;
  info.extra_samples = {2};
  const Raster raster = raster_of<uint8_t>(20, 20, 4, SampleType::u8, [](auto x, auto, int b) {
    const bool visible = x >= 10;
    return b == 3 ? (visible ? 255 : 0) : (visible ? 200 : 0);
  });
  const SceneSettings s = scene_settings(info, model.options(), {{0, 255}});
  EXPECT_EQ(s.mode, ColourMode::luma);
  const Raster up = whole(model, s, raster);
  for (int64_t y = 0; y < 40; ++y)
    for (int64_t x = 0; x < 40; ++x) {
      const uint8_t* v = up.data<uint8_t>() + (y * 40 + x) * 4;
      ASSERT_EQ(v[3], x >= 20 ? 255 : 0) << x;
      if (x >= 20) {
        ASSERT_EQ(v[0], 200) << "dark collar bled into column " << x;
      }
    }
}

TEST(UpscaleTile, AFarHoleChangesNothingBeyondTheMargin) {
  Model model(small_network(2), 8);
  Random random{3};
  TiffInfo info = info_of(90, 30, 1, SampleType::f32);
  Raster full =
      raster_of<float>(90, 30, 1, SampleType::f32, [&](auto, auto, auto) { return random.uniform(); });
  const SceneSettings s = scene_settings(info, model.options(), {{0, 1}});
  Raster holed = full;
  holed.data<float>()[15 * 90 + 10] = kNan;
  const Raster a = whole(model, s, full), b = whole(model, s, holed);
  const int64_t reach = margin_for(&model, s).before + 1;
  for (int64_t y = 0; y < 60; ++y)
    for (int64_t x = 2 * (10 + reach); x < 180; ++x)
      ASSERT_EQ(a.data<float>()[y * 180 + x], b.data<float>()[y * 180 + x]);
  EXPECT_NE(a.samples, b.samples);
}

TEST(UpscaleTile, ModesThatContradictTheBandsAreUsageErrors) {
  const TiffInfo two = info_of(4, 4, 2, SampleType::u8), three = info_of(4, 4, 3, SampleType::u8);
  const NetworkOptions one = small_network(2), joint = small_network(2, 3);
  expect_error(Error::Kind::usage, "2 bands", [&] { scene_settings(two, one, {}, ColourMode::luma); });
  expect_error(Error::Kind::usage, "--nchan 2", [&] { scene_settings(two, joint, {}); });
  expect_error(Error::Kind::usage, "takes 3",
               [&] { scene_settings(three, joint, {}, ColourMode::per_band); });
  EXPECT_EQ(scene_settings(three, joint, {}).mode, ColourMode::joint);
  EXPECT_EQ(scene_settings(three, one, {}).mode, ColourMode::per_band) << "three bands, but not RGB";
}

TEST(Nodata, FillingTakesTheMeanOfKnownNeighboursAndEndsAtItsRadius) {
  Tensor values(Shape{1, 1, 20, 1});
  Invalid invalid(20, 1);
  for (int64_t i = 0; i < 20; ++i) values.data()[i] = -1;
  values.data()[0] = 4;
  invalid[0] = 0;
  fill_invalid(values, invalid, 0.25f);
  for (int64_t i = 0; i <= kFillRadius; ++i) EXPECT_EQ(values.data()[i], 4.0f) << i;
  for (int64_t i = kFillRadius + 1; i < 20; ++i) EXPECT_EQ(values.data()[i], 0.25f) << i;
}

struct MemoryCase {
  const char* name;
  int bands;
  SampleType type;
  int nchan;
  bool holes, with_network;
};

// Planned memory is what tensors take: what the plan leaves out would go over the user's limit.
TEST(UpscaleTile, HoldsNoMoreMemoryThanItSaysAndNotMuchLess) {
  const Tile tile{{20, 20, 64, 48}, {0, 0, 100, 84}};
  for (const int factor : kInstrumented ? std::vector<int>{2} : std::vector<int>{2, 3, 4})
    for (const MemoryCase& c : {MemoryCase{"luma", 3, SampleType::u8, 1, false, true},
                                {"per band", 4, SampleType::u16, 1, false, true},
                                {"joint", 2, SampleType::u16, 2, false, true},
                                {"holes", 2, SampleType::f32, 1, true, true},
                                {"bicubic", 5, SampleType::u8, 1, false, false}}) {
      if (kInstrumented && c.bands > 3) continue;  // the same numbers, in ten times the time
      NetworkOptions options = small_network(factor, c.nchan);
      options.num_Dist_blocks = 2;
      const Model model(options);
      TiffInfo info = info_of(200, 200, c.bands, c.type);
      if (c.bands == 3) info.photometric = 2;
      const SceneSettings s = scene_settings(info, options, {{0, 255}});
      Raster window(tile.read, c.bands, c.type);
      if (c.holes) std::fill_n(window.data<float>(), 3000, kNan);
      const Model* used = c.with_network ? &model : nullptr;
      // Beside tensors: what lies between the network's layers, and the packed weights that are there from
      // now on.
      const int64_t rows = used ? used->working_bytes(tile.read.w, tile.read.h) : 0;
      const int64_t before = pool_statistics().bytes_in_use;
      reset_pool_peak();
      for (int i = 0; i < 2; ++i) upscale_tile(used, s, window, tile, !c.with_network);
      const int64_t peak = pool_statistics().peak_bytes_in_use - before, said = working_bytes(used, s, tile);
      EXPECT_LE(peak, said) << c.name << " x" << factor;
      EXPECT_GE(static_cast<double>(peak), 0.6 * static_cast<double>(said - rows))
          << c.name << " x" << factor;
    }
}

TEST(UpscaleTile, EachBandComesOutAsItDoesAlone) {
  const Model model(small_network(2), 3);
  const ValueRanges ranges{{0.02, 0.42}, {1000, 3000}};
  Random random{6};
  const Raster both = raster_of<float>(20, 18, 2, SampleType::f32, [&](auto, auto, int b) {
    const ValueRange& range = ranges[static_cast<size_t>(b)];
    return range.low + range.width() * random.uniform();
  });
  const Raster up =
      whole(model, scene_settings(info_of(20, 18, 2, SampleType::f32), model.options(), ranges), both);
  for (int b = 0; b < 2; ++b) {
    const auto band_of = [b](const Raster& from) {
      return raster_of<float>(
          from.window.w, from.window.h, 1, SampleType::f32,
          [&](int64_t x, int64_t y, int) { return from.data<float>()[(y * from.window.w + x) * 2 + b]; });
    };
    const SceneSettings alone = scene_settings(info_of(20, 18, 1, SampleType::f32), model.options(),
                                               {ranges[static_cast<size_t>(b)]});
    EXPECT_EQ(band_of(up).samples, whole(model, alone, band_of(both)).samples) << b;
  }
}

TEST(UpscaleTile, NoSampleIsAboveTheTopNorBecomesNodataThere) {
  const Model model = silent_model(2);
  const Raster steps = raster_of<uint16_t>(12, 12, 1, SampleType::u16,
                                           [](int64_t x, int64_t, int) { return x % 4 < 2 ? 4095 : 0; });
  TiffInfo info = info_of(12, 12, 1, SampleType::u16);
  const auto largest = [&](SceneSettings s) {
    s.top = 4095;
    const Raster up = whole(model, s, steps);
    return *std::max_element(up.data<uint16_t>(), up.data<uint16_t>() + up.window.pixels());
  };
  EXPECT_EQ(largest(scene_settings(info, model.options(), {{0, 4095}})), 4095);
  info.nodata = 4094;
  SceneSettings s = scene_settings(info, model.options(), {{0, 4095}});
  s.nodata = 4095, s.may_have_holes = false;  // valid ground that would come out as nodata
  EXPECT_EQ(largest(s), 4094);
}

TEST(UpscaleTile, NothingIsAddedToABandOfOneValue) {
  const Model model(small_network(3), 3);
  for (const double value : {0.0, 0.3, 255.0, 5000.0}) {
    const Raster flat = raster_of<float>(20, 20, 1, SampleType::f32, [&](auto, auto, int) { return value; });
    SceneSettings s =
        scene_settings(info_of(20, 20, 1, SampleType::f32), model.options(), {{value, value + 1}});
    s.constant_bands = {0};
    const Raster up = whole(model, s, flat);
    for (int64_t i = 0; i < up.window.pixels(); ++i)
      ASSERT_EQ(up.data<float>()[i], static_cast<float>(value));
  }
}

}  // namespace
}  // namespace sr

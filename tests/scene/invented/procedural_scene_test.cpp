#include "scene/invented/procedural_scene.h"

#include <gtest/gtest.h>

#include "scene/invented/landscape.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace sr {
namespace {

constexpr SampleType kTypes[] = {SampleType::u8,  SampleType::i8,  SampleType::u16, SampleType::i16,
                                 SampleType::u32, SampleType::i32, SampleType::f32, SampleType::f64};

Raster whole(const ProceduralScene& scene) {
  return procedural_scene(scene, {0, 0, scene.width, scene.height});
}

std::vector<double> values_of(const Raster& raster) {
  std::vector<double> values(static_cast<size_t>(raster.window.pixels() * raster.bands));
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(samples[i]);
  });
  return values;
}

TEST(ProceduralScene, WindowsAreCutsOfTheWhole) {
  ProceduralScene scene{
      .width = 150, .height = 90, .bands = 5, .type = SampleType::u16, .seed = 4, .nodata = 0};
  const Raster all = whole(scene);
  for (const Window& w : {Window{0, 0, 1, 1}, {149, 89, 1, 1}, {31, 7, 64, 33}, {0, 50, 150, 40}}) {
    const Raster part = procedural_scene(scene, w);
    EXPECT_EQ(part.window, w);
    const size_t row_bytes = static_cast<size_t>(w.w) * 5 * 2;
    for (int64_t y = 0; y < w.h; ++y) {
      EXPECT_EQ(std::memcmp(part.samples.data() + static_cast<size_t>(y) * row_bytes,
                            all.data<uint16_t>() + ((w.y + y) * 150 + w.x) * 5, row_bytes),
                0);
    }
  }
}

TEST(ProceduralScene, SeedChoosesTheLandscape) {
  ProceduralScene scene{.width = 64, .height = 64};
  const Raster first = whole(scene);
  EXPECT_EQ(whole(scene).samples, first.samples);
  scene.seed = 2;
  EXPECT_NE(whole(scene).samples, first.samples);
}

TEST(ProceduralScene, EveryTypeHoldsTheSamePictureInItsOwnRange) {
  ProceduralScene scene{.width = 200, .height = 150, .type = SampleType::f64};
  const std::vector<double> brightness = values_of(whole(scene));
  EXPECT_GE(*std::min_element(brightness.begin(), brightness.end()), 0);
  EXPECT_LE(*std::max_element(brightness.begin(), brightness.end()), 1);
  for (const SampleType type : kTypes) {
    scene.type = type;
    const std::vector<double> values = values_of(whole(scene));
    const bool real = type == SampleType::f32 || type == SampleType::f64;
    const bool has_sign = name_of(type)[0] == 'i';
    const double low = real                     ? 0
                       : type == SampleType::u8 ? 0
                       : type == SampleType::i8 ? -128
                                                : (has_sign ? -400 : 200);
    const double span = real ? 1 : bytes_of(type) == 1 ? 255 : has_sign ? 3000 : 2800;
    const double rounding = real ? 1e-7 : 0.501;
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(values[i], low + span * brightness[i], rounding) << name_of(type);
    }
  }
}

TEST(ProceduralScene, SceneHasFineDetail) {
  const ProceduralScene scene{.width = 512, .height = 384, .bands = 1};
  const Raster raster = whole(scene);
  double steps = 0, sum = 0, squares = 0;
  const auto at = [&](int64_t x, int64_t y) {
    return static_cast<double>(raster.data<uint8_t>()[y * 512 + x]);
  };
  for (int64_t y = 0; y < 384; ++y) {
    for (int64_t x = 0; x + 1 < 512; ++x) {
      steps += std::abs(at(x + 1, y) - at(x, y));
      sum += at(x, y);
      squares += at(x, y) * at(x, y);
    }
  }
  const double n = 511 * 384, deviation = std::sqrt(squares / n - sum * sum / n / n);
  EXPECT_GT(deviation, 20);
  EXPECT_GT(steps / n, 2.5);
  EXPECT_LT(steps / n, 0.5 * deviation) << "neighbours resemble each other";
}

TEST(ProceduralScene, CollarSurroundsATurnedSceneAndNoValidSampleHasItsValue) {
  for (const double nodata : {0.0, 255.0, 90.0}) {
    const ProceduralScene scene{.width = 300, .height = 200, .bands = 3, .nodata = nodata};
    const std::vector<double> values = values_of(whole(scene));
    size_t outside = 0;
    for (size_t i = 0; i < values.size(); i += 3) {
      const int count = (values[i] == nodata) + (values[i + 1] == nodata) + (values[i + 2] == nodata);
      ASSERT_TRUE(count == 0 || count == 3) << "pixel " << i / 3;
      outside += count == 3;
    }
    EXPECT_GT(outside, 300u * 200 / 10);
    EXPECT_LT(outside, 300u * 200 / 2);
    for (const size_t corner : {0, 299, 199 * 300, 199 * 300 + 299}) EXPECT_EQ(values[corner * 3], nodata);
    EXPECT_NE(values[(100 * 300 + 150) * 3], nodata);
  }
}

TEST(ProceduralScene, NodataMustFitTheType) {
  const auto corner = [](SampleType type, double nodata) {
    const ProceduralScene scene{.width = 100, .height = 100, .bands = 1, .type = type, .nodata = nodata};
    return values_of(procedural_scene(scene, {0, 0, 1, 1}))[0];
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(corner(SampleType::i16, -9999), -9999);
  EXPECT_TRUE(std::isnan(corner(SampleType::f32, nan)));
  EXPECT_EQ(corner(SampleType::f64, -1e300), -1e300);
  EXPECT_THROW(corner(SampleType::u8, -9999), Error);
  EXPECT_THROW(corner(SampleType::u8, 0.5), Error);
  EXPECT_THROW(corner(SampleType::u32, nan), Error);
  EXPECT_THROW(corner(SampleType::f32, 1e300), Error);
}

TEST(ProceduralScene, ImpossibleRequestsAreRefused) {
  const ProceduralScene scene{.width = 100, .height = 50};
  for (const Window& w : {Window{-1, 0, 5, 5}, {0, 0, 101, 5}, {0, 46, 5, 5}, {0, 0, 0, 5}}) {
    EXPECT_THROW(procedural_scene(scene, w), Error);
  }
  EXPECT_THROW(procedural_scene({.width = 10, .height = 10, .bands = 0}, {0, 0, 1, 1}), Error);
  EXPECT_THROW(procedural_scene({.width = 0, .height = 10}, {0, 0, 1, 1}), Error);
}

TEST(ProceduralScene, APixelIsTheMeanOfItsSamples) {
  const ProceduralScene scene{
      .width = 40, .height = 30, .bands = 3, .type = SampleType::f32, .seed = 19, .samples = 2};
  const Raster raster = procedural_scene(scene, {0, 0, 40, 30});
  for (const auto& [x, y] : {std::pair{0, 0}, {17, 3}, {39, 29}}) {
    float sum = 0;
    for (const double dx : {0.25, 0.75})
      for (const double dy : {0.25, 0.75}) sum += landscape(x + dx, y + dy, 19).green;
    EXPECT_NEAR(raster.data<float>()[(y * 40 + x) * 3 + 1], sum / 4, 1e-6);
  }
}

}  // namespace
}  // namespace sr

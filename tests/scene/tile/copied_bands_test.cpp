#include "scene/tile/copied_bands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "scene/pipeline.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

TiffInfo info_of(int bands, SampleType type, std::vector<uint16_t> extra = {}, uint16_t photometric = 1) {
  TiffInfo info;
  info.width = 61, info.height = 47, info.bands = bands, info.type = type;
  info.extra_samples = std::move(extra), info.photometric = photometric;
  return info;
}

Raster random_raster(const TiffInfo& info, uint64_t seed) {
  Random random(seed);
  Raster raster({0, 0, info.width, info.height}, info.bands, info.type);
  for (std::byte& b : raster.samples) b = static_cast<std::byte>(random.integer(256));
  return raster;
}

Model small_model(int factor, int nchan) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 9 - factor;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0, options.nchan = nchan;
  return Model(options, 7);
}

struct Results {
  Raster result, bicubic;
};

Results run(const Model* model, const SceneSettings& s, const Raster& scene, int64_t tile_w, int64_t tile_h) {
  const int f = s.factor;
  const TileGrid grid{scene.window.w, scene.window.h, tile_w, tile_h, margin_for(model, s)};
  const Raster empty({0, 0, scene.window.w * f, scene.window.h * f}, scene.bands, scene.type);
  Results all{empty, empty};
  upscale(model, s, grid, true,
          {.read = [&](const Window& w) { return cut(scene, w); },
           .write =
               [&](const FineTile& tile) {
                 paste(all.result, tile.result);
                 paste(all.bicubic, *tile.bicubic);
               }});
  return all;
}

// One band of a raster with all bands, and of one where it stands at another place.
void expect_same_band(const Raster& a, int band_a, const Raster& b, int band_b) {
  ASSERT_EQ(a.window, b.window);
  with_sample_type(a.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t p = 0; p < a.window.pixels(); ++p)
      ASSERT_EQ(a.data<T>()[p * a.bands + band_a], b.data<T>()[p * b.bands + band_b]) << "pixel " << p;
  });
}

void expect_repeated(const Raster& fine, const Raster& coarse, int band, int factor) {
  with_sample_type(fine.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t y = 0; y < fine.window.h; ++y)
      for (int64_t x = 0; x < fine.window.w; ++x)
        ASSERT_EQ(fine.data<T>()[(y * fine.window.w + x) * fine.bands + band],
                  coarse.data<T>()[(y / factor * coarse.window.w + x / factor) * coarse.bands + band]);
  });
}

TEST(CopiedBands, AreNumberedFromOneAndMustExist) {
  const TiffInfo info = info_of(5, SampleType::u16);
  EXPECT_EQ(copied_bands(info, {}), BandList{});
  EXPECT_EQ(copied_bands(info, {5, 2}), (BandList{1, 4}));
  expect_error(Error::Kind::usage, "--copy_bands names band 5 twice", [&] { copied_bands(info, {5, 2, 5}); });
  for (const int none : {0, -1, 6})
    expect_error(Error::Kind::usage, "--copy_bands " + std::to_string(none) + ": the scene has 5 bands", [&] {
      copied_bands(info, {1, none});
    });
  expect_error(Error::Kind::usage, "--copy_bands 2: it is the alpha band",
               [] { copied_bands(info_of(2, SampleType::u8, {2}), {2}); });
  EXPECT_EQ(copied_bands(info_of(1, SampleType::u8, {}, 3), {}), BandList{0}) << "indices of a palette";
}

TEST(CopiedBands, WhatIsLeftIsAPictureOfItsOwn) {
  const TiffInfo rgb_alpha = info_of(4, SampleType::u8, {2}, 2);
  const TiffInfo two = without_bands(rgb_alpha, {1});
  EXPECT_EQ(two.bands, 3);
  EXPECT_EQ(two.alpha_band(), 2)
      << "as in the whole scene, though GDAL takes it for one of 2 or 4 bands only";
  EXPECT_EQ(two.photometric, 1) << "two colours of three are no RGB";
  const TiffInfo rgb_scl = without_bands(info_of(5, SampleType::u8, {0, 2}, 2), {3});
  EXPECT_EQ(rgb_scl.bands, 4);
  EXPECT_EQ(rgb_scl.photometric, 2);
  EXPECT_FALSE(rgb_scl.alpha_band()) << "of five bands none is alpha, so it is none of four of them";
  TiffInfo valued = info_of(3, SampleType::u8, {0, 0}, 1);
  valued.nodata_values = {1, 2, 3};
  EXPECT_EQ(without_bands(valued, {1}).nodata_values, (std::vector<double>{1, 3}));
  EXPECT_EQ(without_bands(info_of(2, SampleType::u8, {0}), {0, 1}).bands, 0);
}

TEST(CopiedBands, TheOthersAreComputedAsIfTheyWereAlone) {
  struct Case {
    SampleType type;
    int bands;
    std::vector<uint16_t> extra;
    BandList copied;
    int nchan;
  };
  const Case cases[] = {
      {SampleType::u16, 4, {0, 0, 0}, {1}, 1},       // between, each by itself
      {SampleType::f32, 3, {0, 0}, {0, 2}, 1},       // NaN and infinities are among them
      {SampleType::u8, 5, {0, 0, 0, 0}, {0, 3}, 3},  // three together that are not side by side
      {SampleType::u8, 3, {0, 2}, {0}, 1}};          // with alpha
  int factor = 4;
  for (const Case& c : cases) {
    factor = factor == 4 ? 2 : factor + 1;
    const TiffInfo info = info_of(c.bands, c.type, c.extra);
    const Raster scene = random_raster(info, 11);
    const TiffInfo rest = without_bands(info, c.copied);
    const Model model = small_model(factor, c.nchan);
    SceneSettings s = scene_settings(rest, model.options(), {{0, 255}});
    const Results alone = run(&model, s, without_bands(scene, c.copied), 61, 47);
    s.copied_bands = c.copied;
    for (const int64_t tile : {61, 29}) {
      const Results all = run(&model, s, scene, tile, tile);
      int picture = 0;
      for (int b = 0; b < c.bands; ++b) {
        if (std::find(c.copied.begin(), c.copied.end(), b) != c.copied.end()) {
          if (c.type == SampleType::f32) continue;  // bits of NaN: below
          expect_repeated(all.result, scene, b, factor);
          expect_repeated(all.bicubic, scene, b, factor);
        } else if (c.type != SampleType::f32) {
          expect_same_band(all.result, b, alone.result, picture);
          expect_same_band(all.bicubic, b, alone.bicubic, picture++);
        }
      }
      if (c.type != SampleType::f32) continue;
      const Raster merged = with_copied_bands(alone.result, scene, c.copied, factor);
      EXPECT_EQ(all.result.samples, merged.samples);
    }
  }
}

TEST(CopiedBands, OfBitsOfAnyKindAreRepeatedWithoutANetwork) {
  for (const SampleType type : {SampleType::u8, SampleType::i16, SampleType::f64}) {
    const TiffInfo info = info_of(2, type, {0});
    Raster scene = random_raster(info, 3);
    SceneSettings s = scene_settings(without_bands(info, {0, 1}), {.factor = 3}, {});
    s.copied_bands = {0, 1};
    const Results all = run(nullptr, s, scene, 20, 31);
    EXPECT_EQ(all.result.samples, all.bicubic.samples);
    const auto pixel = static_cast<size_t>(2 * bytes_of(type));
    for (int64_t y = 0; y < all.result.window.h; ++y)
      for (int64_t x = 0; x < all.result.window.w; ++x)
        ASSERT_EQ(std::memcmp(&all.result.samples[static_cast<size_t>(y * all.result.window.w + x) * pixel],
                              &scene.samples[static_cast<size_t>(y / 3 * 61 + x / 3) * pixel], pixel),
                  0);
  }
}

}  // namespace
}  // namespace sr

// Tiles of the network's mean over the eight flips and rotations, and of its answers' spread.
#include <gtest/gtest.h>

#include <cmath>

#include "scene/pipeline.h"
#include "scene/tile/spread.h"
#include "tensor/ops/symmetry.h"
#include "tensor/random.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

// One that looks further to one side than to the other.
Model lopsided_model(int factor, int nchan = 1) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 1, options.nchan = nchan;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0;
  Model model(options, 7);
  EXPECT_NE(model.network->reach().before, model.network->reach().after);
  return model;
}

struct Scene {
  TiffInfo info;
  Raster raster;
};

Scene random_scene(int64_t width, int64_t height, int bands, SampleType type) {
  Random random{5};
  Scene scene;
  scene.info.width = width, scene.info.height = height, scene.info.bands = bands, scene.info.type = type;
  scene.raster = Raster({0, 0, width, height}, bands, type);
  with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < width * height * bands; ++i)
      scene.raster.data<T>()[i] = static_cast<T>(random.uniform() * 200);
  });
  return scene;
}

SceneSettings settings_of(const Scene& scene, const Model& model) {
  SceneSettings s = scene_settings(scene.info, model.options(), {{0, 255}});
  s.self_ensemble = s.spread = true;
  return s;
}

struct Results {
  Raster result, spread;
};

Results run(const Model& model, const Scene& scene, const SceneSettings& s, int64_t tile_w, int64_t tile_h) {
  const TileGrid grid{scene.info.width, scene.info.height, tile_w, tile_h, margin_for(&model, s)};
  const Window fine{0, 0, scene.info.width * s.factor, scene.info.height * s.factor};
  Results all{Raster(fine, scene.info.bands, scene.info.type), no_spread(fine, s)};
  upscale(&model, s, grid, false,
          {.read = [&](const Window& w) { return cut(scene.raster, w); },
           .write =
               [&](const FineTile& tile) {
                 paste(all.result, tile.result);
                 paste(all.spread, *tile.spread);
               }});
  return all;
}

TEST(SelfEnsemble, TilesGiveTheBitsOfTheWholeScene) {
  for (const int factor : {2, 3}) {
    if (kInstrumented && factor != 3) continue;  // the release build has both
    const Model model = lopsided_model(factor);
    Scene scene = random_scene(47, 39, 2, SampleType::u16);
    for (const bool holes : {false, true}) {  // which have a margin of their own
      if (holes) scene.info.nodata = 7;
      const SceneSettings s = settings_of(scene, model);
      const Results whole = run(model, scene, s, 47, 39);
      for (const auto& [w, h] : {std::pair(16, 39), {13, 11}}) {
        const Results tiled = run(model, scene, s, w, h);
        EXPECT_EQ(tiled.result.samples, whole.result.samples) << factor << ' ' << w;
        EXPECT_EQ(tiled.spread.samples, whole.spread.samples) << factor << ' ' << w;
      }
    }
  }
}

Tensor floats(const Raster& raster) {
  Tensor x(Shape{1, raster.window.h, raster.window.w, raster.bands});
  std::copy_n(raster.data<float>(), x.shape().size(), x.data());
  return x;
}

// The eight results without the ensemble, each of the turned scene and turned back, as floats.
std::vector<Tensor> eight_results(const Model& model, const Scene& scene, const SceneSettings& s) {
  std::vector<Tensor> results;
  const Tensor image = floats(scene.raster);
  for (int symmetry = 0; symmetry < kSymmetries; ++symmetry) {
    const Tensor seen = turned(image, symmetry);
    Raster raster({0, 0, seen.shape().w, seen.shape().h}, scene.info.bands, SampleType::f32);
    std::copy_n(seen.data(), seen.shape().size(), raster.data<float>());
    SceneSettings plain = s;
    plain.self_ensemble = plain.spread = false;
    const Tile tile{raster.window, raster.window};
    const Raster fine = upscale_tile(&model, plain, raster, tile, false).result;
    results.push_back(turned_back(floats(fine), symmetry));
  }
  return results;
}

TEST(SelfEnsemble, IsMeanAndDeviationOfTheEightResults) {
  const Model one = lopsided_model(2), joint = lopsided_model(2, 3);
  for (const Model* model : {&one, &joint}) {
    const Scene scene = random_scene(23, 17, 3, SampleType::f32);
    const SceneSettings s = settings_of(scene, *model);
    const Results found = run(*model, scene, s, 23, 17);
    const std::vector<Tensor> eight = eight_results(*model, scene, s);
    ASSERT_EQ(found.spread.bands, 3);
    double widest = 0;
    for (int64_t i = 0; i < eight[0].shape().size(); ++i) {
      double mean = 0, variance = 0;
      for (const Tensor& one_of : eight) mean += double{one_of.data()[i]} / 8;
      for (const Tensor& one_of : eight) variance += std::pow(one_of.data()[i] - mean, 2) / 8;
      EXPECT_NEAR(found.result.data<float>()[i], mean, 1e-3);
      EXPECT_NEAR(found.spread.data<float>()[i], std::sqrt(variance), 1e-3);
      widest = std::max(widest, std::sqrt(variance));
    }
    EXPECT_GT(widest, 10) << "an ensemble that always agrees would test nothing";
  }
}

TEST(SelfEnsemble, OfLumaHasOneBandOfSpread) {
  Scene scene = random_scene(20, 16, 3, SampleType::u8);
  scene.info.photometric = 2;
  const Model model = lopsided_model(2);
  const SceneSettings s = settings_of(scene, model);
  ASSERT_EQ(s.mode, ColourMode::luma);
  const Results found = run(model, scene, s, 20, 16);
  EXPECT_EQ(found.spread.bands, 1);
  EXPECT_GT(found.spread.data<float>()[0], 0);
  const TiffInfo info = spread_info(scene.info, s);
  EXPECT_EQ(info.bands, 1);
  EXPECT_EQ(info.type, SampleType::f32);
}

TEST(SelfEnsemble, HasNoSpreadWhereThereIsNoData) {
  Scene scene = random_scene(20, 16, 1, SampleType::u8);
  scene.info.nodata = 255;
  scene.raster.data<uint8_t>()[3 * 20 + 4] = 255;
  const Model model = lopsided_model(2);
  const Results found = run(model, scene, settings_of(scene, model), 20, 16);
  for (int64_t y = 0; y < 32; ++y)
    for (int64_t x = 0; x < 40; ++x)
      EXPECT_EQ(std::isnan(found.spread.data<float>()[y * 40 + x]), y / 2 == 3 && x / 2 == 4)
          << x << ' ' << y;
}

}  // namespace
}  // namespace sr

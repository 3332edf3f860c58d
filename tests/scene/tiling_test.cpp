// Tiled equals untiled, to the last bit.
#include "idn/tiling.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "scene/pipeline.h"
#include "tensor/bands/kernels.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/simd/instruction_set.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

struct Scene {
  TiffInfo info;
  Raster raster;
  ValueRange range{0, 1};
};

Scene random_scene(int64_t width, int64_t height, int bands, SampleType type, Random& random) {
  Scene scene;
  scene.info.width = width, scene.info.height = height;
  scene.info.bands = bands, scene.info.type = type;
  scene.raster = Raster({0, 0, width, height}, bands, type);
  with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    T* samples = scene.raster.data<T>();
    for (int64_t i = 0; i < width * height * bands; ++i)
      samples[i] = std::is_floating_point_v<T>
                       ? static_cast<T>(random.uniform())
                       : static_cast<T>(random.integer(std::is_same_v<T, uint8_t> ? 256 : 3000));
  });
  if (type == SampleType::u8) scene.range = {0, 255};
  if (type == SampleType::u16) scene.range = {0, 3000};
  return scene;
}

// Random weights large enough that every input pixel within reach shows in the float32 result.
Model lively_model(int factor, int blocks, int nchan = 1) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 9 - factor;
  options.num_Dist_blocks = blocks, options.nchan = nchan;
  return Model(options, 7);
}

// Without a base, and with more channels for the upsampler than elsewhere.
Model lively_image_maker(int factor, int nchan) {
  NetworkOptions options{.factor = factor, .nchan = nchan, .base = Base::none};
  options.span = SpanOptions{.channels = 16, .blocks = 1, .joined = 32};
  Model model(options, 7);
  model.means = {std::vector<double>(static_cast<size_t>(nchan), 0.3),
                 std::vector<double>(static_cast<size_t>(nchan), 0.4),
                 std::vector<double>(static_cast<size_t>(nchan), 0.5)};
  return model;
}

std::vector<Model> full_networks(int factor) {
  std::vector<Model> models;
  models.push_back(lively_model(factor, 4));
  models.push_back(Model({.factor = factor, .span = SpanOptions{}}, 7));
  return models;
}

std::vector<std::byte> run(const Model& model, const Scene& scene, int64_t tile_w, int64_t tile_h,
                           std::optional<Reach> margin = {}, bool self_ensemble = false) {
  SceneSettings s = scene_settings(scene.info, model.options(), {scene.range});
  s.self_ensemble = self_ensemble;
  const int f = model.factor();
  const TileGrid grid{scene.info.width, scene.info.height, tile_w, tile_h,
                      margin.value_or(margin_for(&model, s))};
  Raster result({0, 0, scene.info.width * f, scene.info.height * f}, scene.info.bands, scene.info.type);
  upscale(&model, s, grid, false,
          {.read = [&](const Window& w) { return cut(scene.raster, w); },
           .write = [&](const FineTile& tile) { paste(result, tile.result); }});
  return result.samples;
}

std::vector<std::byte> untiled(const Model& model, const Scene& scene) {
  return run(model, scene, scene.info.width, scene.info.height);
}

class Tiling : public testing::Test {
 protected:
  ~Tiling() override {
    set_simd(best_simd());
    bands::set_precision(bands::Precision::fp32);
    omp_set_num_threads(threads_);
  }
  Random random_{20};
  int threads_ = omp_get_max_threads();
};

TEST_F(Tiling, RandomTilesGiveTheBitsOfTheWholeScene) {
  constexpr SampleType kTypes[] = {SampleType::u8, SampleType::u16, SampleType::f32};
  for (int i = 0; i < (kInstrumented ? 9 : 36); ++i) {
    const int factor = 2 + i % 3;
    const Model model = lively_model(factor, i % 2);
    const int64_t width = 1 + random_.integer(i % 5 == 0 ? 8 : 90),
                  height = 1 + random_.integer(i % 7 == 0 ? 8 : 70);
    const Scene scene = random_scene(width, height, 1 + i % 3, kTypes[random_.integer(3)], random_);
    omp_set_num_threads(1 + static_cast<int>(random_.integer(3)));
    const auto whole = untiled(model, scene);
    const int64_t tile_w = 16 + random_.integer(40), tile_h = 16 + random_.integer(40);
    omp_set_num_threads(1 + static_cast<int>(random_.integer(3)));
    EXPECT_EQ(whole, run(model, scene, tile_w, tile_h))
        << "x" << factor << ' ' << width << " x " << height << " in tiles " << tile_w << " x " << tile_h;
  }
}

TEST_F(Tiling, NetworksWithoutABaseGiveTheBitsOfTheWholeSceneInEveryMode) {
  for (int i = 0; i < 12; ++i) {
    const int factor = 2 + i % 3, bands = i % 2 == 0 ? 3 : 2;
    Scene scene = random_scene(33 + i, 40 - i, bands, i % 4 < 2 ? SampleType::u8 : SampleType::f32, random_);
    if (i % 6 == 0) scene.info.photometric = 2;                              // RGB: luma
    const Model model = lively_image_maker(factor, i % 6 == 4 ? bands : 1);  // joint
    const auto whole = run(model, scene, 80, 80, {}, i == 5);
    EXPECT_EQ(whole, run(model, scene, 16 + i, 17, {}, i == 5)) << i;
  }
}

TEST_F(Tiling, TheFullNetworksAreExactWithEveryInstructionSetAndFactor) {
  for (const Simd simd : float_simd()) {
    if (simd > best_simd() || (kInstrumented && simd != best_simd())) continue;  // the release build has all
    set_simd(simd);
    for (const int factor : {2, 3, 4}) {
      if (kInstrumented && factor != 3) continue;
      const Scene scene = random_scene(41, 35, 1, SampleType::f32, random_);
      for (const Model& model : full_networks(factor))
        EXPECT_EQ(untiled(model, scene), run(model, scene, 17, 19)) << name_of(simd) << " x" << factor;
    }
  }
}

TEST_F(Tiling, TheFullNetworksAreExactInBfloat16) {
  if (best_simd() < Simd::avx512_bf16)
    GTEST_SKIP()
        << "this processor has no products of bfloat16; tensor_bands_network_test has them in software";
  for (const Simd simd : {Simd::avx512_bf16, Simd::amx}) {
    if (simd > best_simd()) continue;
    set_simd(simd);
    bands::set_precision(bands::Precision::bf16);
    for (const int factor : {2, 3, 4}) {
      if (kInstrumented && factor != 3) continue;
      const Scene scene = random_scene(41, 35, 1, SampleType::f32, random_);
      for (const Model& model : full_networks(factor))
        EXPECT_EQ(untiled(model, scene), run(model, scene, 17, 19)) << name_of(simd) << " x" << factor;
    }
  }
}

TEST_F(Tiling, ThreadsDoNotChangeABit) {
  const Model model = lively_model(2, 1);
  const Scene scene = random_scene(64, 40, 1, SampleType::f32, random_);
  omp_set_num_threads(1);
  const auto one = untiled(model, scene);
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(one, run(model, scene, 16, 16)) << threads;
  }
}

TEST_F(Tiling, ScenesOnePixelWideOrSmallerThanTheMarginWork) {
  const Model model = lively_model(3, 1);
  for (const auto& [w, h] :
       {std::pair<int64_t, int64_t>{1, 1}, {1, 100}, {100, 1}, {2, 3}, {7, 5}, {17, 1}}) {
    const Scene scene = random_scene(w, h, 3, SampleType::u8, random_);
    EXPECT_EQ(untiled(model, scene), run(model, scene, 16, 16)) << w << " x " << h;
  }
}

TEST_F(Tiling, LumaAndJointModesAreExactToo) {
  Scene rgb = random_scene(60, 44, 3, SampleType::u8, random_);
  rgb.info.photometric = 2;
  const Model one = lively_model(2, 1), three = lively_model(2, 1, 3);
  EXPECT_EQ(scene_settings(rgb.info, one.options(), {rgb.range}).mode, ColourMode::luma);
  EXPECT_EQ(scene_settings(rgb.info, three.options(), {rgb.range}).mode, ColourMode::joint);
  EXPECT_EQ(untiled(one, rgb), run(one, rgb, 23, 16));
  EXPECT_EQ(untiled(three, rgb), run(three, rgb, 19, 29));
}

TEST_F(Tiling, HolesAreFilledTheSameInEveryTiling) {
  const Model model = lively_model(2, 1);
  for (int i = 0; i < (kInstrumented ? 1 : 6); ++i) {
    Scene scene = random_scene(70, 60, 2, SampleType::f32, random_);
    float* samples = scene.raster.data<float>();
    for (int hole = 0; hole < 5; ++hole) {
      const int64_t x = random_.integer(70), y = random_.integer(60), side = 1 + random_.integer(30);
      for (int64_t r = y; r < std::min<int64_t>(60, y + side); ++r)
        for (int64_t c = x; c < std::min<int64_t>(70, x + side); ++c)
          samples[(r * 70 + c) * 2 + hole % 2] =
              hole % 2 ? std::numeric_limits<float>::quiet_NaN() : -9999.0f;
    }
    scene.info.nodata = -9999.0;
    EXPECT_EQ(untiled(model, scene), run(model, scene, 16 + 3 * i, 31 - 2 * i)) << i;
  }
}

TEST_F(Tiling, UniformAreasAreExactToo) {
  const Model model = lively_model(2, 0);
  for (const SampleType type : {SampleType::u8, SampleType::f32}) {
    Scene scene = random_scene(100, 90, 2, type, random_);
    const auto paint = [&](const Window& w, int value) {
      with_sample_type(type, [&](auto zero) {
        for (int64_t y = w.y; y < w.y + w.h; ++y)
          for (int64_t i = 2 * w.x; i < 2 * (w.x + w.w); ++i)
            scene.raster.data<decltype(zero)>()[y * 200 + i] =
                static_cast<decltype(zero)>(i % 2 ? value : 40);
      });
    };
    paint({0, 0, 100, 60}, 7);  // three rows of tiles at the scene's border and within
    paint({50, 40, 50, 50}, 3);
    EXPECT_EQ(untiled(model, scene), run(model, scene, 16, 16)) << name_of(type);
  }
}

// The weights change when two rows of tiles are done: the third to fifth row, whose windows are like those of
// the second, are as before, the last row is not.
TEST_F(Tiling, UniformTilesOfOneKindAreComputedOnce) {
  constexpr int64_t kSide = 96, kTile = 16, kFine = 2 * kSide;
  Model model = lively_model(2, 0);
  Scene scene = random_scene(kSide, kSide, 1, SampleType::u8, random_);
  for (std::byte& sample : scene.raster.samples) sample = std::byte{90};
  const auto expected = untiled(model, scene);
  const SceneSettings s = scene_settings(scene.info, model.options(), {scene.range});
  const TileGrid grid{kSide, kSide, kTile, kTile, margin_for(&model, s)};
  ASSERT_LT(grid.margin.before, kTile);
  Raster result({0, 0, kFine, kFine}, 1, SampleType::u8);
  upscale(&model, s, grid, false,
          {.read = [&](const Window& w) { return cut(scene.raster, w); },
           .write = [&](const FineTile& tile) { paste(result, tile.result); },
           .progress =
               [&](int64_t done) {
                 if (done == 2 * kTile * kSide)
                   for (Parameter& p : model.params->list()) p.var.set_value(Tensor::zeros(p.var.shape()));
               }});
  const auto fine_rows = [](const std::vector<std::byte>& samples, int64_t from, int64_t to) {
    return std::vector(samples.begin() + 2 * kTile * kFine * from, samples.begin() + 2 * kTile * kFine * to);
  };
  EXPECT_EQ(fine_rows(result.samples, 0, 5), fine_rows(expected, 0, 5));
  EXPECT_NE(fine_rows(result.samples, 5, 6), fine_rows(expected, 5, 6));
}

// The margin is needed to its last pixel, on each side.
TEST_F(Tiling, AMarginOnePixelSmallerChangesBits) {
  for (const int factor : {2, 3, 4}) {
    if (kInstrumented && factor != 3) continue;
    const Model model = lively_model(factor, 1);
    Scene scene =
        random_scene(64, 64, 1, SampleType::u16, random_);  // no holes: the margin is the network's own
    scene.info.type = SampleType::i32;                      // fine enough to show the last bits
    scene.raster = Raster({0, 0, 64, 64}, 1, SampleType::i32);
    for (int64_t i = 0; i < 64 * 64; ++i)
      scene.raster.data<int32_t>()[i] = static_cast<int32_t>(random_.integer(1 << 24));
    scene.range = {0, 1 << 24};
    const Reach full = model.reach();
    const auto whole = untiled(model, scene);
    // Where tiles begin in Winograd's grid decides how much of the margin they need.
    bool before = false, after = false;
    for (const int64_t side : {32, 33, 34, 35}) {
      EXPECT_EQ(whole, run(model, scene, side, side, full)) << "x" << factor << " in tiles of " << side;
      before = before || whole != run(model, scene, side, side, Reach{full.before - 1, full.after});
      after = after || whole != run(model, scene, side, side, Reach{full.before, full.after - 1});
    }
    EXPECT_TRUE(before && after) << "x" << factor << ": a smaller margin is enough";
  }
}

TEST_F(Tiling, CoresCoverTheSceneOnceAndReadWindowsStayInside) {
  const TileGrid grid{101, 67, 16, 23, {30, 28}};
  std::vector<int> count(101 * 67, 0);
  for (int64_t i = 0; i < grid.size(); ++i) {
    const Tile tile = grid[i];
    for (int64_t y = tile.core.y; y < tile.core.y + tile.core.h; ++y)
      for (int64_t x = tile.core.x; x < tile.core.x + tile.core.w; ++x)
        ++count[static_cast<size_t>(y * 101 + x)];
    EXPECT_GE(tile.read.x, 0);
    EXPECT_LE(tile.read.x + tile.read.w, 101);
    EXPECT_EQ(tile.read.x, std::max<int64_t>(0, tile.core.x - 30));
    EXPECT_EQ(tile.read.y + tile.read.h, std::min<int64_t>(67, tile.core.y + tile.core.h + 28));
  }
  EXPECT_EQ(std::count(count.begin(), count.end(), 1), 101 * 67);
}

TEST_F(Tiling, AnErrorInAnyStageEndsTheRunAndComesOut) {
  const Model model = lively_model(2, 0);
  const Scene scene = random_scene(64, 64, 1, SampleType::u8, random_);
  const SceneSettings s = scene_settings(scene.info, model.options(), {scene.range});
  const TileGrid grid{64, 64, 16, 16, margin_for(&model, s)};
  const auto read = [&](const Window& w) { return cut(scene.raster, w); };
  const auto fail = [] { throw Error(Error::Kind::io, "planned failure"); };
  int64_t calls = 0;
  EXPECT_THROW(upscale(&model, s, grid, false,
                       {.read =
                            [&](const Window& w) {
                              if (++calls == 5) fail();
                              return read(w);
                            },
                        .write = [](FineTile) {}}),
               Error);
  EXPECT_THROW(upscale(&model, s, grid, false, {.read = read, .write = [&](FineTile) { fail(); }}), Error);
  EXPECT_THROW(upscale(&model, s, grid, false,
                       {.read = read, .write = [](FineTile) {}, .progress = [&](int64_t) { fail(); }}),
               Error);
}

}  // namespace
}  // namespace sr

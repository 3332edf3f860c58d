// Scenes on a GPU: tiles, whatever their size, number and order, give the same bits, and those are the
// processor's but for what a precision may round.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "scene/pipeline.h"
#include "scene/tile/tile_on_cuda.h"
#include "scene/windows.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/ops/pointwise.h"
#include "tensor/random.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using cuda::Precision;

struct Scene {
  TiffInfo info;
  Raster raster;
  ValueRange range{0, 255};
};

Scene random_scene(int64_t width, int64_t height, int bands, SampleType type, uint64_t seed = 5) {
  Random random(seed);
  Scene scene;
  scene.info.width = width, scene.info.height = height, scene.info.bands = bands, scene.info.type = type;
  scene.raster = Raster({0, 0, width, height}, bands, type);
  if (type != SampleType::u8) scene.range = {0, 3000};
  with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < width * height * bands; ++i)
      scene.raster.data<T>()[i] = static_cast<T>(random.uniform() * scene.range.high);
  });
  return scene;
}

// Its residual is about a tenth of the range, so that a wrong one shows.
Model small_model(int factor, int nchan = 1) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 9 - factor;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0, options.nchan = nchan;
  Model model(options, 7);
  for (int k = 0; k < nchan; ++k) model.means.down[static_cast<size_t>(k)] = 0.4 + 0.1 * k;
  return model;
}

struct Results {
  Raster result, bicubic;
};

Results run(const Model& model, const Scene& scene, const SceneSettings& s, int64_t tile_w, int64_t tile_h,
            const std::vector<int>& gpus) {
  const int f = model.factor();
  const TileGrid grid{scene.info.width, scene.info.height, tile_w, tile_h, margin_for(&model, s)};
  const Raster empty({0, 0, scene.info.width * f, scene.info.height * f}, scene.info.bands, scene.info.type);
  Results all{empty, empty};
  upscale(&model, s, grid, true,
          {.read = [&](const Window& w) { return cut(scene.raster, w); },
           .write =
               [&](const FineTile& tile) {
                 paste(all.result, tile.result);
                 paste(all.bicubic, *tile.bicubic);
               }},
          gpus);
  return all;
}

Results run(const Model& model, const Scene& scene, int64_t tile_w, int64_t tile_h,
            const std::vector<int>& gpus) {
  return run(model, scene, scene_settings(scene.info, model.options(), {scene.range}), tile_w, tile_h, gpus);
}

// Largest difference in samples.
double difference(const Raster& a, const Raster& b) {
  double most = 0;
  with_sample_type(a.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < a.window.pixels() * a.bands; ++i)
      most =
          std::max(most, std::abs(static_cast<double>(a.data<T>()[i]) - static_cast<double>(b.data<T>()[i])));
  });
  return most;
}

class SceneOnGpu : public testing::Test {
 protected:
  SceneOnGpu() { cuda::set_precision(Precision::fp16); }
  ~SceneOnGpu() override { cuda::set_precision(Precision::fp32); }
};

TEST_F(SceneOnGpu, TilesGiveTheBitsOfTheWholeScene) {
  const Scene scene = random_scene(53, 37, 1, SampleType::u16);
  const Model model = small_model(2);
  for (const Precision precision : {Precision::fp16, Precision::tf32}) {
    cuda::set_precision(precision);
    const Results whole = run(model, scene, 53, 37, {0});
    for (const auto& [w, h] : {std::pair(53, 20), {17, 16}}) {
      const Results tiled = run(model, scene, w, h, {0});
      EXPECT_EQ(tiled.result.samples, whole.result.samples) << w << " x " << h;
      EXPECT_EQ(tiled.bicubic.samples, whole.bicubic.samples) << w << " x " << h;
    }
  }
}

TEST_F(SceneOnGpu, WindowsOfASourceGiveTheBitsOfTheWholeScene) {
  const Scene scene = random_scene(53, 37, 1, SampleType::u16);
  const Model model = small_model(2);
  Raster result({0, 0, 106, 74}, 1, SampleType::u16);
  WindowOptions options{.value_ranges = {scene.range}, .num_tiles_w = 2, .num_tiles_h = 2};
  options.gpus = {0};
  int windows = 0;
  upscale_windows(model, {.width = 53, .height = 37, .type = SampleType::u16},
                  {.read = [&](const Window& w) { return cut(scene.raster, w); },
                   .write = [&](const Raster& part) { paste(result, part), ++windows; }},
                  options);
  EXPECT_EQ(windows, 4);
  EXPECT_EQ(result.samples, run(model, scene, 53, 37, {0}).result.samples);
}

TEST_F(SceneOnGpu, FullPrecisionGivesTheProcessorsSamplesButForRounding) {
  cuda::set_precision(Precision::fp32);
  for (const int factor : {2, 3, 4}) {
    const Scene scene = random_scene(33, 21, 3, SampleType::u16);
    const Model model = small_model(factor);
    const Results here = run(model, scene, 33, 21, {}), there = run(model, scene, 20, 21, {0});
    EXPECT_EQ(there.bicubic.samples, here.bicubic.samples) << factor;
    EXPECT_LE(difference(there.result, here.result), 1) << factor;
    EXPECT_GE(difference(here.result, here.bicubic), 30) << factor;
  }
}

TEST_F(SceneOnGpu, LumaAndJointBandsAreTheProcessors) {
  cuda::set_precision(Precision::fp32);
  Scene rgb = random_scene(33, 21, 3, SampleType::u8);
  rgb.info.photometric = 2;
  const Model luma = small_model(2), joint = small_model(2, 3);
  ASSERT_EQ(scene_settings(rgb.info, luma.options(), {rgb.range}).mode, ColourMode::luma);
  EXPECT_LE(difference(run(luma, rgb, 20, 21, {0}).result, run(luma, rgb, 33, 21, {}).result), 1);
  const Scene bands = random_scene(33, 21, 3, SampleType::f32);
  ASSERT_EQ(scene_settings(bands.info, joint.options(), {bands.range}).mode, ColourMode::joint);
  EXPECT_LE(difference(run(joint, bands, 20, 21, {0}).result, run(joint, bands, 33, 21, {}).result),
            1e-5 * bands.range.high);
}

// Results of so many channels are stored as what lies between layers is.
TEST_F(SceneOnGpu, AJointNetworkOfManyBandsGivesTheProcessorsSamplesInHalfPrecision) {
  const Scene scene = random_scene(12, 9, 16, SampleType::u16);
  for (const Base base : {Base::bicubic, Base::none}) {
    NetworkOptions options{.factor = 2, .nchan = 16, .num_FB_layers = 1, .num_Dist_blocks = 0, .base = base};
    const Model model(options, 7);
    const Results here = run(model, scene, 12, 9, {}), there = run(model, scene, 12, 9, {0});
    EXPECT_LE(difference(there.result, here.result), 0.01 * scene.range.high);
    EXPECT_GE(difference(here.result, here.bicubic), 0.05 * scene.range.high);
  }
}

// Whose result in half precision is the image itself.
TEST_F(SceneOnGpu, NetworksWithoutABaseGiveTheBitsOfTheWholeAndTheProcessorsSamples) {
  Scene rgb = random_scene(33, 21, 3, SampleType::u8);
  rgb.info.photometric = 2;
  const Scene bands = random_scene(33, 21, 3, SampleType::u16);
  for (const auto& [scene, nchan] : {std::pair<const Scene*, int>{&rgb, 1}, {&bands, 1}, {&bands, 3}}) {
    NetworkOptions options{.factor = 2, .nchan = nchan, .base = Base::none};
    options.span = SpanOptions{.channels = 16, .blocks = 1, .joined = 32};
    Model model(options, 7);
    for (size_t k = 0; k < model.means.gt.size(); ++k)
      model.means.down[k] = 0.4, model.means.gt[k] = 0.5, model.means.bic_up[k] = 7;
    const Results whole = run(model, *scene, 33, 21, {0});
    EXPECT_EQ(run(model, *scene, 16, 17, {0}).result.samples, whole.result.samples);
    EXPECT_EQ(whole.bicubic.samples, run(model, *scene, 33, 21, {}).bicubic.samples);
    cuda::set_precision(Precision::fp32);
    EXPECT_LE(difference(run(model, *scene, 20, 21, {0}).result, run(model, *scene, 33, 21, {}).result), 1);
    cuda::set_precision(Precision::fp16);
  }
}

TEST_F(SceneOnGpu, HolesAreFilledAndPutBackAsByTheProcessor) {
  cuda::set_precision(Precision::fp32);
  Scene scene = random_scene(50, 30, 1, SampleType::u16);
  scene.info.nodata = 9;
  for (int64_t y = 0; y < 30; ++y)
    for (int64_t x = 0; x < 50; ++x)
      if (x > 30 || (x == 5 && y < 9)) scene.raster.data<uint16_t>()[y * 50 + x] = 9;
  const Model model = small_model(2);
  const Results here = run(model, scene, 50, 30, {}), there = run(model, scene, 16, 16, {0});
  EXPECT_EQ(there.bicubic.samples, here.bicubic.samples);
  EXPECT_LE(difference(there.result, here.result), 1);
  EXPECT_EQ(there.result.data<uint16_t>()[99], 9);
}

TEST_F(SceneOnGpu, CopiedBandsAreRepeatedBesideTheOthers) {
  cuda::set_precision(Precision::fp32);
  const Scene scene = random_scene(33, 21, 3, SampleType::u16);
  const Model model = small_model(2);
  SceneSettings s = scene_settings(without_bands(scene.info, {1}), model.options(), {scene.range});
  s.copied_bands = {1};
  const Results here = run(model, scene, s, 33, 21, {}), there = run(model, scene, s, 20, 13, {0});
  EXPECT_EQ(there.bicubic.samples, here.bicubic.samples);
  EXPECT_LE(difference(there.result, here.result), 1);
  for (int64_t p = 0; p < 66 * 42; ++p)
    ASSERT_EQ(there.result.data<uint16_t>()[3 * p + 1],
              scene.raster.data<uint16_t>()[3 * (p / 66 / 2 * 33 + p % 66 / 2) + 1]);
}

// The writer's thread, the reader's or the GPUs' may be waiting for another that has ended.
TEST_F(SceneOnGpu, AFailureOfReadingOrWritingEndsTheSceneWhereverItHappens) {
  const Scene scene = random_scene(64, 16, 1, SampleType::u16);
  const Model model = small_model(2);
  const SceneSettings s = scene_settings(scene.info, model.options(), {scene.range});
  const TileGrid grid{64, 16, 16, 16, margin_for(&model, s)};
  for (const int failing : {0, 1, 3}) {
    int reads = 0, writes = 0;
    const auto read = [&](const Window& w) { return cut(scene.raster, w); };
    const auto fail = [] { throw Error(Error::Kind::io, "as planned"); };
    expect_error(Error::Kind::io, "as planned", [&] {
      upscale(&model, s, grid, false,
              {.read = [&](const Window& w) { return reads++ == failing ? (fail(), Raster()) : read(w); },
               .write = [](const FineTile&) {}},
              {0});
    });
    expect_error(Error::Kind::io, "as planned", [&] {
      upscale(&model, s, grid, false,
              {.read =
                   [&](const Window& w) {
                     std::this_thread::sleep_for(std::chrono::milliseconds(30));
                     return read(w);
                   },
               .write = [&](const FineTile&) { writes++ == failing ? fail() : void(); }},
              {0});
    });
  }
}

TEST_F(SceneOnGpu, ResultsBeyondWhatHalfPrecisionHoldsAreSaid) {
  const Scene scene = random_scene(20, 20, 1, SampleType::u16);
  Model model = small_model(2);
  for (const Parameter& p : model.params->list())
    if (p.name == "features.0.weight") Var(p.var).set_value(scale(p.var.value(), 1e7f));
  expect_error(Error::Kind::usage, "beyond what fp16 holds; use --precision bf16",
               [&] { run(model, scene, 20, 20, {0}); });
  cuda::set_precision(Precision::bf16);
  run(model, scene, 20, 20, {0});
}

#ifdef SR_CUDA_EMULATED
// What follows needs a device whose state can be chosen.

// While one lives, the device has so many bytes left.
class MemoryLeft {
 public:
  explicit MemoryLeft(size_t bytes) : before_(emulation::options().device_memory) {
    const auto in_use = before_ - static_cast<size_t>(cuda::free_bytes(0));
    emulation::options().device_memory = in_use + bytes;
  }
  ~MemoryLeft() { emulation::options().device_memory = before_; }
  MemoryLeft(const MemoryLeft&) = delete;
  MemoryLeft& operator=(const MemoryLeft&) = delete;

 private:
  size_t before_;
};

TEST_F(SceneOnGpu, TwoGpusShareTheTilesAndGiveTheSameBits) {
  const Scene scene = random_scene(70, 40, 1, SampleType::u16);
  const Model model = small_model(2);
  const Results one = run(model, scene, 16, 16, {0});
  emulation::options().devices = 2;
  const Results two = run(model, scene, 16, 16, {0, 1});
  emulation::options().devices = 1;
  EXPECT_EQ(two.result.samples, one.result.samples);
}

TEST_F(SceneOnGpu, ATileHoldsNoMoreMemoryThanItSaysAndNotMuchLess) {
  NetworkOptions options;
  options.num_Dist_blocks = 1, options.crop_begin = 7;
  for (const auto& [bands, base] : {std::pair(1, Base::bicubic), {3, Base::bicubic}, {1, Base::none}}) {
    options.base = base;
    const Model model(options, 7);
    const Scene scene = random_scene(32, 32, bands, SampleType::u16);
    const SceneSettings s = scene_settings(scene.info, model.options(), {scene.range});
    const auto tile = [&](int64_t side) { return Tile{{0, 0, side, side}, {0, 0, side, side}}; };
    cuda::TileOnCuda compute(model, s);
    compute(cut(scene.raster, tile(16).read), tile(16), true);  // weights are packed
    const int64_t small = cuda::device_bytes(model, s, tile(16), 2), before = cuda::free_bytes(0);
    for (int i = 0; i < 3; ++i) compute(scene.raster, tile(32), true);
    const int64_t held = before - cuda::free_bytes(0), said = cuda::device_bytes(model, s, tile(32), 2);
    EXPECT_LE(held, said) << bands;
    EXPECT_GE(held + small, said * 9 / 10) << bands;
  }
}

TEST_F(SceneOnGpu, TilesThatDoNotFitAreCutWithTheSameResult) {
  const Scene scene = random_scene(96, 64, 1, SampleType::u16);
  const Model model = small_model(2);
  const Results whole = run(model, scene, 96, 64, {0});
  constexpr size_t kLeft = size_t{800} << 10;
  const Tile tile{{0, 0, 96, 64}, {0, 0, 96, 64}};
  ASSERT_GT(cuda::device_bytes(model, scene_settings(scene.info, model.options(), {scene.range}), tile, 2),
            kLeft);
  const MemoryLeft left(kLeft);
  const Results cut_up = run(model, scene, 96, 64, {0});
  EXPECT_EQ(cut_up.result.samples, whole.result.samples);
  EXPECT_EQ(cut_up.bicubic.samples, whole.bicubic.samples);
}

TEST_F(SceneOnGpu, WithoutMemoryForTheSmallestTileThatIsSaid) {
  const Scene scene = random_scene(40, 40, 1, SampleType::u16);
  const Model model = small_model(2);
  const MemoryLeft left(size_t{200} << 10);
  expect_error(Error::Kind::limit, "not even a tile of", [&] { run(model, scene, 40, 40, {0}); });
}

TEST_F(SceneOnGpu, AsMemoryGrowsItIsSaidThatThereIsTooLittleUntilTilesFit) {
  const Scene scene = random_scene(40, 40, 1, SampleType::u16);
  const Model model = small_model(2);
  const Results whole = run(model, scene, 16, 16, {0});
  int computed = 0;
  for (size_t kib = 200; kib <= 700; kib += 80) {
    const MemoryLeft left(kib << 10);
    try {
      EXPECT_EQ(run(model, scene, 16, 16, {0}).result.samples, whole.result.samples) << kib << " KiB";
      ++computed;
    } catch (const Error& e) {
      EXPECT_EQ(computed, 0) << kib << " KiB are too few, fewer were not: " << e.what();
      EXPECT_NE(std::string(e.what()).find("not even a tile of"), std::string::npos)
          << kib << " KiB: " << e.what();
    }
  }
  EXPECT_GT(computed, 0);
}

TEST_F(SceneOnGpu, AKernelsFailureEndsTheScene) {
  const Scene scene = random_scene(40, 40, 1, SampleType::u16);
  const Model model = small_model(2);
  emulation::fail_next("cudaLaunchKernel", cudaErrorIllegalAddress, 20);
  expect_error(Error::Kind::device, "tile of ", [&] { run(model, scene, 16, 16, {0}); });
}
#endif

}  // namespace
}  // namespace sr

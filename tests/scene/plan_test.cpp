// Tiles are chosen for a limit of memory, whatever the size of the scene. Memory that a run really takes is
// in tools_memory_test, what a tile really takes in scene_tile_tile_test.
#include "scene/plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/on_cuda.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

// A file with the layout of the page and none of its samples: plans need no more.
TiffReader scene_of(const std::string& path, const TestPage& page) {
  TIFF* tiff = TIFFOpen(path.c_str(), "w8");
  set_layout(tiff, page);
  EXPECT_EQ(TIFFWriteCheck(tiff, page.tile > 0, "scene_of"), 1);
  EXPECT_EQ(TIFFWriteDirectory(tiff), 1);
  TIFFClose(tiff);
  return TiffReader(path, {.block_bytes = 128 * kMegabyte, .cache_bytes = 64 * kMegabyte});
}

TestPage page_of(uint32_t width, uint32_t height, uint16_t bands, uint16_t bits) {
  TestPage page;
  page.width = width, page.height = height, page.bands = bands, page.bits = bits;
  if (bands == 3) page.photometric = PHOTOMETRIC_RGB;
  return page;
}

Model full_model(int factor) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 9 - factor;
  return Model(options);
}

Model small_model() {
  NetworkOptions options;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0;
  return Model(options);
}

ScenePlan plan_of(const TiffReader& reader, const Model* model, const PlanOptions& options) {
  const NetworkOptions network = model ? model->options() : NetworkOptions{};
  return plan_scene(reader, model, scene_settings(reader.info(), network, {{0, 255}}), options);
}

TEST(ScenePlan, StaysBelowTheLimitAndUsesMostOfIt) {
  const TestFolder folder;
  for (const uint16_t bands : {uint16_t{3}, uint16_t{4}}) {
    TestPage page = page_of(20000, 20000, bands, bands == 3 ? 8 : 16);
    page.tile = 512;
    const TiffReader reader = scene_of(folder / "a.tif", page);
    for (const int factor : kInstrumented ? std::vector<int>{3} : std::vector<int>{2, 3, 4}) {
      const Model model = full_model(factor);
      int64_t previous_core = 0;
      for (const int64_t limit : {256, 512, 1024, 2048}) {
        const ScenePlan plan = plan_of(reader, &model, {.max_memory_bytes = limit * kMegabyte});
        EXPECT_LE(plan.peak_bytes, limit * kMegabyte);
        EXPECT_GE(plan.peak_bytes, limit * kMegabyte / 2) << "x" << factor << ' ' << limit;
        const int64_t core = plan.grid.tile_width * plan.grid.tile_height;
        EXPECT_GT(core, previous_core) << "more memory, larger tiles";
        previous_core = core;
        const int64_t unit = factor == 3 ? 256 : 256 / factor;
        EXPECT_TRUE(plan.grid.tile_width % unit == 0 && plan.grid.tile_height % unit == 0)
            << "each block of the result lies in one tile: " << plan.grid.tile_width << " x "
            << plan.grid.tile_height;
      }
    }
  }
}

// For every kind of file and network. What grows is what libtiff keeps of each block, and a strip of many
// rows.
TEST(ScenePlan, FourTimesTheSceneTakesNoMoreThanATenthMoreMemory) {
  const TestFolder folder;
  const Model full = full_model(2), small = small_model();
  for (const uint32_t rows : {0u, 1u, 256u})  // tiles, strips of so many rows
    for (const uint16_t bands : {uint16_t{3}, uint16_t{4}})
      for (const Model* model : {static_cast<const Model*>(nullptr), &small, &full})
        for (const int64_t limit : {512, 2048}) {
          std::optional<ScenePlan> quarter;
          for (const uint32_t side : {3000u, 6000u, 12000u, 24000u, 48000u}) {
            if (kInstrumented && side < 24000) continue;  // the release build has all
            TestPage page = page_of(side, side, bands, bands == 3 ? 8 : 16);
            page.tile = rows == 0 ? 256 : 0, page.rows_per_strip = rows;
            const ScenePlan plan =
                plan_of(scene_of(folder / "a.tif", page), model, {.max_memory_bytes = limit * kMegabyte});
            if (quarter) {
              EXPECT_LT(static_cast<double>(plan.peak_bytes), 1.1 * static_cast<double>(quarter->peak_bytes))
                  << side << " rows " << rows << " bands " << bands << " limit " << limit;
            }
            quarter = plan;
          }
        }
}

// A row of half full overview blocks of 512 x 512 x 8 bytes would wait below tiles of 1024 x 256.
TEST(ScenePlan, OfACogsGoodEnoughTilesThoseOfLeastMemoryAreTaken) {
  const TestFolder folder;
  TestPage page = page_of(10980, 10980, 4, 16);
  page.tile = 256;
  const TiffReader reader = scene_of(folder / "a.tif", page);
  PlanOptions options;
  options.writing.cog = true, options.writing.block = 512;
  const ScenePlan chosen = plan_of(reader, nullptr, options);
  EXPECT_EQ(chosen.grid.tile_width, 512);
  EXPECT_EQ(chosen.grid.tile_height, 512);
  options.num_tiles_w = 11, options.num_tiles_h = 43;
  EXPECT_GT(plan_of(reader, nullptr, options).peak_bytes, chosen.peak_bytes + 40 * kMegabyte);
}

TEST(ScenePlan, NumbersOfTilesAreKeptUnlessTheMemoryIsShort) {
  const TestFolder folder;
  const Model model = full_model(2);
  const TiffReader reader = scene_of(folder / "a.tif", page_of(1000, 1501, 1, 8));
  const ScenePlan kept =
      plan_of(reader, &model, {.max_memory_bytes = 1024 * kMegabyte, .num_tiles_w = 3, .num_tiles_h = 4});
  EXPECT_EQ(kept.grid.tile_width, 334);
  EXPECT_EQ(kept.grid.tile_height, 376);
  const ScenePlan one_axis =
      plan_of(reader, &model, {.max_memory_bytes = 1024 * kMegabyte, .num_tiles_h = 7});
  EXPECT_EQ(one_axis.grid.tile_height, 215);
  const ScenePlan smaller =
      plan_of(reader, &model, {.max_memory_bytes = 128 * kMegabyte, .num_tiles_w = 1, .num_tiles_h = 2});
  EXPECT_LE(smaller.peak_bytes, 128 * kMegabyte);
  EXPECT_LT(smaller.grid.tile_height, 751);
}

TEST(ScenePlan, ThinScenesAreTakenInLongTiles) {
  const TestFolder folder;
  const Model model = full_model(2);
  const ScenePlan plan = plan_of(scene_of(folder / "a.tif", page_of(1, 65537, 1, 8)), &model, {});
  EXPECT_EQ(plan.grid.tile_width, 1);
  EXPECT_EQ(plan.grid.tile_height, 2048);
}

// A wide scene in one strip: every tile of a row would start it anew.
TEST(ScenePlan, TheCacheHoldsARowOfTilesOfAStripThatIsDecodedInOrder) {
  const TestFolder folder;
  const Model model = full_model(2);
  TestPage page = page_of(20000, 3000, 4, 16);
  page.compression = COMPRESSION_ADOBE_DEFLATE, page.rows_per_strip = 3000;
  const TiffReader reader = scene_of(folder / "a.tif", page);
  for (const Model* network : {static_cast<const Model*>(nullptr), &model})
    for (const int64_t limit : {300, 2048}) {
      const ScenePlan plan = plan_of(reader, network, {.max_memory_bytes = limit * kMegabyte});
      const int64_t rows = plan.grid.tile_height + plan.grid.margin.before + plan.grid.margin.after;
      EXPECT_GE(plan.cache_bytes, rows * page.width * 8);
      EXPECT_LE(plan.peak_bytes, limit * kMegabyte);
    }
}

TEST(ScenePlan, ALimitBelowTheSmallestTileIsAnErrorThatSaysWhatIsWanted) {
  const TestFolder folder;
  const Model model = full_model(2);
  const TiffReader reader = scene_of(folder / "a.tif", page_of(1000, 1000, 1, 8));
  expect_error(Error::Kind::limit, "max_memory of 30 MB is too small for this scene: tiles of 16 x 16 pixels",
               [&] { plan_of(reader, &model, {.max_memory_bytes = 30 * kMegabyte}); });
  if constexpr (cuda::kBuilt)
    expect_error(Error::Kind::limit, "the GPU's free memory is too small: tiles of 16 x 16 pixels want ",
                 [&] { plan_of(reader, &model, {.gpus = 1, .gpu_bytes = 1000}); });
  const ScenePlan least = plan_of(reader, &model, {.max_memory_bytes = 74 * kMegabyte});
  EXPECT_LT(least.grid.tile_width, 128);
}

// More memory has larger strips decoded as a whole, which takes more memory.
TEST(ScenePlan, TheLeastThatAnErrorAsksForIsEnoughForStripsOfAnySize) {
  const TestFolder folder;
  for (const uint32_t rows : {8u, 9u, 10u, 11u, 12u, 16u, 24u, 400u}) {
    TestPage page = page_of(20000, 400, 4, 16);
    page.compression = COMPRESSION_ADOBE_DEFLATE, page.rows_per_strip = rows;
    scene_of(folder / "a.tif", page);
    const auto plan_with = [&](int64_t limit) {
      const TiffReader reader(folder / "a.tif", {.cache_bytes = limit / 8});  // as upscale_scene() opens it
      return plan_of(reader, nullptr, {.max_memory_bytes = limit});
    };
    std::string refusal;
    try {
      plan_with(33 * kMegabyte);
    } catch (const Error& error) {
      refusal = error.what();
    }
    const size_t at = refusal.find("want ");
    ASSERT_NE(at, std::string::npos) << refusal;
    EXPECT_NO_THROW(plan_with(std::stoi(refusal.substr(at + 5)) * kMegabyte)) << rows << " rows: " << refusal;
  }
}

// Else a few blocks of all bands would take the memory, and tiles would be cut small.
TEST(ScenePlan, BlocksOfTheResultTakeAtMostSixteenMegabytesHoweverManyBandsThereAre) {
  const auto side = [](int bands, SampleType type) {
    TiffInfo info;
    info.bands = bands, info.type = type;
    return result_block(info, {});
  };
  EXPECT_EQ(side(3, SampleType::u8), 256);
  EXPECT_EQ(side(32, SampleType::f64), 256);
  EXPECT_EQ(side(33, SampleType::f64), 128);
  EXPECT_EQ(side(425, SampleType::f64), 64);
  EXPECT_EQ(side(65535, SampleType::f64), 16);
}

TEST(ScenePlan, HyperspectralScenesAreNotCutIntoTinyTiles) {
  const TestFolder folder;
  TestPage page = page_of(600, 400, 425, 64);
  page.format = SAMPLEFORMAT_IEEEFP, page.tile = 256, page.planar = true;
  const TiffReader reader = scene_of(folder / "a.tif", page);
  PlanOptions options{.max_memory_bytes = 2048 * kMegabyte};
  options.writing = {.block = result_block(reader.info(), {}), .threads = 2};
  const ScenePlan plan = plan_of(reader, nullptr, options);
  EXPECT_GE(plan.grid.tile_width * plan.grid.tile_height, 96 * 96);
}

}  // namespace
}  // namespace sr

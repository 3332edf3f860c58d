// Memory does not grow with the scene.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/instrumented.h"
#include "tests/run_program.h"
#include "tests/small_model.h"
#include "tests/training_images.h"

namespace sr {
namespace {

int64_t peak_of(int side, const std::string& limit) {
  const TestFolder folder;
  write_small_model(folder / "weights", 2);
  const ProgramRun made =
      run_program("make_scene", {"--out", folder / "scene.tif", "--width", std::to_string(side), "--height",
                                 std::to_string(side), "--bands", "1", "--quiet"});
  EXPECT_EQ(made.status, 0) << made.err;
  const ProgramRun run =
      run_program("eval_superres_net",
                  {"--data_path", folder / "scene.tif", "--pretrained_path", folder / "weights", "--out_path",
                   folder / "out", "--max_memory", limit, "--compress", "none", "--threads", "2"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(std::filesystem::file_size(folder / "out/scene.tif") / 1'000'000,
            static_cast<uintmax_t>(4 * side) * static_cast<uintmax_t>(side) / 1'000'000);
  // The scene, its result, and nothing else was written.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "out"), {}), 1);
  return run.peak_bytes;
}

TEST(Memory, FourTimesTheSceneNeedsNoMoreThanATenthMoreAndStaysUnderTheLimit) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers' own memory would be measured; the release build has it";
  const int64_t small = peak_of(2048, "512MB"), large = peak_of(4096, "512MB");
  EXPECT_LT(static_cast<double>(large), 1.1 * static_cast<double>(small));
  EXPECT_LT(large, int64_t{512} << 20);
}

// A scene of 256 MB whose tiles are flat but for a few: all of it is read, little is written.
TEST(Memory, CuttingTilesOfASceneNeedsLessThanTheScene) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers' own memory would be measured; the release build has it";
  constexpr int64_t kSide = 16000, kRows = 256;
  const TestFolder folder;
  Raster rows({0, 0, kSide, kRows}, 1, SampleType::u8);
  TiffInfo info = tiff_info_of(rows);
  info.height = kSide;
  TiffWriter writer(folder / "scene.tif", info, {});
  for (int64_t y = 0; y < kSide; y += kRows) {
    rows.window = {0, y, kSide, std::min(kRows, kSide - y)};
    rows.samples.resize(static_cast<size_t>(rows.window.pixels()));
    rows.samples[0] = std::byte{200};  // so 40 of 1600 tiles are not flat
    writer.write(rows);
  }
  writer.finish();
  const ProgramRun run =
      run_program("create_training_dataset",
                  {"--data_path", folder / "scene.tif", "--out_path", folder / "out", "--threads", "2"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_LT(run.peak_bytes, int64_t{230} << 20);
  EXPECT_GT(std::filesystem::file_size(folder / "out/x2/Training/data_000.rec"), 1'000'000u);
}

}  // namespace
}  // namespace sr

// Memory does not grow with the scene and stays below --max_memory; nothing but the result is written.
#include <gtest/gtest.h>
#include <tiffio.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/support/training_images.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

void make_scene_in_tiles(const std::string& path, int width, int height) {
  const ProgramRun made =
      run_program("make_scene", {"--out", path, "--width", std::to_string(width), "--height",
                                 std::to_string(height), "--bands", "1", "--quiet"});
  ASSERT_EQ(made.status, 0) << made.err;
}

// Compressed strips, each as wide as the scene: every tile needs parts of many.
void make_scene_in_strips(const std::string& path, int side, int rows_per_strip,
                          uint16_t codec = COMPRESSION_ADOBE_DEFLATE) {
  TIFF* tiff = TIFFOpen(path.c_str(), "w");
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, side);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, side);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 32);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_INT);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, codec);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows_per_strip);
  std::vector<int32_t> row(static_cast<size_t>(side));
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) row[static_cast<size_t>(x)] = x * (x / 7) + y * 31;
    ASSERT_EQ(TIFFWriteScanline(tiff, row.data(), static_cast<uint32_t>(y), 0), 1);
  }
  TIFFClose(tiff);
}

// Runs the program and tells its peak. What it writes must be its result alone: no raster for a while,
// neither beside the result, nor in the folder for temporary files, nor anywhere else.
int64_t peak_of(const TestFolder& folder, std::vector<std::string> arguments) {
  const std::string temporary = folder / "tmp", out = folder / "out";
  std::filesystem::create_directory(temporary);
  const char* usual = std::getenv("TMPDIR");
  const std::string restored = usual ? usual : "";
  setenv("TMPDIR", temporary.c_str(), 1);
  arguments.insert(arguments.end(), {"--data_path", folder / "scene.tif", "--out_path", out, "--compress",
                                     "none", "--threads", "2", "--quiet"});
  const ProgramRun run = run_program("eval_superres_net", arguments);
  usual ? setenv("TMPDIR", restored.c_str(), 1) : unsetenv("TMPDIR");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_TRUE(std::filesystem::is_empty(temporary));
  uintmax_t result_bytes = 0;
  int results = 0;
  for (const auto& entry : std::filesystem::directory_iterator(out))
    result_bytes += entry.file_size(), ++results;
  EXPECT_EQ(results, 1);
  if (run.written_bytes >= 0) {  // a system that counts
    EXPECT_GE(static_cast<uintmax_t>(run.written_bytes), result_bytes);
    EXPECT_LT(static_cast<double>(run.written_bytes), 1.01 * static_cast<double>(result_bytes) + 100'000);
  }
  std::filesystem::remove_all(out);
  return run.peak_bytes;
}

// A scene of few tiles does not always fill the queues between reading, computing and writing: its largest
// peak of three is what a larger scene is held against.
template <class Peak>
void expect_no_growth(const Peak& peak, const TestFolder& small, const TestFolder& large,
                      int64_t limit_megabytes, const std::string& what) {
  const int64_t few = std::max({peak(small), peak(small), peak(small)}), many = peak(large);
  // Of so small a scene a tenth is a few megabytes, less than what thread and allocator timing makes of a
  // run; memory that followed the area would be four times as much, and the width twice.
  EXPECT_LT(static_cast<double>(many), 1.1 * static_cast<double>(few) + 8e6) << what;
  EXPECT_LT(many, limit_megabytes * kMegabyte) << what;
}

TEST(Memory, FourTimesTheSceneNeedsNoMoreThanATenthMoreAndStaysUnderTheLimit) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers' own memory would be measured; the release build has it";
  const TestFolder small, large;
  for (const TestFolder* folder : {&small, &large}) write_small_model(*folder / "weights", 2);
  make_scene_in_tiles(small / "scene.tif", 2100, 1600);  // larger than a tile both ways
  make_scene_in_tiles(large / "scene.tif", 4200, 3200);
  for (const int limit : {512, 2048}) {
    const auto peak = [&](const TestFolder& folder) {
      return peak_of(folder,
                     {"--pretrained_path", folder / "weights", "--max_memory", std::to_string(limit) + "MB"});
    };
    expect_no_growth(peak, small, large, limit, std::to_string(limit) + " MB");
  }
}

TEST(Memory, StripsAsWideAsTheSceneDoNotMakeItGrow) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers' own memory would be measured; the release build has it";
  for (const int rows_per_strip : {1, 300}) {
    const TestFolder small, large;
    make_scene_in_strips(small / "scene.tif", 1800, rows_per_strip);
    make_scene_in_strips(large / "scene.tif", 3600, rows_per_strip);
    const auto peak = [](const TestFolder& folder) {
      return peak_of(folder, {"--bicubic_only", "--max_memory", "512MB"});
    };
    expect_no_growth(peak, small, large, 512, std::to_string(rows_per_strip) + " rows");
  }
}

// Windows are computed anew with twice the margin: with little memory they are larger than the tiles.
TEST(Memory, TheLeastThatVerifyAsksForIsEnough) {
  if (kInstrumented) GTEST_SKIP() << "the sanitizers' own memory would be measured; the release build has it";
  const TestFolder folder;
  const ProgramRun made = run_program("make_scene", {"--out", folder / "scene.tif", "--width", "300",
                                                     "--height", "260", "--nodata", "0", "--quiet"});
  ASSERT_EQ(made.status, 0) << made.err;
  const auto verified = [&](const std::string& limit) {
    return run_program("eval_superres_net",
                       {"--data_path", folder / "scene.tif", "--out_path", folder / "out",
                        "--pretrained_path", std::string(SR_SOURCE_DIR) + "/pretrained", "--bicubic",
                        "--preview", "--verify", "3", "--threads", "2", "--max_memory", limit});
  };
  const ProgramRun refused = verified("40MB");
  EXPECT_EQ(refused.status, 1);
  const std::string wanted = "pixels with --verify want ";
  const size_t at = refused.err.find(wanted);
  ASSERT_NE(at, std::string::npos) << refused.err;
  const int64_t least = std::stoi(refused.err.substr(at + wanted.size()));
  const ProgramRun run = verified(std::to_string(least) + "MB");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_LE(run.peak_bytes, least * kMegabyte) << least << " MB were asked for";
}

// More threads want more memory: with the least they go without it.
TEST(Memory, TheLeastThatManyThreadsAskForIsEnough) {
  const TestFolder folder;
  make_scene_in_tiles(folder / "scene.tif", 1400, 800);
  const auto enlarged = [&](const std::string& limit) {
    return run_program("eval_superres_net",
                       {"--data_path", folder / "scene.tif", "--out_path", folder / "out", "--bicubic_only",
                        "--threads", "8", "--max_memory", limit});
  };
  const ProgramRun refused = enlarged("34MB");
  const std::string wanted = "pixels want ";
  const size_t at = refused.err.find(wanted);
  ASSERT_NE(at, std::string::npos) << refused.err;
  const int64_t least = std::stoi(refused.err.substr(at + wanted.size()));
  const ProgramRun run = enlarged(std::to_string(least) + "MB");
  EXPECT_EQ(run.status, 0) << least << " MB: " << run.err;
  if (!kInstrumented) {
    EXPECT_LE(run.peak_bytes, least * kMegabyte) << least << " MB were asked for";
  }
}

// One strip, whose codec may need all of it at once; strips of 2 MB, which more memory has decoded as a
// whole.
TEST(Memory, TheLeastThatStripsAndTheirCodecsAskForIsEnough) {
  constexpr int kSide = 1100;
  const TestFolder folder;
  for (const uint16_t codec : std::initializer_list<uint16_t>{COMPRESSION_ADOBE_DEFLATE, COMPRESSION_LERC,
                                                              COMPRESSION_LZMA, COMPRESSION_ZSTD})
    for (const int rows : {kSide, 600}) {
      if (!TIFFIsCODECConfigured(codec)) continue;
      make_scene_in_strips(folder / "scene.tif", kSide, rows, codec);
      const auto enlarged = [&](const std::string& limit) {
        return run_program("eval_superres_net",
                           {"--data_path", folder / "scene.tif", "--out_path", folder / "out",
                            "--bicubic_only", "--threads", "1", "--compress", "none", "--max_memory", limit});
      };
      const std::string what = std::to_string(codec) + ", " + std::to_string(rows) + " rows";
      const ProgramRun refused = enlarged("33MB");
      EXPECT_NE(refused.err.find("max_memory of 33 MB is too small for this scene"), std::string::npos)
          << what << refused.err;
      const std::string wanted = "pixels want ";
      const size_t at = refused.err.find(wanted);
      ASSERT_NE(at, std::string::npos) << what << refused.err;
      const int64_t least = std::stoi(refused.err.substr(at + wanted.size()));
      const ProgramRun run = enlarged(std::to_string(least) + "MB");
      EXPECT_EQ(run.status, 0) << what << ", " << least << " MB: " << run.err;
      if (!kInstrumented) {
        EXPECT_LE(run.peak_bytes, least * kMegabyte) << what;
      }
    }
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

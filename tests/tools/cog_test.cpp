// Cloud Optimized GeoTIFFs as GDAL finds them, and options that say how results are stored.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/output_file.h"
#include "tests/support/run_program.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

const std::string kJudge = std::string(SR_SOURCE_DIR) + "/tests/tools/cog_judge.py";

// The system's interpreter: Debian's GDAL bindings belong to it.
constexpr const char* kPython = "/usr/bin/python3";

bool has_gdal() {
  return run_program(kPython, {"-c", "from osgeo_utils.samples import validate_cloud_optimized_geotiff"})
             .status == 0;
}

ProgramRun enlarged(const std::string& data, const std::string& out, std::vector<std::string> more) {
  more.insert(more.end(), {"--data_path", data, "--bicubic_only", "--out_path", out, "--quiet"});
  return run_program("eval_superres_net", more);
}

TEST(Cog, GdalFindsOverviewsThatNothingBleedsInto) {
  if (!has_gdal())
    GTEST_SKIP() << "GDAL's Python bindings are not installed; io_tiff_output_cog_test has the rules";
  const TestFolder folder;
  fs::create_directory(folder / "in");
  const ProgramRun made = run_program(kPython, {kJudge, "make", folder / "in"});
  ASSERT_EQ(made.status, 0) << made.err;
  const std::vector<std::vector<std::string>> ways{
      {"--compress", "zstd"}, {"--interleave", "band", "--num_tiles_w", "3"}, {"--compress", "lerc"}};
  for (const auto& way : ways) {
    std::vector<std::string> options = way;
    options.push_back("--cog");
    const ProgramRun run = enlarged(folder / "in", folder / "out", options);
    ASSERT_EQ(run.status, 0) << run.err;
    const ProgramRun judged = run_program(kPython, {kJudge, "judge", folder / "in", folder / "out"});
    EXPECT_EQ(judged.status, 0) << way[1] << '\n' << judged.out << judged.err;
    fs::remove_all(folder / "out");
  }
}

TEST(Cog, AnyTilingGivesTheSameFile) {
  const TestFolder folder;
  ASSERT_EQ(run_program("make_scene", {"--out", folder / "scene.tif", "--width", "900", "--height", "700",
                                       "--nodata", "0", "--quiet"})
                .status,
            0);
  std::string first;
  for (const auto& tiles : std::vector<std::vector<std::string>>{
           {"--threads", "1"}, {"--threads", "3"}, {"--num_tiles_w", "5", "--num_tiles_h", "3"}}) {
    std::vector<std::string> options = tiles;
    options.push_back("--cog");
    const ProgramRun run = enlarged(folder / "scene.tif", folder / "out", options);
    ASSERT_EQ(run.status, 0) << run.err;
    const std::string bytes = read_file(folder / "out/scene_bic_up.tif", 1 << 26);
    if (first.empty()) first = bytes;
    EXPECT_TRUE(bytes == first) << tiles.back();
  }
}

TEST(Storage, OptionsThatContradictEachOtherAreWrongUsage) {
  const TestFolder folder;
  ASSERT_EQ(
      run_program("make_scene", {"--out", folder / "scene.tif", "--width", "60", "--height", "50", "--quiet"})
          .status,
      0);
  const auto refused = [&](const std::vector<std::string>& options, const std::string& reason) {
    const ProgramRun run = enlarged(folder / "scene.tif", folder / "out", options);
    EXPECT_EQ(run.status, 2) << reason;
    EXPECT_NE(run.err.find(reason), std::string::npos) << run.err;
    EXPECT_FALSE(fs::exists(folder / "out"));
  };
  refused({"--quality", "80"}, "--quality is for --compress jpeg, not deflate");
  refused({"--compress", "zstd", "--max_z_error", "1"}, "--max_z_error is for --compress lerc, not zstd");
  refused({"--compress", "lzw", "--level", "3"}, "--level is for --compress deflate or zstd, not lzw");
  refused({"--level", "12"}, "deflate has the levels 1 to 9");
  refused({"--compress", "jpeg", "--quality", "101"}, "--quality");
  refused({"--interleave", "line"}, "--interleave");
}

}  // namespace
}  // namespace sr

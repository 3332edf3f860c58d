// The program on whole scenes, with GDAL as the judge of what it wrote.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/support/shared_data.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

const std::string kJudge = std::string(SR_SOURCE_DIR) + "/tests/tools/scene_judge.py";

// The system's interpreter: Debian's GDAL bindings belong to it.
constexpr const char* kPython = "/usr/bin/python3";

bool has_gdal() {
  return run_program(kPython, {"-c", "from osgeo import gdal"}).status == 0;
}

ProgramRun eval(const std::string& data, const TestFolder& folder, int factor,
                std::vector<std::string> more = {}) {
  write_small_model(folder / "weights", factor);
  std::vector<std::string> arguments{
      "--data_path",          data,         "--pretrained_path", folder / "weights", "--upsampling_factor",
      std::to_string(factor), "--out_path", folder / "out"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program("eval_superres_net", arguments, 500);
}

class Scenes : public testing::TestWithParam<int> {};

// Written by GDAL for this test: every kind of georeference, tags and no data, from a small picture of its
// own.
TEST_P(Scenes, GdalFindsMadeScenesCarriedOverToTheFinerGrid) {
  if (!has_gdal())
    GTEST_SKIP() << "GDAL's Python bindings are not installed; io_tiff_tags_scene_tags_test has the rules";
  const TestFolder folder;
  fs::create_directory(folder / "in");
  const ProgramRun made = run_program(kPython, {kJudge, "make", folder / "in"});
  ASSERT_EQ(made.status, 0) << made.err;
  const ProgramRun run = eval(folder / "in", folder, GetParam(), {"--verify", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun judged =
      run_program(kPython, {kJudge, "judge", folder / "in", folder / "out", std::to_string(GetParam())});
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
}

// A hundred of texts of nodata, NODATA_VALUES, mask pages and files, and bands tagged as alpha.
TEST(Masks, GdalHidesOfTheResultWhatItHidesOfTheInput) {
  if (!has_gdal()) GTEST_SKIP() << "GDAL's Python bindings are not installed";
  const std::string masks = std::string(SR_SOURCE_DIR) + "/tests/tools/mask_judge.py";
  const TestFolder folder;
  fs::create_directory(folder / "in");
  const ProgramRun made = run_program(kPython, {masks, "make", folder / "in"});
  ASSERT_EQ(made.status, 0) << made.err;
  const ProgramRun run = eval(folder / "in", folder, 2);
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun judged = run_program(kPython, {masks, "judge", folder / "in", folder / "out", "2"});
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
}

INSTANTIATE_TEST_SUITE_P(Factor, Scenes, testing::Values(2, 3, 4));

TEST(SharedScenes, GdalFindsEveryOneCarriedOverToTheFinerGrid) {
  const std::string scenes = shared_data("data/satellite");
  if (scenes.empty()) GTEST_SKIP() << "the shared scenes are not on this machine";
  if (!has_gdal()) GTEST_SKIP() << "GDAL's Python bindings are not installed";
  const TestFolder folder;
  std::string data = scenes;
  if (kInstrumented) {  // the release build takes all
    data = folder / "in";
    fs::create_directory(data);
    for (const char* name : {"colorado_street_rgb8_internalmask.tif", "ikonos_paris_leshalles_pan8_512.tif",
                             "landsat8_elkton_8band_uint16.tif", "wv2_rotterdam1_ms4_float64.tif"})
      fs::copy(scenes + ("/" + std::string(name)), data);
  }
  // Of the codec nothing is judged here, and with deflate the whole takes a tenth longer.
  const ProgramRun run = eval(data, folder, 2, {"--compress", "zstd", "--level", "1"});
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun judged = run_program(kPython, {kJudge, "judge", data, folder / "out", "2"});
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
}

}  // namespace
}  // namespace sr

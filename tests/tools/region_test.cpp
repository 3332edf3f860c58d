// eval_superres_net on a part of a scene, with GDAL as the judge.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPython = "/usr/bin/python3";  // Debian's GDAL bindings belong to the system's
const std::string kJudge = std::string(SR_SOURCE_DIR) + "/tests/tools/region_judge.py";

class Regions : public testing::Test {
 protected:
  void SetUp() override {
    if (run_program(kPython, {"-c", "from osgeo import gdal"}).status != 0)
      GTEST_SKIP() << "GDAL's Python bindings are not installed; scene_region_test has the rules";
    fs::create_directory(folder_ / "in");
    const ProgramRun made = run_program(kPython, {kJudge, "make", folder_ / "in"});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  ProgramRun eval(const std::string& data, const std::string& out, std::vector<std::string> more) {
    write_small_model(folder_ / "weights", 2);
    more.insert(more.begin(), {"--data_path", folder_ / data, "--out_path", folder_ / out,
                               "--pretrained_path", folder_ / "weights"});
    return run_program("eval_superres_net", more);
  }

  void expect_part_of_whole(const std::vector<std::string>& window) {
    std::vector<std::string> arguments{kJudge, "judge", folder_.path(), "2"};
    arguments.insert(arguments.end(), window.begin(), window.end());
    const ProgramRun judged = run_program(kPython, arguments);
    EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
  }

  TestFolder folder_;
};

TEST_F(Regions, OfPixelsAreTheWholeResultsPixelsForAnyTiling) {
  ASSERT_EQ(eval("in", "whole", {}).status, 0);
  for (const std::vector<std::string>& tiling :
       {std::vector<std::string>{}, {"--num_tiles_w", "3", "--num_tiles_h", "2", "--verify", "3"}}) {
    std::vector<std::string> options{"--roi", "41,29,70,33", "--preview"};
    options.insert(options.end(), tiling.begin(), tiling.end());
    const ProgramRun run = eval("in", "part", options);
    EXPECT_EQ(run.status, 0) << run.err;
    for (const auto& scene : fs::directory_iterator(folder_ / "in"))
      EXPECT_TRUE(fs::remove(folder_ / ("part/" + scene.path().stem().string() + "_preview.png")));
    expect_part_of_whole({"41", "29", "70", "33"});
  }
}

TEST_F(Regions, OfBicubicResultsToo) {
  ASSERT_EQ(eval("in", "whole", {"--bicubic_only"}).status, 0);
  ASSERT_EQ(eval("in", "part", {"--bicubic_only", "--roi", "0,0,1,90"}).status, 0);
  expect_part_of_whole({"0", "0", "1", "90"});
}

TEST_F(Regions, OfGroundAreTheFewestPixelsThatCoverIt) {
  ASSERT_EQ(eval("in", "whole", {}).status, 0);
  const ProgramRun boxes = run_program(kPython, {kJudge, "box", folder_ / "in", "50", "11", "40", "60"});
  ASSERT_EQ(boxes.status, 0) << boxes.err;
  std::istringstream lines(boxes.out);
  for (std::string name, box; lines >> name >> box;) {
    const ProgramRun run = eval("in/" + name, "part", {"--roi_geo", box});
    EXPECT_EQ(run.status, 0) << run.err;
  }
  fs::remove(folder_ / "whole/rotated.tif");
  expect_part_of_whole({"50", "11", "40", "60"});
}

TEST_F(Regions, OutsideOfASceneAreOneLineAndNoFile) {
  for (const char* outside : {"-1,0,10,10", "0,0,121,10", "119,89,1,2", "5,5,0,3"}) {
    const ProgramRun run = eval("in/rotated.tif", "part", {"--roi", outside});
    EXPECT_EQ(run.status, 1) << outside << run.err;
    EXPECT_NE(run.err.find("rotated.tif: the region of"), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
  const ProgramRun away = eval("in/north_up.tif", "part", {"--roi_geo", "0,0,10,10"});
  EXPECT_EQ(away.status, 1);
  EXPECT_NE(away.err.find("no pixel of the scene"), std::string::npos) << away.err;
  for (const char* none : {"3,0,1,10", "0,3,10,3", "nan,0,1,1", "0,0,inf,1"})
    EXPECT_EQ(eval("in", "part", {"--roi_geo", none}).status, 2) << none;
  EXPECT_TRUE(fs::is_empty(folder_ / "part"));
}

TEST_F(Regions, ASceneThatABoxDoesNotTouchFailsAndTheOthersGoOn) {
  const ProgramRun run = eval("in", "part", {"--roi_geo", "500095,5199000,500205,5199905"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("degrees.tif"), std::string::npos) << run.err;
  EXPECT_TRUE(fs::exists(folder_ / "part/north_up.tif"));
  EXPECT_FALSE(fs::exists(folder_ / "part/degrees.tif"));
}

}  // namespace
}  // namespace sr

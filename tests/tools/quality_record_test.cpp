// eval_superres_net --quality_record, with GDAL and numpy as the judge.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <span>

#include "io/crc32c.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPython = "/usr/bin/python3";  // Debian's GDAL bindings belong to the system's
const std::string kTests = std::string(SR_SOURCE_DIR) + "/tests/tools/";

class QualityRecord : public testing::Test {
 protected:
  nlohmann::json record(const std::string& name, const std::string& out) {
    return nlohmann::json::parse(read_file(folder_ / (out + "/" + name + ".quality.json"), 1 << 20));
  }

  ProgramRun eval(const std::string& out, int factor, std::vector<std::string> more) {
    write_small_model(folder_ / "weights", factor);
    more.insert(more.begin(),
                {"--data_path", folder_ / "in", "--out_path", folder_ / out, "--pretrained_path",
                 folder_ / "weights", "--upsampling_factor", std::to_string(factor), "--quality_record"});
    return run_program("eval_superres_net", more);
  }

  void add_scene(std::vector<std::string> more) {
    fs::create_directory(folder_ / "in");
    more.insert(more.end(), {"--out", folder_ / "in/a.tif", "--quiet"});
    ASSERT_EQ(run_program("make_scene", more).status, 0);
  }

  TestFolder folder_;
};

TEST_F(QualityRecord, HasTheFiguresThatNumpyFinds) {
  if (run_program(kPython, {"-c", "import numpy; from osgeo import gdal"}).status != 0)
    GTEST_SKIP() << "GDAL's Python bindings are not installed";
  fs::create_directory(folder_ / "in");
  ASSERT_EQ(run_program(kPython, {kTests + "region_judge.py", "make", folder_ / "in"}).status, 0);
  for (const auto& [factor, region] : std::vector<std::pair<int, std::vector<std::string>>>{
           {2, {"0", "0", "120", "90"}}, {3, {"7", "11", "90", "70"}}}) {
    const std::string roi = region[0] + "," + region[1] + "," + region[2] + "," + region[3];
    const ProgramRun run = eval("out", factor, {"--roi", roi});
    ASSERT_EQ(run.status, 0) << run.err;
    for (const char* name : {"north_up", "south_up", "rotated", "degrees"}) {
      const std::string file = "/" + std::string(name);
      std::vector<std::string> arguments{kTests + "quality_judge.py", folder_ / ("in" + file + ".tif"),
                                         folder_ / ("out" + file + ".tif"),
                                         folder_ / ("out" + file + ".quality.json"), std::to_string(factor)};
      arguments.insert(arguments.end(), region.begin(), region.end());
      const ProgramRun judged = run_program(kPython, arguments);
      EXPECT_EQ(judged.status, 0) << name << judged.err;
    }
  }
}

TEST_F(QualityRecord, IsTheSameForAnyTilesMemoryAndThreads) {
  add_scene({"--width", "210", "--height", "150", "--type", "u16", "--bands", "3", "--nodata", "0"});
  ASSERT_EQ(eval("whole", 2, {}).status, 0);
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"--num_tiles_w", "7"}, {"--threads", "3"}, {"--max_memory", "100MB"}}) {
    ASSERT_EQ(eval("other", 2, way).status, 0);
    EXPECT_EQ(record("a", "whole")["bands"], record("a", "other")["bands"]) << way[0];
  }
}

TEST_F(QualityRecord, NamesAllThatTheResultWasMadeWith) {
  add_scene({"--width", "40", "--height", "30"});
  ASSERT_EQ(eval("out", 2, {"--value_range", "0,60"}).status, 0);
  const nlohmann::json json = record("a", "out");
  const std::string weights = json["weights"]["path"], bytes = read_file(weights, 1 << 26);
  char checksum[16];
  std::snprintf(checksum, sizeof checksum, "%08x", crc32c(std::as_bytes(std::span(bytes))));
  EXPECT_EQ(json["weights"]["crc32c"], checksum);
  EXPECT_EQ(json["value_range"], nlohmann::json::parse("[[0,60],[0,60],[0,60]]"));
  EXPECT_EQ(json["value_range_source"], "as given");
  EXPECT_EQ(json["arguments"].back(), "0,60");
  EXPECT_GT(json["bands"][0]["scene"]["out_of_range"], 0) << "make_scene's samples go beyond 60";
  EXPECT_GT(json["seconds"], 0);
  EXPECT_GT(json["peak_memory_bytes"], 1 << 20);
}

TEST_F(QualityRecord, IsAboutTheNetworksResult) {
  add_scene({"--width", "40", "--height", "30"});
  EXPECT_EQ(eval("out", 2, {"--bicubic_only"}).status, 2);
}

}  // namespace
}  // namespace sr

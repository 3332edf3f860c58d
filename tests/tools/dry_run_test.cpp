// eval_superres_net --dry_run: what it tells is what a run does, and nothing is written.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/json_text.h"
#include "io/output_file.h"
#include "io/tiff/input/reader.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class DryRuns : public testing::Test {
 protected:
  DryRuns() {
    fs::create_directory(folder_ / "in");
    write_small_model(folder_ / "weights", 2);
  }

  void add_scene(const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--out", folder_ / ("in/" + name), "--width", "150", "--height", "130", "--quiet"});
    ASSERT_EQ(run_program("make_scene", more).status, 0);
  }

  ProgramRun eval(std::vector<std::string> more) {
    more.insert(more.begin(), {"--data_path", folder_ / "in", "--pretrained_path", folder_ / "weights"});
    return run_program("eval_superres_net", more);
  }

  nlohmann::json told(std::vector<std::string> more, int status = 0) {
    more.insert(more.end(), {"--dry_run", "--json", "-"});
    const ProgramRun run = eval(more);
    EXPECT_EQ(run.status, status) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), status) << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "in_x2"));
    return nlohmann::json::parse(run.out);
  }

  TestFolder folder_;
};

// What lies beside a result until it is complete has a longer name.
TEST_F(DryRuns, NamesThatTheFileSystemDoesNotTakeAreRefusedAsTheRunWould) {
  add_scene("a.tif");
  const std::string fits = std::string(255 - 4 - 13, 'n') + ".tif";
  fs::rename(folder_ / "in/a.tif", folder_ / "in/" + fits);
  EXPECT_EQ(told({}).at("scenes")[0].at("refused"), nullptr);
  fs::rename(folder_ / "in/" + fits, folder_ / "in/n" + fits);
  const nlohmann::json dry = told({}, 1);
  const std::string refused = dry.at("scenes")[0].at("refused");
  EXPECT_NE(refused.find("has 256 bytes, of which the file system takes 255"), std::string::npos) << refused;
  EXPECT_EQ(eval({}).status, 1);
  fs::remove_all(folder_ / "in_x2");
}

TEST_F(DryRuns, TellWhatARunThenDoes) {
  add_scene("a.tif");
  add_scene("b.tif", {"--type", "u16", "--bands", "4"});
  const nlohmann::json dry = told({"--bicubic", "--num_tiles_w", "3"});
  const std::string dry_text = eval({"--bicubic", "--num_tiles_w", "3", "--dry_run"}).out;
  const ProgramRun run = eval({"--bicubic", "--num_tiles_w", "3"});
  ASSERT_EQ(run.status, 0) << run.err;
  ASSERT_EQ(dry["scenes"].size(), 2);
  int64_t bytes = 0;
  for (const nlohmann::json& scene : dry["scenes"]) {
    ASSERT_EQ(scene["files"].size(), 2);
    for (const std::string file : scene["files"]) {
      TiffReader reader(file);
      const TiffInfo& info = reader.info();
      EXPECT_EQ(scene["result_width"], info.width);
      EXPECT_EQ(scene["result_height"], info.height);
      const auto size = reader.read({0, 0, info.width, info.height}).samples.size();
      EXPECT_EQ(scene["result_bytes_uncompressed"], size);
      bytes += static_cast<int64_t>(size);
    }
    EXPECT_EQ(scene["tiles"]["count"], 3);
    EXPECT_GT(scene["seconds"], 0);
  }
  EXPECT_EQ(dry["bytes_uncompressed"], bytes);
  EXPECT_EQ(dry["scenes"][0]["value_range"], nlohmann::json({0, 255}));
  EXPECT_TRUE(dry["scenes"][1]["value_range"].is_null());
  EXPECT_NE(dry_text.find("to be measured over the scene"), std::string::npos);
  size_t plans = 0;  // the same line in both
  for (size_t at = run.out.find(" -> "); at != std::string::npos; at = run.out.find(" -> ", at + 1)) {
    const size_t begin = run.out.rfind('\n', at), end = run.out.find('\n', at);
    plans += dry_text.find(run.out.substr(begin, end - begin)) != std::string::npos;
  }
  EXPECT_EQ(plans, 2) << dry_text << run.out;
}

TEST_F(DryRuns, NameEveryRefusalAndEndWithOne) {
  add_scene("a.tif");
  add_scene("b.tif", {"--type", "u16", "--bands", "4"});
  std::ofstream(folder_ / "in/bad.tif") << "no TIFF";
  const nlohmann::json dry = told({}, 1);
  EXPECT_TRUE(dry["scenes"][0]["refused"].is_null() && dry["scenes"][1]["refused"].is_null());
  EXPECT_NE(dry["scenes"][2]["refused"].get<std::string>().find("not a TIFF"), std::string::npos);
  fs::remove(folder_ / "in/bad.tif");
  const auto expect_refused = [&](const std::vector<std::string>& options, const std::string& part) {
    const std::string text = told(options, 1).dump();
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  };
  fs::remove(folder_ / "in/b.tif");
  expect_refused({"--max_memory", "33MB"}, "max_memory");
  expect_refused({"--colour_mode", "joint"}, "colour mode");
  expect_refused({"--roi", "100,100,51,1"}, "not within the scene");
  expect_refused({"--out_path", folder_ / "in"}, "would replace the input");
  expect_refused({"--out_path", folder_ / "in/a.tif/results"}, "cannot be created");
  fs::create_directories(folder_ / "out/a.tif");
  expect_refused({"--out_path", folder_ / "out"}, "a folder has this name");
  const ProgramRun without =
      run_program("eval_superres_net",
                  {"--data_path", folder_ / "in", "--pretrained_path", folder_ / "none", "--dry_run"});
  EXPECT_EQ(without.status, 1);
}

TEST_F(DryRuns, WriteNothingButTheJsonThatIsAskedFor) {
  add_scene("a.tif");
  const ProgramRun run = eval({"--dry_run", "--json", folder_ / "plan.json"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(nlohmann::json::parse(read_file(folder_ / "plan.json", 1 << 20))["scenes"].size(), 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 3);  // and in, weights
  EXPECT_EQ(eval({"--json", folder_ / "plan.json"}).status, 2) << "--json is of --dry_run";
}

TEST_F(DryRuns, MeasureATileOfTheRegion) {
  add_scene("a.tif");
  const auto tile = told({"--roi", "10,20,30,40"})["scenes"][0]["measured_tile"];
  EXPECT_EQ(tile, nlohmann::json({10, 20, 30, 40}));
}

TEST_F(DryRuns, WarnOfADiskThatIsTooSmall) {
  const std::string scene = folder_ / "in/large.tif";  // of blocks that the file leaves out
  const std::string make = "from osgeo import gdal; gdal.GetDriverByName('GTiff').Create('" + scene +
                           "', 1000000, 1000000, 1, 1, ['SPARSE_OK=TRUE', 'TILED=YES', 'BLOCKXSIZE=4096', "
                           "'BLOCKYSIZE=4096', 'BIGTIFF=YES'])";
  if (run_program("/usr/bin/python3", {"-c", make}).status != 0)
    GTEST_SKIP() << "GDAL's Python bindings are not installed";
  const ProgramRun run = eval({"--dry_run", "--json", "-", "--roi", "0,0,500000,500000"});
  const nlohmann::json dry = nlohmann::json::parse(run.out);
  EXPECT_EQ(dry["bytes_uncompressed"], 1'000'000'000'000) << run.err;
  const bool too_small = dry["free_disk_bytes"] < dry["bytes_uncompressed"];
  EXPECT_EQ(dry["warnings"].size(), too_small ? 1 : 0);
  EXPECT_EQ(run.err.find("the disk may become full") != std::string::npos, too_small) << run.err;
}

}  // namespace
}  // namespace sr

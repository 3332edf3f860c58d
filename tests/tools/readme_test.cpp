// The README's examples, pasted into a shell.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/output_file.h"
#include "io/tiff/input/reader.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

// The block of code behind a heading.
std::string block_under(const std::string& heading) {
  const std::string readme = read_file_part(std::string(SR_SOURCE_DIR) + "/README.md", 0, 1 << 20);
  const std::string fence = "```sh\n";
  const size_t begin = readme.find(fence, readme.find("\n" + heading + "\n")) + fence.size();
  return readme.substr(begin, readme.find("```", begin) - begin);
}

TEST(Readme, ExamplesOfScenesRunAndShowTheirOptions) {
  if (run_program("rgb2pct.py", {"-h"}).status != 0) GTEST_SKIP() << "gdal-bin is not installed";
  const TestFolder folder;
  write_small_model(folder / "pretrained", 2);
  const std::string script = block_under("#### Examples");
  const ProgramRun run =
      run_program("bash", {"-ec", "cd '" + (folder / "") + "'\nPATH='" SR_BIN_DIR "':$PATH\n" + script}, 500);
  ASSERT_EQ(run.status, 0) << run.out << run.err;
  for (const char* option :
       {"--value_range", "--copy_bands", "--palette copy", "--palette rgb", "--alpha", "--predictor",
        "--roi ", "--roi_geo", "--dry_run", "--json", "--quality_record", "--self_ensemble", "--spread",
        "--cog", "--level", "--quality ", "--max_z_error", "--interleave", "--overwrite"})
    EXPECT_NE(script.find(option), std::string::npos) << option;
  for (const char* file :
       {"plan.json", "x2/rgb.tif", "x2/rgb_spread.tif", "x2/rgb.quality.json", "jpeg/rgb.tif", "lerc/ms.tif",
        "codes/ms.tif", "hidden/ms.tif", "classes/map.tif", "colours/map.tif"})
    EXPECT_TRUE(fs::exists(folder / ("try/" + std::string(file)))) << file;
  for (const char* part : {"part", "ground"}) {
    const TiffInfo info = TiffReader(folder / ("try/" + std::string(part) + "/ms.tif")).info();
    EXPECT_EQ(info.width, 120) << part;
    EXPECT_EQ(info.height, std::string(part) == "part" ? 80 : 100) << part;
  }
}

class Recipes : public testing::Test {
 protected:
  Recipes() {
    write_small_model(folder_ / "share/superres/pretrained", 2);
    fs::create_directories(folder_ / "scenes/sub");
    add_scene("scenes/a.tif");
    add_scene("scenes/sub/b.TIF");
  }

  void add_scene(const std::string& name) {
    run_program("make_scene", {"--out", folder_ / name, "--width", "30", "--height", "20", "--quiet"});
  }

  // In the folder, with the programs in PATH.
  ProgramRun shell(const std::string& script) {
    return run_program("bash", {"-c", "cd '" + (folder_ / "") + "'; PATH='" SR_BIN_DIR "':$PATH; weights='" +
                                          (folder_ / "share/superres/pretrained") +
                                          "'; recipes='" SR_SOURCE_DIR "/recipes'; " + script});
  }

  TestFolder folder_;
};

TEST_F(Recipes, ATreeOfFoldersIsEnlargedIntoOneOfTheSamePaths) {
  const std::string command = "$recipes/tree.sh scenes/ big --pretrained_path $weights --quiet";
  const ProgramRun run = shell(command);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(TiffReader(folder_ / "big/a.tif").info().width, 60);
  EXPECT_EQ(TiffReader(folder_ / "big/sub/b.TIF").info().width, 60);
  write_file(folder_ / "scenes/sub/no.tif", std::string("x"));
  const ProgramRun failed = shell(command);
  EXPECT_EQ(failed.status, 1);
  EXPECT_EQ(shell("$recipes/tree.sh scenes scenes/x2").status, 2) << "its own results would be scenes";
  EXPECT_EQ(shell("$recipes/tree.sh nothing big").status, 2);
  EXPECT_NE(failed.err.find("not enlarged:\n" + (folder_ / "scenes/sub/no.tif") + "\n"), std::string::npos)
      << failed.err;
}

TEST_F(Recipes, MakeEnlargesWhatHasChanged) {
  if (run_program("make", {"--version"}).status != 0) GTEST_SKIP() << "make is not installed";
  const std::string command = "make -f $recipes/Makefile OPTIONS=\"--pretrained_path $weights --quiet\"";
  const auto has_work = [&] { return shell(command).out.find("eval_superres_net") != std::string::npos; };
  EXPECT_NE(shell("make -f $recipes/Makefile SCENES=nothing").status, 0);
  EXPECT_TRUE(has_work());
  EXPECT_EQ(TiffReader(folder_ / "scenes_x2/a.tif").info().width, 60);
  EXPECT_FALSE(has_work());
  add_scene("scenes/c.tif");
  EXPECT_TRUE(has_work());
  EXPECT_FALSE(has_work());
}

}  // namespace
}  // namespace sr

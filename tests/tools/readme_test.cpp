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

}  // namespace
}  // namespace sr

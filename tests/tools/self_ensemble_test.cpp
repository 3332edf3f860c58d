// eval_superres_net --self_ensemble --spread as a user runs it.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/tiff/input/reader.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class SelfEnsembleRuns : public testing::Test {
 protected:
  SelfEnsembleRuns() {
    fs::create_directory(folder_ / "in");
    write_small_model(folder_ / "weights", 2);
    run_program("make_scene", {"--out", folder_ / "in/a.tif", "--width", "90", "--height", "70", "--type",
                               "u16", "--bands", "2", "--nodata", "0", "--quiet"});
  }

  ProgramRun eval(const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(), {"--data_path", folder_ / "in", "--out_path", folder_ / out,
                               "--pretrained_path", folder_ / "weights"});
    return run_program("eval_superres_net", more);
  }

  Raster pixels(const std::string& name) {
    TiffReader reader(folder_ / name);
    return reader.read({0, 0, reader.info().width, reader.info().height});
  }

  TestFolder folder_;
};

TEST_F(SelfEnsembleRuns, AnyTilingAndRegionWriteTheSameSpreadOnTheResultsGrid) {
  ASSERT_EQ(eval("whole", {"--self_ensemble", "--spread"}).status, 0);
  const ProgramRun tiled =
      eval("tiled", {"--self_ensemble", "--spread", "--num_tiles_w", "4", "--verify", "3"});
  ASSERT_EQ(tiled.status, 0) << tiled.err;
  ASSERT_EQ(eval("part", {"--self_ensemble", "--spread", "--roi", "11,13,40,30"}).status, 0);
  for (const char* name : {"a.tif", "a_spread.tif"}) {
    const Raster whole = pixels("whole/" + std::string(name));
    EXPECT_EQ(pixels("tiled/" + std::string(name)).samples, whole.samples) << name;
    EXPECT_EQ(pixels("part/" + std::string(name)).samples, cut(whole, {22, 26, 80, 60}).samples) << name;
  }
  const TiffReader result(folder_ / "whole/a.tif"), spread(folder_ / "whole/a_spread.tif");
  EXPECT_EQ(spread.info().type, SampleType::f32);
  EXPECT_EQ(spread.info().bands, 2);
  EXPECT_EQ(spread.info().tags.pixel_scale, result.info().tags.pixel_scale);
  EXPECT_EQ(spread.info().tags.tiepoints, result.info().tags.tiepoints);
}

TEST_F(SelfEnsembleRuns, AreAnotherResultThanTheNetworksOwn) {
  ASSERT_EQ(eval("plain", {}).status, 0);
  ASSERT_EQ(eval("mean", {"--self_ensemble"}).status, 0);
  EXPECT_NE(pixels("plain/a.tif").samples, pixels("mean/a.tif").samples);
  EXPECT_FALSE(fs::exists(folder_ / "mean/a_spread.tif"));
}

TEST_F(SelfEnsembleRuns, NeedANetworkAndTheSpreadNeedsThem) {
  EXPECT_EQ(eval("out", {"--spread"}).status, 2);
  EXPECT_EQ(eval("out", {"--self_ensemble", "--bicubic_only"}).status, 2);
}

}  // namespace
}  // namespace sr

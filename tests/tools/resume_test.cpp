// Runs of eval_superres_net that are killed, and what the next one makes of what they leave.
#include <filesystem>
#include <fstream>

#include "io/formats/checkpoint.h"
#include "io/tiff/input/reader.h"
#include "io/tiff/output/writer.h"
#include "tests/tools/resume_fixture.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

TEST_F(Resume, KillsAtRandomMomentsEndInTheFilesOfAnUninterruptedRun) {
  kill_at_random_moments(kInstrumented ? 6 : 50);
}

TEST_F(Resume, KillsOfRunsThatMakeCogsEndInTheFilesOfAnUninterruptedRun) {
  use_several_blocks();
  kill_at_random_moments(kInstrumented ? 2 : 15, {"--cog"});
}

TEST_F(Resume, AStopSaysWhatStaysAndTheNextRunGoesOn) {
  ASSERT_EQ(run("whole").status, 0);
  ProgramRun stopped;
  for (int i = 0; i < 20 && stopped.err.empty(); ++i) {
    fs::remove_all(folder_ / "out");
    stopped = run_until_begun(SIGTERM, "out");
  }
  EXPECT_NE(stopped.err.find("interrupted; what is done stays in " + (folder_ / "out/a.tif.part")),
            std::string::npos)
      << stopped.err;
  EXPECT_FALSE(fs::exists(folder_ / "out/a.tif"));
  const ProgramRun next = run("out");
  EXPECT_NE(next.out.find("goes on with " + (folder_ / "out/a.tif.part")), std::string::npos) << next.out;
  expect_same("out");
}

TEST_F(Resume, FinishedResultsOfTheSameInputAndOptionsAreLeftAsTheyAre) {
  ASSERT_EQ(run("whole").status, 0);
  const auto written = [&] { return fs::last_write_time(folder_ / "whole/a.tif"); };
  const auto first = written();
  const ProgramRun again = run("whole");
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.out.find("is there, made of the same input"), std::string::npos) << again.out;
  EXPECT_EQ(written(), first);
  run("whole", {"--overwrite"});
  EXPECT_NE(written(), first);
  const auto second = written();
  run("whole", {"--compress", "zstd"});
  EXPECT_NE(written(), second) << "another option";
  const auto third = written();
  make_scene(in_, "2");
  run("whole", {"--compress", "zstd"});
  EXPECT_NE(written(), third) << "another input";
}

TEST_F(Resume, FilesBesideTheSceneThatHaveAPartInTheResultAreInputToo) {
  make_scene(in_, "1", "40", "30");
  ASSERT_EQ(run("whole").status, 0);
  const auto made_anew = [&] { return run("whole").out.find("whole/a.tif is there") == std::string::npos; };
  const auto write_pam = [&](const std::string& items) {
    write_file(in_ + ".aux.xml", "<PAMDataset>" + items + "</PAMDataset>\n");
  };
  EXPECT_FALSE(made_anew());
  const std::string statistics = "<Metadata><MDI key=\"STATISTICS_MEAN\">3</MDI></Metadata>";
  write_pam(statistics);
  EXPECT_FALSE(made_anew()) << "programs that look at a scene leave these";
  write_pam(statistics + "<GeoTransform>5, 2, 0, 7, 0, -2</GeoTransform>");
  EXPECT_TRUE(made_anew());
  EXPECT_EQ(TiffReader(folder_ / "whole/a.tif").info().tags.tiepoints[3], 5);
  TiffInfo mask;
  mask.width = 40, mask.height = 30, mask.bands = 1;
  mask.tags.gdal_metadata = "<GDALMetadata><Item name=\"INTERNAL_MASK_FLAGS_1\">2</Item></GDALMetadata>";
  TiffWriter writer(in_ + ".msk", mask);
  writer.write(Raster({0, 0, 40, 30}, 1, SampleType::u8));
  writer.finish();
  EXPECT_TRUE(made_anew());
  EXPECT_TRUE(TiffReader(folder_ / "whole/a.tif").info().has_mask);
  EXPECT_FALSE(made_anew());
}

TEST_F(Resume, ARunThatEndedBetweenTwoResultsMakesOnlyTheSecondAndLeavesNothingElse) {
  ASSERT_EQ(run("whole").status, 0);
  ASSERT_EQ(run("out").status, 0);
  const auto first = fs::last_write_time(folder_ / "out/a.tif");
  fs::remove(folder_ / "out/a_bic_up.tif");
  for (int i = 0; i < 2; ++i) {
    std::ofstream(folder_ / "out/a.tif.blocks.part") << "blocks";
    const ProgramRun next = run("out");
    EXPECT_NE(next.out.find("a.tif is there, made of the same input"), std::string::npos) << next.out;
    EXPECT_EQ(fs::last_write_time(folder_ / "out/a.tif"), first);
    if (i == 0) {
      EXPECT_EQ(next.out.find("wrote " + (folder_ / "out/a.tif")), std::string::npos) << next.out;
      EXPECT_NE(next.out.find("wrote " + (folder_ / "out/a_bic_up.tif in ")), std::string::npos) << next.out;
    }
    expect_same("out");
  }
}

TEST_F(Resume, WhatOtherWeightsHaveBegunIsNotUsed) {
  ASSERT_EQ(run("whole").status, 0);
  run_until_begun(SIGKILL, "out");
  write_small_model(folder_ / "w", 2);
  Model other = Model::load(checkpoint_name(folder_ / "w", 2, 0));
  other.means.gt[0] += 0.01;
  other.save(checkpoint_name(folder_ / "w", 2, 0));
  const ProgramRun next = run("out");
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_EQ(next.out.find("goes on with " + (folder_ / "out/a.tif.part")), std::string::npos) << next.out;
  EXPECT_NE(bytes_of_file(folder_ / "out/a.tif"), bytes_of_file(folder_ / "whole/a.tif"));
}

// Which only the checkpoint's text tells apart.
TEST_F(Resume, WhatTheSameWeightsHaveMadeWithAnotherBaseIsMadeAnewAndSaysSo) {
  ASSERT_EQ(run("whole").status, 0);
  Checkpoint weights = load_checkpoint(checkpoint_name(folder_ / "w", 2, 0));
  weights.meta.insert(1, R"("base":"none",)");
  save_checkpoint(checkpoint_name(folder_ / "w", 2, 0), weights);
  const ProgramRun next = run("whole");
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_EQ(next.out.find("a.tif is there"), std::string::npos) << next.out;
  EXPECT_NE(next.out.find("a_bic_up.tif is there"), std::string::npos) << next.out;
  const std::string items = TiffReader(folder_ / "whole/a.tif").info().tags.gdal_metadata;
  EXPECT_NE(items.find("<Item name=\"SUPERRES_BASE\">none</Item>"), std::string::npos) << items;
}

TEST_F(Resume, ADiskThatWasFullAndIsFreedEndsInTheSameFiles) {
  fill_and_free(kInstrumented ? "400k" : "1500k");
}

TEST_F(Resume, ADiskThatWasFullAndIsFreedEndsInTheSameCogs) {
  use_several_blocks();
  fill_and_free("3m", {"--cog"});
}

TEST_F(Resume, ASecondRunOnTheSameResultIsRefusedAndTheFirstUndisturbed) {
  ASSERT_EQ(run("whole").status, 0);
  fs::create_directory(folder_ / "out");
  const PartialFile being_written(folder_ / "out/a.tif");
  const ProgramRun second = run("out");
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.err.find("another run is writing it"), std::string::npos) << second.err;
  EXPECT_TRUE(fs::exists(being_written.temporary()));
}

}  // namespace
}  // namespace sr

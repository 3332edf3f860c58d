// create_training_dataset: what it refuses, and what a run that fails leaves.
#include <sys/mount.h>

#include <algorithm>
#include <cstring>

#include "tests/support/expect_error.h"
#include "tests/tools/create_dataset_fixture.h"

namespace sr {
namespace {

TEST_F(CreateDataset, ImagesThatCannotBeUsedAreNamedAndTheRestGoesOn) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80, 3, 2));
  write_tiff(folder_ / "in/four.tif", landscape_image(100, 80, 4));
  write_tiff(folder_ / "in/deep.tif", landscape_image(100, 80, 3, 1, SampleType::u16));
  write_tiff(folder_ / "in/tiny.tif", landscape_image(1, 80));
  std::ofstream(folder_ / "in/text.tif") << "no picture";
  const std::string good = text_of_file(folder_ / "in/a.tif");
  std::string damaged = good;
  for (size_t i = good.size() / 3; i < good.size() * 2 / 3; ++i) damaged[i] = static_cast<char>(i * 37);
  std::ofstream(folder_ / "in/damaged.tif", std::ios::binary) << damaged;
  const ProgramRun run = create({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(run.status, 1);
  for (const char* part : {"four.tif: 4 bands of u8, but a.tif has 3 of u8", "deep.tif", "tiny.tif",
                           "text.tif", "damaged.tif", "5 of 7 images failed"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
  EXPECT_EQ(manifest()["sources"].size(), 2u);
  const Dataset data(folder_ / "out", 2);
  const int64_t tiles = data.size(Dataset::Part::training) + data.size(Dataset::Part::validation);
  EXPECT_EQ(static_cast<size_t>(tiles) + left_out(2), 2u * 3 * 2);
}

TEST_F(CreateDataset, MapsOfClassesAreNamedAndTheRestGoesOn) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80, 3, 2));
  write_tiff(folder_ / "in/map.tif", landscape_image(100, 80, 1), [](TiffInfo& info) {
    info.photometric = 3;
    info.palette.resize(768, 40000);
    info.tags.gdal_nodata = "0";
  });
  const ProgramRun run = create({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("map.tif: its palette has a nodata value: it looks like a map of classes"),
            std::string::npos)
      << run.err;
  EXPECT_EQ(manifest()["sources"].size(), 2u);
}

TEST_F(CreateDataset, WrongUsageIsStatusTwoAndOneLine) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80));
  expect_refusal(run_program("create_training_dataset", {}), 2, {"--data_path"});
  expect_refusal(create({"--upsampling_factor", "5"}), 2, {"--upsampling_factor"});
  expect_refusal(create({"--tile_size_w", "0"}), 2, {"--tile_size_w"});
  expect_refusal(create({"--tile_size_h", "many"}), 2, {"--tile_size_h"});
  expect_refusal(create({"--num_data_per_file", "0"}), 2, {"--num_data_per_file"});
  expect_refusal(create({"--value_range", "9,1"}), 2, {"--value_range"});
  expect_refusal(create({"--scales", "0.9,0.8"}), 2, {"--scales", "1 must be among them"});
  expect_refusal(create({"--scales", "1,2"}), 2, {"--scales"});
  expect_refusal(create({"--scales", "1,0.5", "--augment"}), 2, {"--augment"});
  expect_refusal(create({"--scales", "1,0.5", "--pair_path", folder_ / "fine"}), 2, {"--pair_path"});
  expect_refusal(create({"--nchan", "4"}), 2, {"--nchan 4", "3 bands", "--nchan 3"});
  expect_refusal(create({"--nchan", "3", "--colour_mode", "luma"}), 2, {"--nchan 3", "joint"});
  expect_refusal(create({"--min_std", "2"}), 2, {"--min_std"});
  expect_refusal(create({"--no_such_option"}), 2, {"no_such_option"});
}

TEST_F(CreateDataset, ColourModesThatTheImagesCannotHaveAreRefused) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80, 4));
  expect_refusal(create({"--colour_mode", "luma"}), 2, {"4 bands", "per_band"});
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80, 3, 1, SampleType::u16));
  expect_refusal(create({"--colour_mode", "luma", "--luma", "studio"}), 2, {"studio", "8 bits"});
}

TEST_F(CreateDataset, WithoutAnyUsableImageNothingIsWritten) {
  expect_refusal(create(), 1, {"no image (.tif)"});
  std::ofstream(folder_ / "in/text.tif") << "no picture";
  const ProgramRun run = create();
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("no image can be used"), std::string::npos) << run.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(CreateDataset, ASingleTileCannotBeDividedAndWhyThereIsNoOtherIsSaid) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  expect_refusal(create(), 2, {"only 1 tile", "--tile_size_w"});
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80), [](TiffInfo& info) {
    info.tags.gdal_nodata = std::to_string(landscape_image(100, 80).data<uint8_t>()[0]);
  });
  const ProgramRun run = create();
  EXPECT_NE(run.out.find("left out 1 tile with samples that are no picture"), std::string::npos) << run.out;
  expect_refusal(run, 2, {"only 1 tile"});
}

TEST_F(CreateDataset, ItsOwnEarlierOutputIsReplacedAndForeignFilesAreNot) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  const std::vector<std::string> small{"--tile_size_w",       "20", "--tile_size_h", "20",
                                       "--num_data_per_file", "4"};
  create_well(small);
  EXPECT_TRUE(fs::exists(folder_ / "out/x2/Training/data_004.rec"));
  std::ofstream(folder_ / "out/x2/Training/data_009.rec.part") << "left by a run that was killed";
  fs::remove(folder_ / "out/x2/manifest.json");
  create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(content_of(folder_ / "out/x2").size(), 4u) << "two record files, means and manifest";
  const auto before = content_of(folder_ / "out");
  for (const char* name : {"notes.txt", "Training/holiday.png", "Validation/data_000.rec.bak"}) {
    std::ofstream(folder_ / ("out/x2/" + std::string(name))) << "mine";
    const ProgramRun run = create(small);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find(name), std::string::npos) << run.err;
    EXPECT_EQ(text_of_file(folder_ / ("out/x2/" + std::string(name))), "mine");
    fs::remove(folder_ / ("out/x2/" + std::string(name)));
    EXPECT_EQ(content_of(folder_ / "out"), before);
  }
}

TEST_F(CreateDataset, AnEarlierDataSetSurvivesARunThatFailsBeforeItWrites) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  create_well({"--tile_size_w", "20", "--tile_size_h", "20"});
  const auto before = content_of(folder_ / "out");
  EXPECT_EQ(create().status, 2) << "one tile";
  EXPECT_EQ(content_of(folder_ / "out"), before);
}

TEST_F(CreateDataset, AFullDiskIsSaidAndLeavesNothing) {
  const std::string disk = folder_ / "out";
  fs::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a small file system can only be mounted by root";
  Raster noise({0, 0, 600, 400}, 3, SampleType::u8);
  Random random{1};
  for (std::byte& b : noise.samples) b = static_cast<std::byte>(random.next() & 255);
  write_tiff(folder_ / "in/a.tif", noise);
  const ProgramRun run = create({"--tile_size_w", "60", "--tile_size_h", "60"});
  const auto left = content_of(disk);
  umount(disk.c_str());
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("disk is full"), std::string::npos) << run.err;
  EXPECT_TRUE(left.empty()) << left.begin()->first;
}

TEST_F(CreateDataset, AnInterruptedRunLeavesNothingThatLooksComplete) {
  Raster noise({0, 0, 1200, 900}, 3, SampleType::u8);
  Random random{1};
  for (std::byte& b : noise.samples) b = static_cast<std::byte>(random.next() & 255);
  write_tiff(folder_ / "in/a.tif", noise);
  for (const char* signal : {"INT", "KILL"}) {
    // A delay of seconds would depend on the machine: stop as soon as the first record file is begun.
    const std::string program = std::string(SR_BIN_DIR) + "/create_training_dataset";
    const std::string script =
        program + " --data_path " + (folder_ / "in") + " --out_path " + (folder_ / "out") +
        " --tile_size_w 60 --tile_size_h 60 --augment --threads 1 & pid=$!; "
        "while kill -0 $pid && ! ls " +
        (folder_ / "out/x2/Training") + "/*.part ; do :; done; kill -" + signal + " $pid; wait $pid";
    const ProgramRun run = run_program("bash", {"-c", script}, 120);
    EXPECT_EQ(run.status, std::string(signal) == "INT" ? 1 : 137) << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "out/x2/manifest.json"));
    if (std::string(signal) == "INT") {
      EXPECT_NE(run.err.find("interrupted"), std::string::npos) << run.err;
      EXPECT_TRUE(content_of(folder_ / "out").empty());
    }
    expect_error(Error::Kind::io, "not complete", [&] { Dataset(folder_ / "out", 2); });
  }
  create_well({"--tile_size_w", "200", "--tile_size_h", "200"});
  EXPECT_EQ(content_of(folder_ / "out/x2").size(), 4u) << "what the killed run left is gone";
}

}  // namespace
}  // namespace sr

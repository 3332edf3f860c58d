#include "training/dataset/dataset.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "io/formats/picture.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"
#include "tests/support/training_images.h"
#include "training/dataset/create.h"

namespace sr {
namespace {

namespace fs = std::filesystem;
constexpr auto kTraining = Dataset::Part::training;
constexpr auto kValidation = Dataset::Part::validation;

class DatasetTest : public testing::Test {
 protected:
  DatasetTest() {
    for (uint32_t i = 0; i < 2; ++i) {
      images_.push_back(folder_ / (std::to_string(i) + ".png"));
      write_png(images_.back(), landscape_image(80, 60, 3, i + 1));
    }
    create_dataset(images_, folder_ / "data/x2",
                   {.tile_w = 20, .tile_h = 20, .num_data_per_file = 10, .origin = "test"});
  }

  void open() const { Dataset(folder_ / "data", 2); }

  TestFolder folder_;
  std::vector<std::string> images_;
  std::string manifest_ = folder_ / "data/x2/manifest.json";
};

TEST_F(DatasetTest, TilesComeOnTheUnitScaleOfTheirRange) {
  const Dataset data(folder_ / "data", 2);
  EXPECT_EQ(data.size(kTraining), 22);
  EXPECT_EQ(data.size(kValidation), 2);
  for (int64_t i = 0; i < 22; ++i) {
    const auto record = data.record(kTraining, i);
    const TrainingTile tile = data.tile(kTraining, i);
    ASSERT_EQ(tile.gt.shape(), (Shape{1, 20, 20, 1}));
    ASSERT_EQ(tile.down.shape(), (Shape{1, 10, 10, 1}));
    for (int64_t p = 0; p < 400; ++p) {
      ASSERT_FLOAT_EQ(tile.gt.data()[p], static_cast<float>(record->gt.data<uint8_t>()[p]) / 255);
      ASSERT_FLOAT_EQ(tile.bic_up.data()[p], static_cast<float>(record->bic_up.data<uint8_t>()[p]) / 255);
    }
  }
  expect_error(Error::Kind::usage, "there are 22", [&] { data.tile(kTraining, 22); });
  expect_error(Error::Kind::usage, "there are 2", [&] { data.record(kValidation, -1); });
}

TEST_F(DatasetTest, SeveralThreadsReadTheSameTilesWhateverIsKept) {
  const Dataset whole(folder_ / "data", 2), little(folder_ / "data", 2, 3000);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Random random{t};
      for (int i = 0; i < 200; ++i) {
        const int64_t tile = random.integer(22);
        if (whole.record(kTraining, tile)->gt.samples != little.record(kTraining, tile)->gt.samples)
          ++wrong[t];
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(DatasetTest, TilesThatAreKeptAreNotReadAgain) {
  const Dataset data(folder_ / "data", 2);
  const auto first = data.record(kTraining, 3);
  EXPECT_EQ(data.record(kTraining, 3), first);
  const Dataset forgetful(folder_ / "data", 2, 1);
  const auto one = forgetful.record(kTraining, 3);
  EXPECT_EQ(forgetful.record(kTraining, 3), one) << "the latest always is";
  forgetful.record(kTraining, 4);
  EXPECT_NE(forgetful.record(kTraining, 3), one);
}

TEST_F(DatasetTest, WhatIsMissingIsNamed) {
  expect_error(Error::Kind::io, "no such folder", [&] { Dataset(folder_ / "nowhere", 2); });
  expect_error(Error::Kind::io, "for x2 only", [&] { Dataset(folder_ / "data", 3); });
  fs::remove(folder_ / "data/x2/Training/data_001.rec");
  expect_error(Error::Kind::io, "data_001.rec", [&] { open(); });
  fs::remove(manifest_);
  expect_error(Error::Kind::io, "not complete", [&] { open(); });
}

TEST_F(DatasetTest, ADataSetUnderAnotherFactorsNameIsRefused) {
  fs::rename(folder_ / "data/x2", folder_ / "data/x4");
  expect_error(Error::Kind::format, "for factor 2", [&] { Dataset(folder_ / "data", 4); });
}

// Images of the same names and sizes give record files of the same lengths.
TEST_F(DatasetTest, RecordFilesOfAnotherRunAreRefused) {
  fs::create_directory(folder_ / "others");
  std::vector<std::string> others;
  for (uint32_t i = 0; i < 2; ++i) {
    others.push_back(folder_ / ("others/" + std::to_string(i) + ".png"));
    write_png(others.back(), landscape_image(80, 60, 3, i + 5));
  }
  create_dataset(others, folder_ / "other/x2",
                 {.tile_w = 20, .tile_h = 20, .num_data_per_file = 10, .origin = "test"});
  const std::string name = "x2/Training/data_000.rec";
  ASSERT_EQ(fs::file_size(folder_ / ("other/" + name)), fs::file_size(folder_ / ("data/" + name)));
  fs::copy_file(folder_ / ("other/" + name), folder_ / ("data/" + name),
                fs::copy_options::overwrite_existing);
  expect_error(Error::Kind::format, "not the file that manifest.json names", [&] { open(); });
}

TEST_F(DatasetTest, ADamagedTileIsRefusedWhenItIsRead) {
  const std::string path = folder_ / "data/x2/Validation/data_000.rec";
  std::string bytes = text_of_file(path);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
  const Dataset data(folder_ / "data", 2);
  expect_error(Error::Kind::format, "checksum", [&] {
    for (int64_t i = 0; i < 2; ++i) data.tile(kValidation, i);
  });
}

TEST_F(DatasetTest, AManifestThatContradictsItselfOrTheFilesIsRefused) {
  const std::string good = text_of_file(manifest_);
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& part) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
    std::ofstream(manifest_) << text;
    try {
      open();
      ADD_FAILURE() << from << " -> " << to;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  refused("\"superres training data\"", "\"something else\"", "not the manifest");
  refused("\"version\": 1", "\"version\": 2", "newer");
  refused("\"factor\": 2", "\"factor\": 3", "factor");
  refused("\"factor\": 2", "\"factor\": 1e300", "factor");
  refused("\"bands\": 1", "\"bands\": 3", "contradict");
  refused("\"bands\": 1", "\"bands\": 18446744073709551615", "bands");
  refused("\"nchan\": 1", "\"nchan\": -1", "nchan");
  refused("\"u8\"", "\"u16\"", "does not fit");
  refused("\"u8\"", "\"u9\"", "u9");
  refused("\"luma\",", "\"rainbow\",", "rainbow");
  refused("\"unrounded\": false", "\"unrounded\": true", "does not fit");
  refused("[0.0,255.0]", "[255.0,0.0]", "value_range");
  refused("[0.0,255.0]", "[0.0]", "value_range");
  refused("\"training_tiles\": 22", "\"training_tiles\": 21", "22");
  refused("Training/data_000.rec", "Training/../../../etc/passwd", "neither");
  refused("Training/data_000.rec", "/etc/passwd", "neither");
  refused("\"records\":10", "\"records\":11", "not the file");
  refused("\"crc32c\":", "\"crc32d\":", "missing");
  refused("\"tile_size\":[", "\"tile_size\":[0,", "tile_size");
  refused("\"gt\":[", "\"gt\":[0.5,", "mean_values");
  std::ofstream(manifest_) << std::string(100'000, '[');
  expect_error(Error::Kind::format, "not the manifest", [&] { open(); });
}

// The manifest is text for people too, without a checksum: a changed digit may go unnoticed, but nothing
// worse.
TEST_F(DatasetTest, ADamagedManifestIsReadOrRefused) {
  const std::string good = text_of_file(manifest_);
  Random random{3};
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string text = good;
    const auto at = static_cast<size_t>(random.integer(static_cast<int64_t>(good.size())));
    if (i % 3 == 0)
      text.resize(at);
    else
      text[at] = static_cast<char>(text[at] ^ (1 << random.integer(8)));
    fs::remove(manifest_);  // file systems hurry to the disk when an old file is emptied and written again
    std::ofstream(manifest_, std::ios::binary) << text;
    try {
      open();
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 700);
}

}  // namespace
}  // namespace sr

// A folder of scenes, one of them large, and runs of eval_superres_net that share it out.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/output_file.h"
#include "io/tiff/output/writer.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {

using Words = std::vector<std::string>;

inline Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Sharing : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_ / "in");
    for (const char* name : {"a", "c", "d", "e"}) make_scene(name, 40, 30, 3, SampleType::u8, false);
    make_large(kInstrumented ? 1 : 4, SampleType::u16, true);  // a pass of the network for each band
  }

  /// b.tif, which is most of the work: a tile has several rows of blocks, and blocks several tiles.
  void make_large(int bands, SampleType type, bool masked) { make_scene("b", 258, 520, bands, type, masked); }

  void make_scene(const std::string& name, int64_t width, int64_t height, int bands, SampleType type,
                  bool masked) {
    TiffInfo info;
    info.width = width, info.height = height, info.bands = bands, info.type = type;
    info.photometric = bands == 3 ? 2 : 1;
    if (bands == 4) info.extra_samples.assign(3, 0);
    info.has_mask = masked;
    info.tags.pixel_scale = {10, 10, 0}, info.tags.tiepoints = {0, 0, 0, 500000, 5300000, 0};
    Raster picture({0, 0, width, height}, bands, type);
    for (int64_t i = 0; i < width * height * bands; ++i) {
      const int64_t x = i / bands % width, y = i / bands / width;
      const int64_t value = 40 * (1 + i % bands) + (x * y / 8 + 7 * x) % 64 + (x / 9 + y / 7) % 2 * 30;
      if (type == SampleType::u8)
        picture.data<uint8_t>()[i] = static_cast<uint8_t>(value % 251);
      else
        picture.data<uint16_t>()[i] = static_cast<uint16_t>(9 * value);
    }
    if (masked)
      for (int64_t i = 0; i < width * height; ++i) picture.mask.push_back(i % width > i / width / 8);
    TiffWriter writer(folder_ / ("in/" + name + ".tif"), info);
    writer.write(picture);
    writer.finish();
  }

  Words command(const std::string& out, const Words& more) const {
    return Words{"--data_path",       folder_ / "in",
                 "--out_path",        folder_ / out,
                 "--pretrained_path", folder_ / "w",
                 "--device",          "cpu",
                 "--threads",         "1",
                 "--num_tiles_w",     columns_of_tiles_,
                 "--num_tiles_h",     "2"} +
           more;
  }

  ProgramRun run(const std::string& out, const Words& more) const {
    return run_program("eval_superres_net", command(out, more));
  }

  ProgramRun run_share(int index, int count, const Words& more = {}) const {
    return run("out", more + Words{"--shard", std::to_string(index) + "/" + std::to_string(count)});
  }

  /// The last first.
  void run_shares(int count, const Words& more = {}) const {
    for (int index = count; index > 0; --index) {
      const ProgramRun share = run_share(index, count, more);
      EXPECT_EQ(share.status, 0) << share.err;
    }
  }

  ProgramRun merge(const Words& more = {}) const {
    return run_program("superres_merge", Words{folder_ / "out"} + more);
  }

  static std::string bytes_of(const std::string& file) { return read_file(file, size_t{1} << 30); }

  /// Of all results; what shards note beside them is none.
  std::map<std::string, std::string> results(const std::string& out) const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / out)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".jsonl")) all[name] = bytes_of(entry.path().string());
    }
    return all;
  }

  /// The results of "out" are those of "whole", and there is nothing else.
  void expect_same() const {
    const auto whole = results("whole"), out = results("out");
    for (const auto& [name, bytes] : whole) {
      ASSERT_TRUE(out.contains(name)) << name;
      EXPECT_TRUE(name.ends_with(".json") || out.at(name) == bytes) << name;
    }
    EXPECT_EQ(out.size(), whole.size());
  }

  TestFolder folder_;
  std::string columns_of_tiles_ = "2";
};

}  // namespace sr

// The program create_training_dataset in a folder of its own: images in, a data set out.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/formats/picture.h"
#include "io/json_text.h"
#include "io/tiff/input/reader.h"
#include "tensor/random.h"
#include "tests/support/run_program.h"
#include "tests/support/training_images.h"
#include "training/dataset/dataset.h"

namespace sr {

namespace fs = std::filesystem;
using nlohmann::json;

class CreateDataset : public testing::Test {
 protected:
  CreateDataset() {
    fs::create_directory(folder_ / "in");
    fs::create_directory(folder_ / "fine");
  }

  ProgramRun create(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"--data_path", folder_ / "in", "--out_path", folder_ / "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("create_training_dataset", arguments, 120);
  }

  ProgramRun create_well(const std::vector<std::string>& more = {}) {
    ProgramRun run = create(more);
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    EXPECT_EQ(run.err, "");
    return run;
  }

  json manifest(int factor = 2) const {
    return json::parse(text_of_file(folder_ / ("out/x" + std::to_string(factor) + "/manifest.json")));
  }

  // Tiles that share ground with validation.
  size_t left_out(int factor) const {
    const json m = manifest(factor);
    size_t sum = 0;
    for (const json& source : m["sources"]) sum += source.value("left_out", size_t{0});
    return sum;
  }

  // One line on the error stream that says all parts; no data set left.
  void expect_refusal(const ProgramRun& run, int status, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.status, status) << run.out << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& part : parts)
      EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "out/x2"));
  }

  // All files below a folder with their content.
  static std::map<std::string, std::string> content_of(const std::string& folder) {
    std::map<std::string, std::string> content;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file())
        content[fs::relative(entry.path(), folder).string()] = text_of_file(entry.path());
    return content;
  }

  // Calls f(record, image number, source window, tile width and height, symmetry) for every record.
  template <class F>
  void for_each_record(int factor, const F& f) {
    const json m = manifest(factor);
    const std::string folder = folder_ / ("out/x" + std::to_string(factor) + "/");
    for (const json& file : m["files"]) {
      const RecordReader reader(folder + file["name"].get<std::string>());
      ASSERT_EQ(reader.size(), static_cast<int64_t>(file["tiles"].size()));
      for (int64_t i = 0; i < reader.size(); ++i) {
        const auto t = file["tiles"][static_cast<size_t>(i)].get<std::vector<int64_t>>();
        ASSERT_EQ(t.size(), 8u);
        f(reader.read(i), static_cast<size_t>(t[0]), Window{t[1], t[2], t[3], t[4]}, t[5], t[6],
          static_cast<int>(t[7]));
      }
    }
  }

  TestFolder folder_;
};

}  // namespace sr

// Files that a later run goes on with.
#include <fstream>

#include "io/output_file.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int kBlock = 32;

class TiffResumeTest : public TiffWriterTest {
 protected:
  TiffInfo info_ = make_info(100, 70, 3, SampleType::u16);  // 4 x 3 blocks
  Raster picture_ = random_picture(info_, 1);

  void SetUp() override {
    TiffWriterTest::SetUp();
    info_.has_mask = true;
    for (int64_t i = 0; i < 100 * 70; ++i) picture_.mask.push_back(i % 7 != 0);
  }

  static TiffWriterOptions options(const std::string& job) {
    return {.compression = Compression::deflate, .block = kBlock, .job = job};
  }

  /// The windows of a page as a scene's tiles have them: two rows of blocks of them are not whole blocks.
  static std::vector<Window> windows() {
    std::vector<Window> list;
    for (const auto& [y, h] : {std::pair{0, 32}, {32, 20}, {52, 18}})
      for (int64_t x = 0; x < 100; x += 25) list.push_back({x, y, 25, h});
    return list;
  }

  /// Writes the windows of picture and mask that are wanted, `most` of them; completes the file if that was
  /// all.
  int64_t run(const std::string& path, const std::string& job, int most = 1000) {
    TiffWriter writer(path, info_, options(job));
    const int64_t found = writer.blocks_found();
    for (const Window& window : windows())
      if (writer.wants(window) && most-- > 0) writer.write(cut(picture_, window));
    if (most > 0)
      writer.finish();
    else
      writer.keep();
    return found;
  }

  std::string bytes_of_file(const std::string& path) const { return read_file(path, 1 << 24); }
  std::string journal() const { return temporary_name(path_) + ".journal"; }

  std::string uninterrupted() {
    const std::string whole = (folder_ / "whole.tif").string();
    run(whole, "");
    return bytes_of_file(whole);
  }
};

TEST_F(TiffResumeTest, AFileGoneOnWithAfterAnyWindowIsTheUninterruptedFile) {
  const std::string whole = uninterrupted();
  for (int done = 0; done <= 12; ++done) {
    run(path_, "job", done);
    ASSERT_FALSE(fs::exists(path_));
    const int64_t found = run(path_, "job");
    EXPECT_EQ(found > 0, done >= 2) << done;
    ASSERT_EQ(bytes_of_file(path_), whole) << done;
    EXPECT_FALSE(fs::exists(temporary_name(path_)));
    EXPECT_FALSE(fs::exists(journal()));
    fs::remove(path_);
  }
}

TEST_F(TiffResumeTest, AFileInterruptedAtEveryWindowIsTheUninterruptedFile) {
  const std::string whole = uninterrupted();
  int runs = 0;
  // Windows that complete no block are lost, so a run must get as far as the next complete one, eight windows
  // on.
  for (int most = 9; !fs::exists(path_) && runs < 100; ++runs) run(path_, "job", most);
  EXPECT_GE(runs, 2);
  EXPECT_EQ(bytes_of_file(path_), whole);
}

TEST_F(TiffResumeTest, BlocksThatAPowerCutSpoiledAreWrittenAnew) {
  const std::string whole = uninterrupted();
  run(path_, "job", 12);
  const std::string left = bytes_of_file(temporary_name(path_)), lines = bytes_of_file(journal());
  const auto with = [&](std::string part, const std::string& journal_text) {
    std::ofstream(temporary_name(path_), std::ios::binary) << part;
    std::ofstream(journal(), std::ios::binary) << journal_text;
    const int64_t found = run(path_, "job");
    EXPECT_EQ(bytes_of_file(path_), whole);
    return found;
  };
  EXPECT_EQ(with(left, lines), 24) << "of picture and mask";
  std::string spoiled = left;
  spoiled[left.size() / 2] ^= 1;
  const int64_t before_it = with(spoiled, lines);
  EXPECT_GT(before_it, 2);
  EXPECT_LT(before_it, 24);
  EXPECT_LT(with(left.substr(0, left.size() / 2), lines), 24);
  EXPECT_LT(with(left, lines.substr(0, lines.size() - 5)), 24);
  EXPECT_EQ(with("", lines), 0);
  EXPECT_EQ(with(left, ""), 0);
  EXPECT_EQ(with(left, lines + lines.substr(lines.find('\n') + 1)), 24) << "a block comes once";
}

TEST_F(TiffResumeTest, WhatAnotherJobLeftIsNotUsed) {
  const std::string whole = uninterrupted();
  run(path_, "job", 12);
  EXPECT_EQ(run(path_, "another job"), 0);
  EXPECT_EQ(bytes_of_file(path_), whole);
}

TEST_F(TiffResumeTest, AFileThatIsNeitherFinishedNorKeptLeavesNothing) {
  {
    TiffWriter writer(path_, info_, options("job"));
    writer.write(cut(picture_, {0, 0, 32, 32}));
    EXPECT_TRUE(fs::exists(journal()));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace sr

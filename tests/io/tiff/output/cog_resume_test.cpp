// Cloud Optimized GeoTIFFs that a later run goes on with.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "io/output_file.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int kBlock = 32;
constexpr int64_t kWidth = 203, kHeight = 139;  // 7 x 5 blocks and overviews of 4 x 3, 2 x 2 and 1

// How a picture is stored.
struct Way {
  const char* name;
  SampleType type;
  int bands;
  bool masked;
  TiffWriterOptions options;
};

std::vector<Way> ways() {
  using enum Compression;
  return {{"masked", SampleType::u16, 3, true, {.compression = deflate}},
          {"float", SampleType::f32, 1, false, {.compression = zstd}},
          {"by band", SampleType::u8, 3, true, {.compression = lzw, .by_band = true}},
          {"jpeg", SampleType::u8, 3, false, {.compression = jpeg}},
          {"lerc", SampleType::f64, 1, true, {.compression = lerc, .max_z_error = 0.5}}};
}

class CogResumeTest : public TiffWriterTest {
 protected:
  void use(const Way& way) {
    info_ = make_info(kWidth, kHeight, way.bands, way.type);
    info_.has_mask = way.masked;
    options_ = way.options;
    options_.block = kBlock, options_.cog = true;
    picture_ = random_picture(info_, 1);
    if (way.masked)
      for (int64_t i = 0; i < kWidth * kHeight; ++i) picture_.mask.push_back(i % 7 != 0);
  }

  /// Each of some whole blocks, of which an overview's block has one, two or four.
  static std::vector<Window> windows() {
    std::vector<Window> list;
    for (int64_t y = 0; y < kHeight; y += kBlock)
      for (int64_t x = 0; x < kWidth; x += 3 * kBlock)
        list.push_back(
            {x, y, std::min<int64_t>(3 * kBlock, kWidth - x), std::min<int64_t>(kBlock, kHeight - y)});
    return list;
  }

  /// Writes the windows that are wanted, `most` of them, and completes the file if that was all. Returns how
  /// many were wanted.
  int run(const std::string& path, const std::string& job, int most = 1000) {
    TiffWriterOptions options = options_;
    options.job = job;
    TiffWriter writer(path, info_, options);
    int wanted = 0;
    for (const Window& window : windows()) {
      if (!writer.wants(window)) continue;
      if (wanted++ >= most) continue;
      writer.write(cut(picture_, window));
    }
    if (wanted <= most)
      writer.finish();
    else
      writer.keep();
    return wanted;
  }

  /// Runs in a process of its own, which is killed when it would make a file longer than so many bytes: from
  /// the beginning, or from when all windows are written. Returns how many it has written.
  int run_killed_at(int64_t bytes, bool at_the_end = false) {
    auto* written = static_cast<int*>(
        ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    *written = 0;
    const pid_t child = ::fork();
    if (child == 0) {
      if (!at_the_end) die_beyond(bytes);
      TiffWriterOptions options = options_;
      options.job = "job";
      TiffWriter writer(path_, info_, options);
      for (const Window& window : windows())
        if (writer.wants(window)) writer.write(cut(picture_, window)), ++*written;
      die_beyond(bytes);
      writer.finish();
      std::_Exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << bytes;
    const int count = *written;
    ::munmap(written, sizeof(int));
    return count;
  }

  static void die_beyond(int64_t bytes) {
    const rlimit none{0, 0}, limit{static_cast<rlim_t>(bytes), static_cast<rlim_t>(bytes)};
    ::setrlimit(RLIMIT_CORE, &none);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_DFL);
  }

  static std::string bytes_of_file(const std::string& path) { return read_file(path, 1 << 26); }

  static void put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  std::string uninterrupted() {
    const std::string whole = (folder_ / "whole.tif").string();
    run(whole, "");
    const std::string bytes = bytes_of_file(whole);
    fs::remove(whole);
    return bytes;
  }

  void expect_complete(const std::string& whole) {
    EXPECT_TRUE(bytes_of_file(path_) == whole);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "nothing else is left";
  }

  bool has_holes() const {
    const std::string probe = (folder_ / "probe").string();
    put(probe, std::string(1 << 16, 'x'));
    const int file = ::open(probe.c_str(), O_WRONLY | O_CLOEXEC);
    const bool punched = ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 15) == 0;
    ::close(file);
    return punched;
  }

  std::string spool() const { return path_ + ".blocks.part"; }
  std::string journal() const { return spool() + ".journal"; }

  TiffInfo info_;
  TiffWriterOptions options_;
  Raster picture_;
};

TEST_F(CogResumeTest, AFileGoneOnWithAfterAnyWindowIsTheUninterruptedFileAndNoWindowComesTwice) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    use(way);
    const std::string whole = uninterrupted();
    const int all = static_cast<int>(std::ssize(windows()));
    for (int done = 0; done < all; ++done) {
      run(path_, "job", done);
      ASSERT_FALSE(fs::exists(path_));
      ASSERT_EQ(run(path_, "job"), all - done);
      expect_complete(whole);
      fs::remove(path_);
    }
  }
}

TEST_F(CogResumeTest, AFileInterruptedAtEveryWindowIsTheUninterruptedFile) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    use(way);
    const std::string whole = uninterrupted();
    int runs = 0;
    for (; !fs::exists(path_) && runs < 100; ++runs) run(path_, "job", 1);
    EXPECT_EQ(runs, std::ssize(windows()));
    expect_complete(whole);
    fs::remove(path_);
  }
}

TEST_F(CogResumeTest, AKillAnywhereCostsNoMoreThanTheWindowThatWasBeingWritten) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    use(way);
    const std::string whole = uninterrupted();
    const auto size = std::ssize(whole);
    const int all = static_cast<int>(std::ssize(windows()));
    for (int64_t at = 100; at < size; at += size / 15 + 1) {
      SCOPED_TRACE(at);
      const int before = run_killed_at(at);
      // A second kill, before the quarters that the first has left are all used.
      const int then = run_killed_at(std::min(at + 500, size - 1));
      ASSERT_LE(run(path_, "job"), all - before - then);
      expect_complete(whole);
      fs::remove(path_);
    }
  }
}

TEST_F(CogResumeTest, AKillWhileTheFileIsMadeOfItsBlocksCostsNoWindow) {
  use(ways()[0]);
  const std::string whole = uninterrupted();
  const auto size = std::ssize(whole);
  for (int64_t at = 0; at < size; at += size / 10) {
    SCOPED_TRACE(at);
    run_killed_at(at, true);
    EXPECT_TRUE(fs::exists(path_ + ".part"));
    EXPECT_EQ(run(path_, "job"), 0);
    expect_complete(whole);
    fs::remove(path_);
  }
}

TEST_F(CogResumeTest, BlocksThatAPowerCutSpoiledAreWrittenAnew) {
  use(ways()[0]);
  const std::string whole = uninterrupted();
  const int all = static_cast<int>(std::ssize(windows()));
  run(path_, "job", all - 1);
  const std::string left = bytes_of_file(spool()), lines = bytes_of_file(journal());
  const auto wanted_with = [&](const std::string& blocks, const std::string& journal_text) {
    put(spool(), blocks), put(journal(), journal_text);
    const int wanted = run(path_, "job");
    expect_complete(whole);
    return wanted;
  };
  EXPECT_EQ(wanted_with(left, lines), 1);
  int again = 0;
  for (size_t at = 0; at < left.size(); at += left.size() / 20) {
    std::string spoiled = left;
    spoiled[at] = static_cast<char>(spoiled[at] ^ 1);
    again += wanted_with(spoiled, lines) > 1;
    again += wanted_with(left.substr(0, at), lines) > 1;
    again += wanted_with(left, lines.substr(0, lines.size() * at / left.size())) > 1;
  }
  EXPECT_GT(again, 40);
  EXPECT_EQ(wanted_with("", lines), all);
  EXPECT_EQ(wanted_with(left, ""), all);
  EXPECT_EQ(wanted_with(left, lines + lines.substr(lines.find('\n') + 1)), 1);
}

TEST_F(CogResumeTest, WhatAnotherJobOrTheOtherKindOfFileLeftIsNotUsed) {
  use(ways()[0]);
  const std::string whole = uninterrupted();
  const int all = static_cast<int>(std::ssize(windows()));
  run(path_, "job", 3);
  EXPECT_EQ(run(path_, "another job"), all);
  expect_complete(whole);
  run(path_, "job", 3);
  options_.anew = true;
  EXPECT_EQ(run(path_, "job"), all);
  expect_complete(whole);
  options_.anew = false;
  for (const bool cog : {false, true}) {
    options_.cog = !cog;
    run(path_, "job", 3);
    options_.cog = cog;
    EXPECT_EQ(run(path_, "job"), all);
    EXPECT_EQ(bytes_of_file(path_) == whole, cog);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  }
}

TEST_F(CogResumeTest, AFileThatIsNeitherFinishedNorKeptLeavesNothing) {
  use(ways()[0]);
  options_.job = "job";
  {
    TiffWriter writer(path_, info_, options_);
    EXPECT_FALSE(writer.keep()) << "there is nothing";
    writer.write(cut(picture_, windows()[0]));
    EXPECT_TRUE(fs::exists(journal()));
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(CogResumeTest, ARunThatCannotGoOnLeavesWhatIsThere) {
  use(ways()[0]);
  const std::string whole = uninterrupted();
  const int all = static_cast<int>(std::ssize(windows()));
  ::signal(SIGXFSZ, SIG_IGN);  // an error, then
  for (const bool cog : {false, true}) {
    options_.cog = cog;
    run(path_, "job", 5);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit tight{20, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tight);  // not even the journal fits
    error_text([&] { run(path_, "job"); }, Error::Kind::io);
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(run(path_, "job"), all - 5);
    EXPECT_EQ(bytes_of_file(path_) == whole, cog);
  }
  ::signal(SIGXFSZ, SIG_DFL);
}

TEST_F(CogResumeTest, WhatARunEndedBehindItsLastStepLeavesIsRemovedAndWhatIsUnfinishedStays) {
  use(ways()[0]);
  run(path_, "job");
  put(spool(), "blocks"), put(journal(), "job\n"), put(path_ + ".part.journal", "job\n");
  TiffWriter::remove_leftovers(path_);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  run(path_, "another job", 3);
  TiffWriter::remove_leftovers(path_);
  EXPECT_TRUE(fs::exists(spool()));
  EXPECT_EQ(run(path_, "another job"), std::ssize(windows()) - 3);
}

TEST_F(CogResumeTest, QuartersOfOverviewsTakeNoRoomWhenTheyAreNotNeededAnyMore) {
  info_ = make_info(2048, 2048, 1, SampleType::u16);
  options_ = {.compression = Compression::none, .block = 128, .cog = true, .job = "job"};
  picture_ = random_picture(info_, 1);
  TiffWriter writer(path_, info_, options_);
  for (int64_t y = 0; y < 2048; y += 128)
    for (int64_t x = 0; x < 2048; x += 128) writer.write(cut(picture_, {x, y, 128, 128}));
  struct stat status {};
  ASSERT_EQ(::stat(spool().c_str(), &status), 0);
  const int64_t pixels = 2048 * 2048 * 4 / 3, quarters = 3 * pixels / 16;
  EXPECT_GT(status.st_size, 2 * (pixels + quarters) - 100'000) << "of the last of four none is kept";
  if (!has_holes()) GTEST_SKIP() << "no holes in files here";
  EXPECT_LT(status.st_blocks * 512, 2 * pixels + 100'000);
}

}  // namespace
}  // namespace sr

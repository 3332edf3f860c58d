// Runs of eval_superres_net that are killed, and what the next one makes of what they leave.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "io/output_file.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

// Programs under the sanitizers are ten times as slow.
constexpr const char *kWidth = kInstrumented ? "260" : "500", *kHeight = kInstrumented ? "210" : "400";

std::string bytes_of_file(const std::string& path) {
  return read_file(path, size_t{1} << 30);
}

size_t files_in(const std::string& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "in");
    make_scene(in_, "1");
    write_small_model(folder_ / "w", 2);
  }

  static void make_scene(const std::string& path, const std::string& seed, const std::string& width = kWidth,
                         const std::string& height = kHeight) {
    ASSERT_EQ(run_program("make_scene", {"--out", path, "--width", width, "--height", height, "--type", "u16",
                                         "--bands", "2", "--seed", seed, "--quiet"})
                  .status,
              0);
  }

  std::vector<std::string> command(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> list{
        "--data_path",   in_,        "--out_path",    folder_ / out,  "--pretrained_path",
        folder_ / "w",   "--device", "cpu",           "--threads",    "1",
        "--num_tiles_w", "5",        "--num_tiles_h", rows_of_tiles_, "--bicubic"};
    list.insert(list.end(), more.begin(), more.end());
    return list;
  }

  ProgramRun run(const std::string& out, const std::vector<std::string>& more = {}) const {
    return run_program("eval_superres_net", command(out, more));
  }

  /// Gets the signal after so many seconds, if it has not ended.
  ProgramRun run_killed(const std::string& signal, double after, const std::string& out,
                        const std::vector<std::string>& more = {}) const {
    std::vector<std::string> list{"-s", signal, std::to_string(after),
                                  std::string(SR_BIN_DIR) + "/eval_superres_net"};
    const auto rest = command(out, more);
    list.insert(list.end(), rest.begin(), rest.end());
    return run_program("timeout", list);
  }

  /// A scene whose COG, of larger blocks than a plain file's, has several of them in each direction.
  void use_several_blocks() {
    make_scene(in_, "1", "620", "520");
    rows_of_tiles_ = "8";
  }

  /// Kills runs into "out" at random moments; each that lives must have made the files of "whole".
  void kill_at_random_moments(int wanted, const std::vector<std::string>& more = {}) const {
    const ProgramRun whole = run("whole", more);
    ASSERT_EQ(whole.status, 0) << whole.err;
    std::mt19937 random(7);
    std::uniform_real_distribution<double> moment(0.02, 0.9 * whole.seconds);
    int gone_on = 0;
    for (int kills = 0; kills < wanted;) {
      const ProgramRun killed = run_killed("KILL", moment(random), "out", more);
      gone_on += killed.out.find("goes on with") != std::string::npos;
      if (killed.status != 0) {
        ++kills;
        continue;
      }
      expect_same("out");
      fs::remove_all(folder_ / "out");
    }
    if (!kInstrumented) {  // of so few there may be none
      EXPECT_GT(gone_on, wanted / 10);
    }
    const ProgramRun last = run("out", more);
    EXPECT_EQ(last.status, 0) << last.err;
    expect_same("out");
  }

  /// A run on a disk that is full and stays so, and one when it is freed.
  void fill_and_free(const std::string& size, const std::vector<std::string>& more = {}) const {
    ASSERT_EQ(run("whole", more).status, 0);
    fs::create_directory(folder_ / "out");
    if (::mount("none", (folder_ / "out").c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
      GTEST_SKIP() << "cannot mount a small disk";
    for (int i = 0; i < 2; ++i) {
      const ProgramRun full = run("out", more);
      EXPECT_EQ(full.status, 1);
      EXPECT_NE(full.err.find("disk is full"), std::string::npos) << full.err;
      EXPECT_NE(full.err.find("goes on from there"), std::string::npos) << full.err;
      EXPECT_FALSE(fs::exists(folder_ / "out/a.tif"));
    }
    ::mount("none", (folder_ / "out").c_str(), "tmpfs", MS_REMOUNT, "size=100m");
    const ProgramRun freed = run("out", more);
    EXPECT_NE(freed.out.find("goes on with"), std::string::npos) << freed.out;
    expect_same("out");
    ::umount((folder_ / "out").c_str());
  }

  void expect_same(const std::string& out) const {
    EXPECT_EQ(bytes_of_file(folder_ / (out + "/a.tif")), bytes_of_file(folder_ / "whole/a.tif"));
    EXPECT_EQ(bytes_of_file(folder_ / (out + "/a_bic_up.tif")),
              bytes_of_file(folder_ / "whole/a_bic_up.tif"));
    EXPECT_EQ(files_in(folder_ / out), 2u) << "nothing else is left";
  }

  TestFolder folder_;
  std::string in_ = folder_ / "in/a.tif", rows_of_tiles_ = "4";
};

TEST_F(Resume, KillsAtRandomMomentsEndInTheFilesOfAnUninterruptedRun) {
  kill_at_random_moments(kInstrumented ? 8 : 50);
}

TEST_F(Resume, KillsOfRunsThatMakeCogsEndInTheFilesOfAnUninterruptedRun) {
  use_several_blocks();
  kill_at_random_moments(kInstrumented ? 4 : 15, {"--cog"});
}

TEST_F(Resume, AStopSaysWhatStaysAndTheNextRunGoesOn) {
  const ProgramRun whole = run("whole");
  ProgramRun stopped;
  for (double after = 0.8 * whole.seconds; after > 0.01; after *= 0.9) {
    fs::remove_all(folder_ / "out");
    stopped = run_killed("TERM", after, "out");
    if (stopped.err.find("stays in") != std::string::npos) break;
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
    expect_same("out");
  }
}

TEST_F(Resume, WhatOtherWeightsHaveBegunIsNotUsed) {
  run_killed("KILL", 0.9 * run("whole").seconds, "out");
  write_small_model(folder_ / "w", 2);
  Model other = Model::load(checkpoint_name(folder_ / "w", 2, 0));
  other.means.gt[0] += 0.01;
  other.save(checkpoint_name(folder_ / "w", 2, 0));
  const ProgramRun next = run("out");
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_EQ(next.out.find("goes on with " + (folder_ / "out/a.tif.part")), std::string::npos) << next.out;
  EXPECT_NE(bytes_of_file(folder_ / "out/a.tif"), bytes_of_file(folder_ / "whole/a.tif"));
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

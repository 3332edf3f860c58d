// A scene, a small network and runs of eval_superres_net that are killed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "io/output_file.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {

// Programs under the sanitizers are ten times as slow.
inline constexpr const char *kWidth = kInstrumented ? "260" : "500", *kHeight = kInstrumented ? "210" : "400";

inline std::string bytes_of_file(const std::string& path) {
  return read_file(path, size_t{1} << 30);
}

inline size_t files_in(const std::string& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_ / "in");
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
        folder_ / "w",   "--device", device_,         "--threads",    "1",
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

  /// Gets the signal when a fourth of the larger result is written, if it has not ended before that is seen.
  ProgramRun run_until_begun(int signal, const std::string& out) const {
    const uintmax_t wanted = std::filesystem::file_size(folder_ / "whole/a.tif") / 4;
    const auto begun = [&] {
      std::error_code none;
      const uintmax_t size = std::filesystem::file_size(folder_ / (out + "/a.tif.part"), none);
      return !none && size >= wanted;
    };
    return run_program_until(begun, signal, "eval_superres_net", command(out));
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
      std::filesystem::remove_all(folder_ / "out");
    }
    if (wanted >= 15) {  // of fewer there may be none
      EXPECT_GT(gone_on, wanted / 10);
    }
    const ProgramRun last = run("out", more);
    EXPECT_EQ(last.status, 0) << last.err;
    expect_same("out");
  }

  /// A run on a disk that is full and stays so, and one when it is freed.
  void fill_and_free(const std::string& size, const std::vector<std::string>& more = {}) const {
    ASSERT_EQ(run("whole", more).status, 0);
    std::filesystem::create_directory(folder_ / "out");
    if (::mount("none", (folder_ / "out").c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
      GTEST_SKIP() << "cannot mount a small disk";
    for (int i = 0; i < 2; ++i) {
      const ProgramRun full = run("out", more);
      EXPECT_EQ(full.status, 1);
      EXPECT_NE(full.err.find("disk is full"), std::string::npos) << full.err;
      EXPECT_NE(full.err.find("goes on from there"), std::string::npos) << full.err;
      EXPECT_FALSE(std::filesystem::exists(folder_ / "out/a.tif"));
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
  std::string in_ = folder_ / "in/a.tif", rows_of_tiles_ = "4", device_ = "cpu";
};

}  // namespace sr

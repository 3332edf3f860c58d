// Trainings that each mpirun starts which is installed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/run_program.h"

namespace sr {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;

inline const std::string kProgram = std::string(SR_BIN_DIR) + "/train_superres_net";
inline const Arguments kIdn{"--num_Dist_blocks", "1", "--num_FB_layers", "1"};

inline Arguments with(Arguments some, const Arguments& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

// Whether it is one of this program; who has ended, but is still known, is none any more.
inline bool runs(pid_t process) {
  std::error_code none;
  return fs::read_symlink("/proc/" + std::to_string(process) + "/exe", none) == fs::canonical(kProgram);
}

// Processes of this program below `parent`.
inline std::vector<pid_t> trainings_below(pid_t parent) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t process = std::atoi(entry.path().filename().c_str());
    if (process <= 0 || !runs(process)) continue;
    pid_t above = process;
    while (above > 1 && above != parent) {
      const std::string stat = text_of_file("/proc/" + std::to_string(above) + "/stat");
      above = stat.empty() ? 0 : std::atoi(stat.substr(stat.rfind(')') + 4).c_str());
    }
    if (above == parent) found.push_back(process);
  }
  return found;
}

/// With the names of MPIs as parameters.
class StartedByMpirun : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TestFolder>();
    // A container's user is root; leaks are MPI's.
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0:allocator_may_return_null=1", 1);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    if (run_program(mpirun(), {"--version"}).status != 0) GTEST_SKIP() << mpirun() << " is not installed";
    if (!fs::exists(fs::path(SR_BIN_DIR) / "../lib/superres" / ("superres_" + GetParam() + ".so")))
      GTEST_SKIP() << "this build has no module for " << GetParam();
    run_ = std::to_string(number_++) + "_";
  }

  // A data set of one invented image.
  static void make_data(const std::string& name, Arguments scene, int side = 240, int tile = 48) {
    fs::create_directory(*folder_ / (name + "_scenes"));
    scene.insert(scene.end(), {"--quiet", "--out", *folder_ / (name + "_scenes/a.tif"), "--width",
                               std::to_string(side), "--height", std::to_string(side), "--seed", "3"});
    ASSERT_EQ(run_program("make_scene", scene).status, 0);
    const ProgramRun made =
        run_program("create_training_dataset",
                    {"--quiet", "--data_path", *folder_ / (name + "_scenes"), "--out_path", *folder_ / name,
                     "--upsampling_factor", "2", "--tile_size_w", std::to_string(tile), "--tile_size_h",
                     std::to_string(tile), "--colour_mode", name == "luma" ? "luma" : "joint"});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  std::string mpirun() const { return "mpirun." + GetParam(); }
  // Of so many processes, on whatever processors.
  Arguments start_of(int processes) const {
    Arguments all{"-np", std::to_string(processes)};
    if (GetParam() == "openmpi") all.insert(all.begin(), {"--oversubscribe", "--bind-to", "none"});
    return all;
  }
  std::string out(const std::string& name) const { return *folder_ / (run_ + name); }
  // `more` before what is not given in it.
  Arguments options(const std::string& name, const Arguments& more, const std::string& data = "luma") const {
    Arguments all = more;
    const Arguments usual[] = {
        {"--data_path", *folder_ / data}, {"--out_path", out(name)}, {"--batch_size", "16"},
        {"--patch_size", "12"},           {"--threads", "1"},        {"--clip_norm", "0.1"},
        {"--num_validation_tiles", "1"},  {"--ema_decay", "0.9"},    {"--nepochs", "1"},
        {"--validation_steps", "2"}};
    for (const Arguments& option : usual)
      if (std::ranges::find(more, option[0]) == more.end())
        all.insert(all.end(), option.begin(), option.end());
    return all;
  }
  ProgramRun train(int processes, const Arguments& given) const {
    if (processes == 0) return run_program(kProgram, given, 120);
    Arguments all = start_of(processes);
    all.push_back(kProgram);
    all.insert(all.end(), given.begin(), given.end());
    return run_program(mpirun(), all, 120);
  }

  // Starts so many, and kills one when the file is there: all must end, and mpirun with an error. What they
  // said.
  std::string kill_one_of(size_t processes, const Arguments& given, const std::string& file) const {
    Arguments all = with(with({mpirun()}, start_of(static_cast<int>(processes))), with({kProgram}, given));
    std::vector<char*> argv;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    const std::string said = *folder_ / (run_ + "said");
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      if (!freopen(said.c_str(), "w", stderr)) _exit(126);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    for (int i = 0; i < 3000 && !fs::exists(file); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const std::vector<pid_t> ranks = trainings_below(child);
    EXPECT_EQ(ranks.size(), processes);
    if (ranks.size() > 1) kill(ranks[1], SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < 500 && std::ranges::any_of(ranks, runs); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(std::ranges::any_of(ranks, runs)) << "some live on";
    return text_of_file(said);
  }

  // Names and bytes of all checkpoints.
  std::string checkpoints(const std::string& name) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(out(name) + "/x2/ckpts")) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::string all;
    for (const fs::path& file : files) all += file.filename().string() + text_of_file(file);
    return all;
  }

  inline static std::unique_ptr<TestFolder> folder_;
  inline static int number_ = 0;
  std::string run_;
};

}  // namespace sr

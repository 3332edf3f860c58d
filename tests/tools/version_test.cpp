// What --version tells, and where the build takes the commit from.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "tensor/on_cuda.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

TEST(Version, TellsCommitAndDevices) {
  setenv("SR_SIMD", "baseline", 1);
  for (const std::string program : {"eval_superres_net", "make_scene"}) {
    const ProgramRun run = run_program(program, {"--version"});
    EXPECT_EQ(run.status, 0) << run.err;
    const std::regex lines(program +
                           R"( \d+\.\d+\.\d+ \((unknown|[0-9a-f]{7,40}(-dirty)?)\)\nCUDA: (yes|no)\n)" +
                           "instruction set: baseline, no bf16.*\nGPUs: .+\nMPI: .+\nNCCL: .+\n");
    EXPECT_TRUE(std::regex_match(run.out, lines)) << run.out;
    EXPECT_EQ(run.out.find("\nCUDA: yes\n") != std::string::npos, cuda::kBuilt);
  }
  setenv("SR_SIMD", "mmx", 1);
  EXPECT_EQ(run_program("make_scene", {"--version"}).status, 2);
  unsetenv("SR_SIMD");
}

// A script would take what is left of it for the whole.
TEST(Version, OutputThatCannotBeWrittenIsAFailure) {
  for (const std::string asked :
       {"make_scene --version", "eval_superres_net --help", "eval_superres_net --print_man_page",
        "convert_checkpoint --info " SR_SOURCE_DIR "/pretrained/x2/ckpts/ckpt-00000000.sr"}) {
    const ProgramRun run = run_program("sh", {"-c", SR_BIN_DIR "/" + asked + " > /dev/full"});
    EXPECT_EQ(run.status, 1) << asked;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_NE(run.err.find(": error: the standard output could not be written"), std::string::npos)
        << run.err;
  }
}

// What the build makes of sources in a folder.
class Commit : public testing::Test {
 protected:
  std::string of(const std::string& root) const {
    const std::string script = std::string(SR_SOURCE_DIR) + "/cmake/commit.cmake";
    const ProgramRun run = run_program("cmake", {"-DROOT=" + root, "-DOUT=" + out_, "-P", script});
    EXPECT_EQ(run.status, 0) << run.err;
    const std::string text = text_of_file(out_);
    std::smatch commit;
    EXPECT_TRUE(std::regex_search(text, commit, std::regex("kCommit = \"(.*)\"")));
    return commit[1];
  }
  std::string git(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"-C", sources_, "-c", "user.name=n", "-c", "user.email=e"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProgramRun run = run_program("git", all);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out.substr(0, run.out.find('\n'));
  }

  TestFolder folder_;
  std::string out_ = folder_ / "commit.cpp", sources_ = folder_ / "sources";
};

TEST_F(Commit, IsUnknownWithoutARepository) {
  fs::create_directory(sources_);
  EXPECT_EQ(of(sources_), "unknown");
}

TEST_F(Commit, IsThatOfTheSourcesAndSaysIfTheyWereChanged) {
  if (run_program("git", {"--version"}).status != 0) GTEST_SKIP() << "there is no git";
  fs::create_directories(sources_ + "/part");
  git({"init", "-q"});
  EXPECT_EQ(of(sources_), "unknown");  // there is none yet
  std::ofstream(sources_ + "/file") << "1";
  git({"add", "."});
  git({"commit", "-qm", "m"});
  const std::string commit = git({"rev-parse", "--short", "HEAD"});
  EXPECT_EQ(of(sources_), commit);
  EXPECT_EQ(of(sources_ + "/part"), "unknown");  // somebody else's
  std::ofstream(sources_ + "/file") << "2";
  EXPECT_EQ(of(sources_), commit + "-dirty");
}

TEST_F(Commit, WritesTheSourceOnlyIfItChanges) {
  fs::create_directory(sources_);
  of(sources_);
  const fs::file_time_type before = fs::last_write_time(out_) - std::chrono::hours(1);
  fs::last_write_time(out_, before);
  of(sources_);
  EXPECT_EQ(fs::last_write_time(out_), before);
}

}  // namespace
}  // namespace sr

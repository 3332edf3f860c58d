// What `cmake --install` puts where, and that it works wherever it is moved to.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/output_file.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class Install : public testing::Test {
 protected:
  void SetUp() override {
    const std::string build = fs::path(SR_BIN_DIR).parent_path().string();
    const ProgramRun installed = run_program("cmake", {"--install", build, "--prefix", (folder_ / "there")});
    ASSERT_EQ(installed.status, 0) << installed.err;
    fs::rename(folder_ / "there", prefix_);
    ASSERT_EQ(run_program("make_scene",
                          {"--out", folder_ / "scene.tif", "--width", "40", "--height", "30", "--quiet"})
                  .status,
              0);
  }

  ProgramRun eval(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{
        "--data_path", folder_ / "scene.tif", "--out_path", folder_ / out, "--device", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(prefix_ + "/bin/eval_superres_net", arguments);
  }

  TestFolder folder_;
  std::string prefix_ = folder_ / "here";
};

TEST_F(Install, ProgramsAndWhatBelongsToThemLieInTheUsualPlaces) {
  setenv("SR_NCCL", "off", 1);  // a build for emulated GPUs has one of its own
  for (const std::string program :
       {"eval_superres_net", "score_superres_net", "train_superres_net", "create_training_dataset",
        "convert_checkpoint", "make_scene", "superres_merge"}) {
    EXPECT_TRUE(fs::exists(prefix_ + "/bin/" + program)) << program;
    EXPECT_GT(fs::file_size(prefix_ + "/share/man/man1/" + program + ".1"), 1000U);
    EXPECT_GT(fs::file_size(prefix_ + "/share/bash-completion/completions/" + program), 500U);
    const std::string version = run_program(prefix_ + "/bin/" + program, {"--version"}).out;
    EXPECT_EQ(version, run_program(program, {"--version"}).out)
        << "MPI's modules are found as where it was built";
  }
  unsetenv("SR_NCCL");
  for (const char* text : {"README.md", "LICENSE", "THIRD_PARTY.md", "CITATION.cff", "CHANGELOG.md"})
    EXPECT_TRUE(fs::exists(prefix_ + "/share/doc/superres/" + text)) << text;
}

TEST_F(Install, WeightsAreFoundBesideTheProgramWhereverItIsMoved) {
  for (const char* factor : {"2", "3", "4"}) {
    const ProgramRun own = eval("own", {"--upsampling_factor", factor});
    ASSERT_EQ(own.status, 0) << own.err;
    const std::string weights = prefix_ + "/share/superres/pretrained/x" + factor + "/ckpts/ckpt-00000000.sr";
    EXPECT_NE(own.out.find("weights " + weights), std::string::npos) << own.out;
    const std::string source = std::string(SR_SOURCE_DIR) + "/pretrained";
    ASSERT_EQ(eval("given", {"--upsampling_factor", factor, "--pretrained_path", source}).status, 0);
    EXPECT_EQ(read_file(folder_ / "own/scene.tif", 1 << 24), read_file(folder_ / "given/scene.tif", 1 << 24));
    fs::remove_all(folder_ / "own");
    fs::remove_all(folder_ / "given");
  }
}

TEST_F(Install, WeightsThatAreGivenWin) {
  const ProgramRun run = eval("out", {"--pretrained_path", folder_ / "none"});
  EXPECT_NE(run.status, 0);
  EXPECT_NE(run.err.find(folder_ / "none"), std::string::npos) << run.err;
}

TEST_F(Install, WithoutWeightsTheOptionIsAskedFor) {
  fs::remove_all(prefix_ + "/share");
  for (const char* program : {"eval_superres_net", "score_superres_net"}) {
    const ProgramRun run = run_program(prefix_ + "/bin/" + program, {"--data_path", folder_ / "scene.tif"});
    EXPECT_EQ(run.status, 2) << run.out;
    EXPECT_NE(run.err.find("--pretrained_path is missing, and no weights lie in " + prefix_ +
                           "/share/superres/pretrained"),
              std::string::npos)
        << run.err;
  }
}

// Checksums, that nothing is missing that a program loads, and the C library that its name promises; then its
// programs run.
TEST(Wheel, HasWhatItNeeds) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "packages are made of builds without sanitizers";
#endif
  constexpr const char* kPython = "/usr/bin/python3";
  if (run_program("dpkg-query", {"--version"}).status != 0)
    GTEST_SKIP() << "no dpkg here, which tells the licences of the libraries";
  const std::string sources = SR_SOURCE_DIR, build = fs::path(SR_BIN_DIR).parent_path().string();
  const TestFolder folder;
  const ProgramRun made = run_program(kPython, {sources + "/tools/make_wheel.py", build, folder.path()});
  ASSERT_EQ(made.status, 0) << made.err;
  const std::string wheel = made.out.substr(6, made.out.find(": ") - 6);  // "wrote WHEEL: ..."
  const ProgramRun judged =
      run_program(kPython, {sources + "/tests/tools/wheel_judge.py", wheel, folder / "unpacked"});
  EXPECT_EQ(judged.status, 0) << judged.err;
  EXPECT_EQ(judged.out, "");
  const std::string scene = folder / "scene.tif";
  const std::string bin = folder / "unpacked/superres/bin/";
  EXPECT_EQ(run_program(bin + "make_scene", {"--out", scene, "--width", "40", "--epsg", "2154"}).status, 0);
  EXPECT_EQ(
      run_program(bin + "eval_superres_net", {"--data_path", scene, "--out_path", folder / "x2"}).status, 0);
}

}  // namespace
}  // namespace sr

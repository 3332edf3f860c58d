// eval_superres_net that is told to stop: containers are killed ten seconds later.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr double kAfter = kInstrumented ? 6 : 2, kSoon = kInstrumented ? 15 : 2;  // seconds

// A run with the shipped weights that gets SIGTERM after kAfter seconds, when it must still be running.
void expect_soon_ended(const TestFolder& folder, int side, std::vector<std::string> scene,
                       std::vector<std::string> options) {
  fs::create_directory(folder / "in");
  scene.insert(scene.end(), {"--out", folder / "in/a.tif", "--width", std::to_string(side), "--height",
                             std::to_string(side), "--quiet"});
  ASSERT_EQ(run_program("make_scene", scene).status, 0);
  options.insert(options.begin(),
                 {"-s", "TERM", std::to_string(kAfter), std::string(SR_BIN_DIR) + "/eval_superres_net",
                  "--data_path", folder / "in", "--device", "cpu"});
  const ProgramRun run = run_program("timeout", options);
  EXPECT_EQ(run.status, 124) << "it must still be running: " << run.out << run.err;
  EXPECT_LT(run.seconds, kAfter + kSoon);
  EXPECT_NE(run.err.find("interrupted"), std::string::npos) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  for (const auto& entry : fs::directory_iterator(folder / "in_x2"))
    EXPECT_NE(entry.path().string().find(".tif.part"), std::string::npos) << entry.path();
}

TEST(Stop, ATileOfManySecondsEndsSoonAfterSigterm) {
  const TestFolder folder;
  expect_soon_ended(folder, kInstrumented ? 1000 : 1600, {},
                    {"--pretrained_path", std::string(SR_SOURCE_DIR) + "/pretrained", "--num_tiles_w", "1",
                     "--num_tiles_h", "1", "--threads", "1", "--precision", "fp32"});
}

TEST(Stop, WritingOfManyBlocksEndsSoonAfterSigterm) {
  const TestFolder folder;
  expect_soon_ended(folder, 2000, {"--type", "u16", "--bands", "8"},
                    {"--bicubic_only", "--num_tiles_w", "1", "--num_tiles_h", "1", "--threads", "1"});
}

}  // namespace
}  // namespace sr

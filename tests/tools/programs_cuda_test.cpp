// The programs on a GPU as a user runs them; in an emulated build the programs have an emulated one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "idn/checkpoint_files.h"
#include "io/tiff/input/reader.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"
#include "training/report/history.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class ProgramsOnGpu : public testing::Test {
 protected:
  ProgramsOnGpu() {
    set_gpus(1);
    fs::create_directory(folder_ / "in");
    write_small_model(folder_ / "weights", 2);
  }
  ~ProgramsOnGpu() override { unsetenv("SR_EMULATED_GPUS"); }

  // Of the programs in an emulated build.
  static void set_gpus(int count) { setenv("SR_EMULATED_GPUS", std::to_string(count).c_str(), 1); }

  void add_scene(const std::string& name, int width, int height) {
    const ProgramRun made =
        run_program("make_scene", {"--out", folder_ / ("in/" + name), "--width", std::to_string(width),
                                   "--height", std::to_string(height), "--type", "u16", "--quiet"});
    ASSERT_EQ(made.status, 0) << made.err;
  }
  ProgramRun eval(std::vector<std::string> more) {
    std::vector<std::string> arguments{"--data_path", folder_ / "in", "--pretrained_path",
                                       folder_ / "weights"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("eval_superres_net", arguments);
  }
  void make_data() {
    fs::create_directory(folder_ / "images");
    const ProgramRun made = run_program(
        "make_scene", {"--out", folder_ / "images/a.tif", "--width", "64", "--height", "64", "--quiet"});
    ASSERT_EQ(made.status, 0) << made.err;
    ASSERT_EQ(run_program("create_training_dataset",
                          {"--data_path", folder_ / "images", "--out_path", folder_ / "data", "--tile_size_w",
                           "32", "--tile_size_h", "32", "--quiet"})
                  .status,
              0);
  }
  ProgramRun train(const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> arguments{"--data_path",
                                       folder_ / "data",
                                       "--out_path",
                                       folder_ / out,
                                       "--batch_size",
                                       "2",
                                       "--patch_size",
                                       "8",
                                       "--num_FB_layers",
                                       "1",
                                       "--num_Dist_blocks",
                                       "0",
                                       "--num_validation_tiles",
                                       "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("train_superres_net", arguments);
  }
  // The steps of a training's history.
  std::vector<int64_t> points(const std::string& out) {
    std::vector<int64_t> steps;
    const TrainingHistory history(folder_ / (out + "/x2/history.jsonl"), 1 << 20);
    for (const HistoryPoint& p : history.points()) steps.push_back(p.step);
    return steps;
  }
  Raster result(const std::string& out) {
    TiffReader reader(folder_ / (out + "/scene.tif"));
    return reader.read({0, 0, reader.info().width, reader.info().height});
  }
  int difference(const Raster& a, const Raster& b) {
    int most = 0;
    for (int64_t i = 0; i < a.window.pixels() * a.bands; ++i)
      most = std::max(most, std::abs(int{a.data<uint16_t>()[i]} - int{b.data<uint16_t>()[i]}));
    return a.samples.size() == b.samples.size() ? most : 65535;
  }

  TestFolder folder_;
};

TEST_F(ProgramsOnGpu, ScenesAreTheProcessorsInEveryPrecision) {
  add_scene("scene.tif", 33, 20);
  ASSERT_EQ(eval({"--device", "cpu", "--out_path", folder_ / "cpu"}).status, 0);
  const Raster expected = result("cpu");
  for (const auto& [precision, most] : {std::pair("fp32", 1), {"tf32", 4}, {"bf16", 32}, {"auto", 4}}) {
    const ProgramRun run = eval(
        {"--device", "cuda", "--precision", precision, "--out_path", folder_ / "gpu", "--num_tiles_w", "2"});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find(std::string("computing in ") +
                           (precision == std::string("auto") ? "fp16" : precision) + " on cuda:0"),
              std::string::npos)
        << run.out;
    EXPECT_LE(difference(result("gpu"), expected), most) << precision;
  }
}

TEST_F(ProgramsOnGpu, AutoTakesTheGpuAndADeviceThatIsNotThereIsNamed) {
  add_scene("scene.tif", 20, 20);
  const ProgramRun run = eval({"--out_path", folder_ / "out", "--verify", "1"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("on cuda:0"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("verified"), std::string::npos) << run.out;
  const ProgramRun refused = eval({"--device", "cuda:99", "--out_path", folder_ / "out"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("cuda:99: there "), std::string::npos) << refused.err;
}

TEST_F(ProgramsOnGpu, TrainingAndScoresRunThere) {
  make_data();
  for (const char* device : {"cpu", "cuda"}) {
    const ProgramRun run = train(device, {"--device", device, "--nepochs", "2"});
    ASSERT_EQ(run.status, 0) << run.err;
  }
  EXPECT_TRUE(fs::exists(folder_ / "cuda/x2/report.html"));
  EXPECT_EQ(points("cuda"), points("cpu")) << "as many, and in their order";
  ASSERT_EQ(train("again", {"--device", "cuda", "--nepochs", "1"}).status, 0);
  ASSERT_EQ(train("again", {"--device", "cuda", "--nepochs", "2", "--restore"}).status, 0);
  EXPECT_EQ(text_of_file(find_checkpoint(folder_ / "again", 2)),
            text_of_file(find_checkpoint(folder_ / "cuda", 2)));
  const ProgramRun score =
      run_program("score_superres_net", {"--data_path", folder_ / "images", "--pretrained_path",
                                         folder_ / "cuda", "--device", "cuda", "--precision", "bf16"});
  EXPECT_EQ(score.status, 0) << score.err;
  EXPECT_NE(score.out.find("computing in bf16 on cuda:0"), std::string::npos) << score.out;
}

// best.sr cannot be written where a folder has its name.
TEST_F(ProgramsOnGpu, WhatFailsBesideTheStepsEndsTheTraining) {
  make_data();
  fs::create_directories(fs::path(folder_ / "out/x2/ckpts/best.sr/in"));
  const ProgramRun run = train("out", {"--device", "cuda", "--nepochs", "4"});
  EXPECT_EQ(run.status, 1) << run.err;
  EXPECT_NE(run.err.find("best.sr"), std::string::npos) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  EXPECT_FALSE(fs::exists(folder_ / "out/x2/report.html"));
}

#ifdef SR_CUDA_EMULATED
TEST_F(ProgramsOnGpu, TilesAreSharedOutAmongAllGpus) {
  add_scene("scene.tif", 40, 20);
  ASSERT_EQ(eval({"--device", "cuda:0", "--out_path", folder_ / "one"}).status, 0);
  set_gpus(2);
  const ProgramRun run = eval({"--device", "cuda", "--out_path", folder_ / "two", "--num_tiles_w", "3"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find(", cuda:1 ("), std::string::npos) << run.out;
  EXPECT_EQ(result("two").samples, result("one").samples);
}

TEST_F(ProgramsOnGpu, WithoutAGpuAutoComputesOnTheProcessorAndCudaIsRefused) {
  add_scene("scene.tif", 20, 20);
  set_gpus(0);
  const ProgramRun run = eval({"--out_path", folder_ / "out"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("on the cpu"), std::string::npos) << run.out;
  const ProgramRun refused = eval({"--device", "cuda", "--out_path", folder_ / "out"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("no device"), std::string::npos) << refused.err;
}

TEST_F(ProgramsOnGpu, ScoresNameTheOneGpuThatTheyTake) {
  add_scene("a.tif", 20, 20);
  set_gpus(2);
  const ProgramRun run = run_program(
      "score_superres_net",
      {"--data_path", folder_ / "in", "--pretrained_path", folder_ / "weights", "--device", "cuda"});
  EXPECT_NE(run.out.find("on cuda:0 ("), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("cuda:1"), std::string::npos) << run.out;
}
#endif

}  // namespace
}  // namespace sr

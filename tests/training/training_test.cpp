// Runs create_training_dataset and train_superres_net as a user would.
#include "training/training.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "idn/checkpoint_files.h"
#include "tensor/bands/kernels.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "training/report/history.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

// A data set of an invented scene: 24 tiles of 48 x 48 for training, some for validation.
class TrainProgram : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "scenes");
    ASSERT_EQ(run_program("make_scene", {"--quiet", "--out", folder_ / "scenes/a.tif", "--width", "240",
                                         "--height", "240", "--seed", "3"})
                  .status,
              0);
    make_data("data", "2");
  }

  void make_data(const std::string& name, const std::string& factor,
                 std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--quiet", "--data_path", folder_ / "scenes", "--out_path", folder_ / name,
                             "--upsampling_factor", factor, "--tile_size_w", "48", "--tile_size_h", "48"});
    const ProgramRun made = run_program("create_training_dataset", more);
    ASSERT_EQ(made.status, 0) << made.err;
  }

  // The options of a quick training into `out`.
  std::vector<std::string> options(const std::string& out, std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--data_path",
                                 folder_ / "data",
                                 "--out_path",
                                 folder_ / out,
                                 "--num_Dist_blocks",
                                 "0",
                                 "--batch_size",
                                 "4",
                                 "--patch_size",
                                 "12",
                                 "--ema_decay",
                                 "0.9",
                                 "--num_validation_tiles",
                                 "2"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProgramRun train_into(const std::string& out, std::vector<std::string> more = {}) const {
    return run_program("train_superres_net", options(out, std::move(more)));
  }

  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_ / folder)) all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }
  static int64_t validated(const TrainingHistory& history) {
    return std::ranges::count_if(history.points(), [](const HistoryPoint& p) { return p.psnr.has_value(); });
  }
  std::string newest(const std::string& out) const { return find_checkpoint(folder_ / out, 2); }

  void expect_error(const ProgramRun& run, int status, const std::string& text) const {
    EXPECT_EQ(run.status, status) << run.err;
    EXPECT_NE(run.err.find(text), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }

  TestFolder folder_;
};

TEST_F(TrainProgram, TrainsSavesLogsAndReports) {
  const ProgramRun run = train_into(
      "run", {"--nepochs", "7", "--num_img_viz", "1", "--tile_size_w", "49", "--tile_size_h", "48"});
  ASSERT_EQ(run.status, 0) << run.err;
  const std::vector<std::string> checkpoints = names("run/x2/ckpts");
  EXPECT_EQ(checkpoints.size(), 1 + 5 + 1u) << "the initial one, the five newest, the best";
  EXPECT_EQ(checkpoints[0], "best.sr");
  EXPECT_EQ(checkpoints[1], "ckpt-00000000.sr");
  const TrainingHistory history(folder_ / "run/x2/history.jsonl", 1 << 20);
  EXPECT_EQ(validated(history), 7);
  EXPECT_LT(history.points().back().train_loss, history.points().front().train_loss);
  EXPECT_TRUE(history.points().back().psnr);
  EXPECT_EQ(names("run/x2/Log").size(), 1u);
  EXPECT_NE(text_of_file(folder_ / "run/x2/report.html").find("--learning_rate"), std::string::npos);
  EXPECT_EQ(Model::load(newest("run"), 2).nchan(), 1);
}

TEST_F(TrainProgram, SevenEpochsAreThreeARestoreAndFourMoreForAnyNumberOfThreads) {
  ASSERT_EQ(train_into("straight", {"--nepochs", "7", "--threads", "1"}).status, 0);
  ASSERT_EQ(train_into("broken", {"--nepochs", "3", "--threads", "2"}).status, 0);
  ASSERT_EQ(train_into("broken", {"--nepochs", "7", "--threads", "4", "--restore"}).status, 0);
  EXPECT_EQ(fs::path(newest("broken")).filename(), fs::path(newest("straight")).filename());
  EXPECT_EQ(text_of_file(newest("broken")), text_of_file(newest("straight")));
  EXPECT_EQ(text_of_file(folder_ / "broken/x2/ckpts/best.sr"),
            text_of_file(folder_ / "straight/x2/ckpts/best.sr"));
  EXPECT_EQ(validated(TrainingHistory(folder_ / "broken/x2/history.jsonl", 1 << 20)), 7);
}

TEST_F(TrainProgram, AnotherSeedGivesOtherWeights) {
  ASSERT_EQ(train_into("one", {"--nepochs", "1"}).status, 0);
  ASSERT_EQ(train_into("two", {"--nepochs", "1", "--seed", "2"}).status, 0);
  EXPECT_NE(text_of_file(newest("one")), text_of_file(newest("two")));
}

// Sends a training the signal once it has written a checkpoint after the initial one.
ProgramRun end_by_signal(std::vector<std::string> arguments, const std::string& ckpts, int signal) {
  const auto saved = [&] {
    std::error_code none;
    const auto files = fs::directory_iterator(ckpts, none);
    return !none && std::distance(fs::begin(files), fs::end(files)) >= 4;
  };
  return run_program_until(saved, signal, "train_superres_net", std::move(arguments), 120);
}

// Epochs of a training that is still under way when it is stopped after its first.
constexpr const char* kLong = kInstrumented ? "6" : "20";

TEST_F(TrainProgram, CtrlCSavesAndARestoredRunEndsAsOneThatWasNotStopped) {
  const std::vector<std::string> epochs{"--nepochs", kLong, "--quiet"};
  EXPECT_EQ(end_by_signal(options("stopped", epochs), folder_ / "stopped/x2/ckpts", SIGINT).status, 0);
  EXPECT_NE(text_of_file(folder_ / "stopped/x2/report.html").find("stopped"), std::string::npos);
  ASSERT_EQ(train_into("stopped", {"--nepochs", kLong, "--restore"}).status, 0);
  ASSERT_EQ(train_into("straight", epochs).status, 0);
  EXPECT_EQ(text_of_file(newest("stopped")), text_of_file(newest("straight")));
}

TEST_F(TrainProgram, AKilledRunGoesOnFromItsLastCheckpoint) {
  const std::vector<std::string> epochs{"--nepochs", kLong, "--quiet"};
  ASSERT_EQ(end_by_signal(options("killed", epochs), folder_ / "killed/x2/ckpts", SIGKILL).signal, SIGKILL);
  EXPECT_FALSE(fs::exists(folder_ / "killed/x2/report.html")) << "it was killed before its end";
  ASSERT_EQ(train_into("killed", {"--nepochs", kLong, "--restore"}).status, 0);
  ASSERT_EQ(train_into("straight", epochs).status, 0);
  EXPECT_EQ(text_of_file(newest("killed")), text_of_file(newest("straight")));
}

TEST_F(TrainProgram, ALossThatIsNoNumberStopsItAndKeepsTheLastCheckpoint) {
  const ProgramRun run = train_into("run", {"--nepochs", "50", "--learning_rate", "1e30"});
  EXPECT_EQ(run.status, 1) << run.err;
  EXPECT_NE(run.err.find("the loss is"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("--learning_rate"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find(newest("run")), std::string::npos) << run.err;
  EXPECT_NO_THROW(Model::load(newest("run"), 2));
}

TEST_F(TrainProgram, AnOutputFolderWithATrainingIsNotOverwritten) {
  ASSERT_EQ(train_into("run", {"--nepochs", "1"}).status, 0);
  const std::string before = text_of_file(newest("run"));
  expect_error(train_into("run", {"--nepochs", "2"}), 2, "--restore");
  EXPECT_EQ(text_of_file(newest("run")), before);
}

TEST_F(TrainProgram, OptionsThatContradictTheDataAreRefusedWithTheReason) {
  expect_error(train_into("run", {"--upsampling_factor", "3"}), 1, "x3");
  expect_error(train_into("run", {"--tile_size_w", "40", "--tile_size_h", "48"}), 2,
               "--tile_size_w 48, not 40");
  expect_error(train_into("run", {"--tile_size_h", "400"}), 2, "--tile_size_h 48, not 400");
  expect_error(train_into("run", {"--patch_size", "30"}), 2, "patch_size");
  expect_error(train_into("run", {"--restore"}), 1, "run/x2/ckpts");
  expect_error(train_into("run", {"--loss", "l3"}), 2, "--loss");
  expect_error(train_into("run", {"--lr_step_factor", "-1"}), 2, "--lr_step_factor");
  expect_error(train_into("run", {"--start_from", folder_ / "nowhere"}), 1, "nowhere");
  EXPECT_FALSE(fs::exists(folder_ / "run/x2/report.html"));
}

TEST_F(TrainProgram, ARestoredNetworkIsTheCheckpointsAndAnotherIsRefused) {
  ASSERT_EQ(train_into("run", {"--nepochs", "1", "--num_FB_layers", "1"}).status, 0);
  const auto refused = [&](const char* option, const char* value, const std::string& text) {
    expect_error(train_into("run", {"--nepochs", "2", "--restore", option, value}), 2, text);
  };
  refused("--num_FB_layers", "2", "trained with --num_FB_layers 1, not with --num_FB_layers 2");
  refused("--compression_activation", "0",
          "trained with --compression_activation 1, not with --compression_activation 0");
  const ProgramRun run = train_into("run", {"--nepochs", "2", "--restore", "--compression_activation", "1"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(Model::load(newest("run"), 2).options().num_FB_layers, 1);
  EXPECT_NE(text_of_file(folder_ / "run/x2/report.html").find("--num_FB_layers</th><td>1<"),
            std::string::npos);
}

TEST_F(TrainProgram, SpanIsTrainedRestoredAndUsed) {
  const auto train_span = [&](std::vector<std::string> more) {
    std::vector<std::string> all = options("run", std::move(more));
    all.erase(all.begin() + 4, all.begin() + 6);  // --num_Dist_blocks
    return run_program("train_superres_net", all);
  };
  expect_error(train_into("run", {"--network", "span"}), 2,
               "--num_Dist_blocks is no option of --network span");
  expect_error(train_span({"--blocks", "1"}), 2, "--blocks is no option of --network idn");
  expect_error(train_span({"--network", "rcan"}), 2, "--network");
  ASSERT_EQ(train_span({"--nepochs", "1", "--network", "span", "--channels", "16", "--blocks", "1"}).status,
            0);
  expect_error(train_span({"--nepochs", "2", "--restore", "--network", "idn"}), 2,
               "trained with --network span, not with --network idn");
  expect_error(train_span({"--nepochs", "2", "--restore", "--blocks", "3"}), 2,
               "trained with --blocks 1, not with --blocks 3");
  const ProgramRun run = train_span({"--nepochs", "2", "--restore"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(Model::load(newest("run")).options().span, (SpanOptions{16, 1, true}));
  EXPECT_NE(text_of_file(folder_ / "run/x2/report.html").find("--network</th><td>span<"), std::string::npos);
  const ProgramRun other = train_into("idn", {"--nepochs", "1", "--start_from", folder_ / "run"});
  EXPECT_NE(other.out.find("(x2, span; this network is idn)"), std::string::npos) << other.out << other.err;
  Model more({.factor = 2, .span = SpanOptions{.channels = 16, .blocks = 1, .joined = 32}});
  fs::create_directories(folder_ / "more/x2/ckpts");
  more.save(folder_ / "more/x2/ckpts/ckpt-00000000.sr");
  std::vector<std::string> from_more =
      options("next", {"--nepochs", "1", "--network", "span", "--channels", "16", "--blocks", "1",
                       "--branches", "0", "--start_from", folder_ / "more"});
  from_more.erase(from_more.begin() + 4, from_more.begin() + 6);
  const ProgramRun next = run_program("train_superres_net", from_more);
  EXPECT_NE(next.out.find("starting from 14 of 14 parameters"), std::string::npos) << next.out << next.err;
  fs::create_directory(folder_ / "small");
  ASSERT_EQ(run_program("make_scene", {"--quiet", "--out", folder_ / "small/b.tif", "--width", "40",
                                       "--height", "30", "--seed", "4"})
                .status,
            0);
  const ProgramRun used =
      run_program("eval_superres_net", {"--quiet", "--data_path", folder_ / "small", "--out_path",
                                        folder_ / "large", "--pretrained_path", folder_ / "run"});
  EXPECT_EQ(used.status, 0) << used.err;
}

TEST_F(TrainProgram, ANetworkWithoutABaseTrainsRepeatsGoesOnAndStartsOthersOfItsKind) {
  const auto train_none = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.end(), {"--learning_rate", "1e-3"});
    return train_into(out, more);
  };
  ASSERT_EQ(train_none("straight", {"--nepochs", "6", "--base", "none", "--threads", "1"}).status, 0);
  ASSERT_EQ(train_none("broken", {"--nepochs", "2", "--base", "none", "--threads", "2"}).status, 0);
  expect_error(train_none("broken", {"--nepochs", "6", "--restore", "--base", "bicubic"}), 2,
               "trained with --base none, not with --base bicubic");
  ASSERT_EQ(train_none("broken", {"--nepochs", "6", "--restore"}).status, 0);
  EXPECT_EQ(text_of_file(newest("broken")), text_of_file(newest("straight")));
  EXPECT_EQ(Model::load(newest("straight")).options().base, Base::none);
  const TrainingHistory history(folder_ / "straight/x2/history.jsonl", 1 << 20);
  EXPECT_LT(history.points().back().validation_loss, 0.6 * history.points().front().validation_loss.value());
  EXPECT_NEAR(history.points().back().validation_loss.value(), history.points().back().train_loss,
              0.5 * history.points().back().train_loss);  // which see the same result
  expect_error(train_none("next", {"--nepochs", "1", "--start_from", folder_ / "straight"}), 2,
               "the base of its network is none; start from it with --base none");
  // The result is as bright as the means make it that the weights were trained with.
  Model start = Model::load(newest("straight"));
  start.means.gt[0] += 0.125;
  fs::create_directories(folder_ / "start/x2/ckpts");
  start.save(folder_ / "start/x2/ckpts/ckpt-00000000.sr");
  const ProgramRun next =
      train_none("next", {"--nepochs", "1", "--base", "none", "--start_from", folder_ / "start"});
  ASSERT_EQ(next.status, 0) << next.err;
  EXPECT_EQ(Model::load(newest("next")).means, start.means);
}

TEST_F(TrainProgram, ARestoredTrainingHasItsSizesOfBatchesAndPatchesAndOthersAreRefused) {
  ASSERT_EQ(train_into("run", {"--nepochs", "1"}).status, 0);
  const auto refused = [&](const std::string& option, const char* value, const std::string& text) {
    std::vector<std::string> other = options("run", {"--nepochs", "2", "--restore"});
    *(std::ranges::find(other, option) + 1) = value;
    expect_error(run_program("train_superres_net", other), 2, text);
  };
  refused("--batch_size", "8", "trained with --batch_size 4, not with --batch_size 8");
  refused("--patch_size", "8", "trained with --patch_size 12, not with --patch_size 8");
  ASSERT_EQ(train_into("straight", {"--nepochs", "2"}).status, 0);
  const ProgramRun bare = run_program(
      "train_superres_net", {"--data_path", folder_ / "data", "--out_path", folder_ / "run", "--nepochs", "2",
                             "--ema_decay", "0.9", "--num_validation_tiles", "2", "--restore"});
  ASSERT_EQ(bare.status, 0) << bare.err;
  EXPECT_EQ(text_of_file(newest("run")), text_of_file(newest("straight")));
}

TEST_F(TrainProgram, ARestoredTrainingThatIsOverSaysWhichOptionGoesOn) {
  ASSERT_EQ(train_into("run", {"--nepochs", "2"}).status, 0);
  const std::string before = newest("run"), history = text_of_file(folder_ / "run/x2/history.jsonl"),
                    report = text_of_file(folder_ / "run/x2/report.html");
  const ProgramRun run = train_into("run", {"--nepochs", "2", "--restore"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("nothing left to do: "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("use a larger --nepochs"), std::string::npos) << run.out;
  const ProgramRun late = train_into("run", {"--nepochs", "9", "--restore", "--max_seconds", "0.000001"});
  EXPECT_NE(late.out.find("use a larger --max_seconds"), std::string::npos) << late.out;
  EXPECT_EQ(newest("run"), before);
  EXPECT_EQ(text_of_file(folder_ / "run/x2/history.jsonl"), history);
  EXPECT_EQ(text_of_file(folder_ / "run/x2/report.html"), report);
}

// As where the program ends between the two, or the disk is full for the second.
TEST_F(TrainProgram, NoCheckpointTellsOfABestNetworkThatIsNotThere) {
  const std::string best = folder_ / "run/x2/ckpts/best.sr";
  fs::create_directories(best + "/in the way");
  EXPECT_EQ(train_into("run", {"--nepochs", "1"}).status, 1);
  EXPECT_EQ(fs::path(newest("run")).filename(), "ckpt-00000000.sr");
  fs::remove_all(best);
  ASSERT_EQ(train_into("run", {"--nepochs", "1", "--restore"}).status, 0);
  EXPECT_TRUE(fs::is_regular_file(best));
}

// Steps that change nothing: a network that is judged as before is no better.
TEST_F(TrainProgram, ABestNetworkIsOneOfTheOutputFolderJudgedOnTheSameTiles) {
  const auto is_best = [&](const char* out, const char* epochs, const char* tiles, bool restored = true) {
    std::vector<std::string> all = options(out, {"--nepochs", epochs, "--learning_rate", "1e-300"});
    *(std::ranges::find(all, "--num_validation_tiles") + 1) = tiles;
    *(std::ranges::find(all, "--ema_decay") + 1) = "0";
    if (restored) all.insert(all.end(), {"--restore", "--pretrained_path", folder_ / "run"});
    const ProgramRun run = run_program("train_superres_net", all);
    EXPECT_EQ(run.status, 0) << run.err;
    return run.out.find("best so far") != std::string::npos;
  };
  EXPECT_TRUE(is_best("run", "1", "2", false));
  EXPECT_FALSE(is_best("run", "2", "2"));
  EXPECT_TRUE(is_best("run", "3", "1")) << "on other tiles";
  EXPECT_TRUE(is_best("other", "4", "1")) << "in another folder";
  EXPECT_TRUE(fs::exists(folder_ / "other/x2/ckpts/best.sr"));
}

TEST_F(TrainProgram, TilesThatAreTooSmallForSsimAreNotJudged) {
  const auto make = [&](const char* name, const char* side) {
    ASSERT_EQ(run_program("create_training_dataset",
                          {"--quiet", "--no_shuffle", "--data_path", folder_ / "scenes", "--out_path",
                           folder_ / name, "--tile_size_w", side, "--tile_size_h", side})
                  .status,
              0);
  };
  const auto train = [&](const char* data) {
    return run_program("train_superres_net",
                       {"--data_path", folder_ / data, "--out_path", folder_ / "run", "--num_Dist_blocks",
                        "0", "--batch_size", "4", "--patch_size", "4", "--nepochs", "1"});
  };
  make("tiny", "14");
  expect_error(train("tiny"), 2, "tiny: none of its tiles for validation has 15 x 15 pixels");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  // An image that is smaller than a tile is taken as a whole.
  ASSERT_EQ(run_program("make_scene",
                        {"--quiet", "--out", folder_ / "scenes/z.tif", "--width", "20", "--height", "12"})
                .status,
            0);
  make("mixed", "48");
  const ProgramRun run = train("mixed");
  EXPECT_EQ(run.status, 0) << run.err;
}

TEST_F(TrainProgram, InBfloat16ThreadsAndARestoreChangeNothingAndThePrecisionIsTold) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  const auto train = [&](const char* out, const char* epochs, const char* threads, bool restore = false) {
    std::vector<std::string> more{"--device",  "cpu",  "--precision", "bf16",
                                  "--nepochs", epochs, "--threads",   threads};
    if (restore) more.push_back("--restore");
    return train_into(out, more);
  };
  const ProgramRun straight = train("straight", "3", "1");
  ASSERT_EQ(straight.status, 0) << straight.err;
  EXPECT_NE(straight.out.find("computing in bf16 on the cpu"), std::string::npos) << straight.out;
  ASSERT_EQ(train("broken", "1", "2").status, 0);
  ASSERT_EQ(train("broken", "3", "4", true).status, 0);
  EXPECT_EQ(text_of_file(newest("broken")), text_of_file(newest("straight")));
  EXPECT_NE(text_of_file(folder_ / "straight/x2/report.html").find("bf16"), std::string::npos);
}

TEST_F(TrainProgram, PrecisionsThatTheProcessorDoesNotHaveAreRefused) {
  expect_error(train_into("run", {"--device", "cpu", "--precision", "fp16"}), 2, "--precision fp16");
  const char* before = std::getenv("SR_SIMD");
  const std::string kept = before ? before : "";
  setenv("SR_SIMD", "baseline", 1);
  expect_error(train_into("run", {"--device", "cpu", "--precision", "bf16"}), 2, "AMX");
  before ? setenv("SR_SIMD", kept.c_str(), 1) : unsetenv("SR_SIMD");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(TrainProgram, OptionsThatContradictEachOtherAreRefused) {
  const ProgramRun negative = train_into("run", {"--spectral_angle", "-1"});
  EXPECT_NE(negative.err.find("--spectral_angle: -1 is no number of at least 0;"), std::string::npos);
  expect_error(train_into("run", {"--nepochs", "0"}), 2, "--nepochs: 0 is no number of more than 0");
  const ProgramRun run = train_into("run", {"--pretrained_path", folder_ / "other"});
  expect_error(run, 2, "--restore");
  expect_error(run, 2, "--start_from");
  expect_error(train_into("run", {"--loss", "l2", "--ssim_loss"}), 2, "--ssim_loss");
  expect_error(train_into("run", {"--start_from", folder_ / "other", "--restore"}), 2, "--restore");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(TrainProgram, JointNetworksTellTheSpectralAngleAndOnlyTheyTrainOnIt) {
  make_data("joint", "2", {"--colour_mode", "joint"});
  std::vector<std::string> joint = options("run", {"--nepochs", "1", "--spectral_angle", "0.1"});
  joint[1] = folder_ / "joint";
  const ProgramRun run = run_program("train_superres_net", joint);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("spectral angle "), std::string::npos) << run.out;
  const TrainingHistory history(folder_ / "run/x2/history.jsonl", 1 << 20);
  ASSERT_TRUE(history.points().back().spectral_angle && history.points().back().bicubic_spectral_angle);
  EXPECT_GT(*history.points().back().bicubic_spectral_angle, 0);
  expect_error(train_into("one", {"--spectral_angle", "0.1"}), 2, "--colour_mode joint");
  ASSERT_EQ(train_into("one", {"--nepochs", "1"}).status, 0);
  EXPECT_FALSE(TrainingHistory(folder_ / "one/x2/history.jsonl", 1 << 20).points().back().spectral_angle);
}

TEST_F(TrainProgram, ANetworkOfOtherDataIsNotRestored) {
  make_data("joint", "2", {"--colour_mode", "joint"});
  ASSERT_EQ(train_into("run", {"--nepochs", "1"}).status, 0);
  std::vector<std::string> other = options("run", {"--restore"});
  other[1] = folder_ / "joint";
  expect_error(run_program("train_superres_net", other), 2, "channels");
}

TEST_F(TrainProgram, ANewTrainingStartsFromAnotherFactorsWeights) {
  ASSERT_EQ(train_into("two", {"--nepochs", "1"}).status, 0);
  make_data("data", "3");
  const ProgramRun run =
      train_into("three", {"--upsampling_factor", "3", "--nepochs", "1", "--start_from", folder_ / "two"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("starting from 4 of 6 parameters"), std::string::npos) << run.out;
}

TEST_F(TrainProgram, TimeEndsItWhenAskedTo) {
  const ProgramRun run = train_into("run", {"--nepochs", "100000", "--max_seconds", "4", "--learning_rate",
                                            "1e-3", "--lr_schedule", "cosine"});
  ASSERT_EQ(run.status, 0) << run.err;
  const TrainingHistory history(folder_ / "run/x2/history.jsonl", 1 << 20);
  // Before the last step about a second was left at most, even where others use the machine.
  EXPECT_LT(history.points().back().learning_rate, 2e-4) << "the cosine has come to its end";
  EXPECT_LT(history.points().back().seconds, 60);
}

}  // namespace
}  // namespace sr

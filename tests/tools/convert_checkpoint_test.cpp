// Runs the program convert_checkpoint.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "idn/checkpoint_files.h"
#include "io/output_file.h"
#include "tests/support/caffe_file.h"
#include "tests/support/shared_data.h"
#include "training/trainer.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int status = -1;
  std::string out, err;
};

class ConvertCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tools_convert_checkpoint_test-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    target_ = (folder_ / "weights").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  Outcome run(const std::string& arguments) const {
    const std::string out = (folder_ / "out").string(), err = (folder_ / "err").string();
    const int code =
        std::system((SR_BIN_DIR "/convert_checkpoint " + arguments + " >" + out + " 2>" + err).c_str());
    return {WIFEXITED(code) ? WEXITSTATUS(code) : -1, read_file(out, 1 << 20), read_file(err, 1 << 20)};
  }

  // A file with the authors' network; returns its path.
  std::string caffemodel(uint64_t factor) const {
    const std::string path = (folder_ / "net.caffemodel").string();
    std::ofstream(path, std::ios::binary) << caffemodel_of(idn_layers(factor));
    return path;
  }

  // One line on the error stream with this text, this status, and nothing written to the target.
  void expect_error(const std::string& arguments, int status, const std::string& text) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, status) << arguments << "\n" << outcome.err;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(fs::exists(target_)) << arguments;
  }

  fs::path folder_;
  std::string target_;
};

TEST_F(ConvertCheckpoint, WrongUsageIsStatus2) {
  expect_error("", 2, "--from and --to");
  expect_error("--from a", 2, "--to");
  expect_error("--to " + target_, 2, "--from");
  expect_error("--info a --from b --to " + target_, 2, "--info");
  expect_error("--from a --to " + target_ + " --upsampling_factor 5", 2, "--upsampling_factor");
  expect_error("--from a --to " + target_ + " --frobnicate", 2, "frobnicate");
  expect_error("--to_onnx " + target_, 2, "--from");
  expect_error("--to_safetensors " + target_, 2, "--from");
  expect_error("--from a --with_bicubic --to " + target_, 2, "--to_onnx");
  expect_error("--from a --to_onnx " + target_ + " --with_bicubic --bands B8", 2, "--value_range");
  EXPECT_EQ(run("--help").status, 0);
  EXPECT_EQ(run("--version").status, 0);
}

TEST_F(ConvertCheckpoint, MissingAndForeignFilesAreStatus1) {
  const std::string text = (folder_ / "text").string(), missing = (folder_ / "missing").string();
  std::ofstream(text) << "no weights in here\n";
  expect_error("--from " + missing + " --to " + target_, 1, missing);
  expect_error("--from " + text + " --to " + target_, 1, text);
  expect_error("--from " + folder_.string() + " --to " + target_, 1, folder_.string());
  expect_error("--info " + missing, 1, missing);
  expect_error("--info " + text, 1, "not a checkpoint");
  expect_error("--info " + folder_.string(), 1, folder_.string());
}

TEST_F(ConvertCheckpoint, InfoTellsWhatACheckpointHolds) {
  NetworkOptions options;
  options.factor = 4;
  options.nchan = 3;
  options.num_FB_layers = 1;
  options.num_Dist_blocks = 1;
  options.compression_activation = false;
  options.crop_begin = 5;
  Model model(options);
  model.ranges = {{100, 4095}};
  model.means = {{0.25, 0.5, 0.75}, {0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}};
  model.origin = "a test";
  const std::string path = (folder_ / "net.sr").string();
  model.save(path);
  const Outcome outcome = run("--info " + path);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const std::string& line :
       {std::string("origin                  a test\n"), std::string("upsampling_factor       4\n"),
        std::string("network                 idn\n"), std::string("nchan                   3\n"),
        std::string("num_FB_layers           1\n"), std::string("num_Dist_blocks         1\n"),
        std::string("compression_activation  none\n"),
        std::string("base                    bicubic: what the network gives is added to that enlargement\n"),
        std::string("crop                    5 taps at the beginning, 8 at the end\n"),
        std::string("luma                    BT.601, full range\n"),
        std::string("value range             100..4095\n"),
        std::string("gt 0.25, 0.5, 0.75; down 0.1, 0.2, 0.3; bic_up 0.4, 0.5, 0.6\n"),
        "parameters              " + std::to_string(model.params->count()) + " in 18 tensors\n",
        std::string("upsample.weight          [64, 17, 17, 3] "),
        std::string("upsample.bias            [1, 1, 1, 3]                  0            0            0\n")})
    EXPECT_NE(outcome.out.find(line), std::string::npos) << line << "is missing in\n" << outcome.out;
  const std::string layers = run("--info " + path + " --layers").out;
  EXPECT_NE(layers.find("together"), std::string::npos) << layers;
  EXPECT_NE(layers.find(std::to_string(model.params->count())), std::string::npos) << layers;
  EXPECT_EQ(layers.find("upsample.bias"), std::string::npos) << layers;
  expect_error("--layers", 2, "--info");
  fs::resize_file(path, fs::file_size(path) - 1);
  expect_error("--info " + path, 1, "truncated");
}

TEST_F(ConvertCheckpoint, WeightsAreNotReplacedByWhatIsMadeOfThem) {
  Model model(NetworkOptions{.num_FB_layers = 1, .num_Dist_blocks = 0});
  const std::string path = (folder_ / "net.sr").string(), one = (folder_ / "one").string();
  model.save(path);
  const std::string before = checksum_of_file(path);
  expect_error("--from " + path + " --to_onnx " + path, 2, "would replace");
  expect_error("--from " + path + " --to_safetensors " + path, 2, "would replace");
  expect_error("--from " + path + " --to_onnx " + one + " --to_safetensors " + one, 2, "both name");
  EXPECT_EQ(checksum_of_file(path), before);
  EXPECT_FALSE(fs::exists(one));
}

TEST_F(ConvertCheckpoint, ImportIsFoundAndLoaded) {
  const std::string weights = caffemodel(3);
  const Outcome outcome = run("--from " + weights + " --to " + target_ + " --upsampling_factor 3");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Model model = Model::load(find_checkpoint(target_, 3));
  EXPECT_EQ(model.factor(), 3);
  EXPECT_EQ(model.luma, LumaConvention::studio);
  EXPECT_EQ(model.params->list()[0].var.value().data()[1], caffe_value(0, 1));
  EXPECT_EQ(load_mean_values(target_ + "/x3/mean_values.json", 1), (MeanValues{{0}, {0}, {0}}));
  EXPECT_EQ(run("--from " + weights + " --to " + target_ + " --upsampling_factor 3").status, 0)
      << "once more";
}

TEST_F(ConvertCheckpoint, ATrainingsCheckpointIsCopiedWithoutWhatOnlyTheTrainingNeeds) {
  NetworkOptions options;
  options.num_FB_layers = 1;
  options.num_Dist_blocks = 0;
  const Trainer trainer(Model(options, 3), {.ema_decay = 0.9});
  const std::string path = (folder_ / "c.sr").string();
  trainer.save(path, "{}");
  expect_error("--from " + path + " --to " + target_ + " --upsampling_factor 3", 1,
               "--upsampling_factor is 3");
  const Outcome outcome = run("--from " + path + " --to " + target_);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Checkpoint small = load_checkpoint(find_checkpoint(target_, 2));
  EXPECT_EQ(small.tensors.size(), trainer.model().params->list().size());
  EXPECT_EQ(small.meta.find("training\""), std::string::npos) << small.meta;
  for (size_t i = 0; i < small.tensors.size(); ++i)
    EXPECT_EQ(small.tensors[i].second.to_vector(), trainer.model().params->list()[i].var.value().to_vector());
}

TEST_F(ConvertCheckpoint, WeightsLeaveAndEnterInOtherFormatsToTheBit) {
  const auto in_folder = [&](const std::string& name) { return (folder_ / name).string(); };
  const std::string sr = in_folder("n.sr"), onnx = in_folder("x.onnx"),
                    safetensors = in_folder("x.safetensors");
  NetworkOptions options;
  options.factor = 3, options.nchan = 2, options.num_Dist_blocks = 1;
  Model model(options, 3);
  model.origin = "a test";
  model.save(sr);
  ASSERT_EQ(run("--from " + sr + " --to_onnx " + onnx + " --to_safetensors " + safetensors +
                " --with_bicubic --value_range 0,10000 --tile 64 --bands B2,B8")
                .status,
            0);
  const std::string yaml = read_file(in_folder("x.yaml"), 1 << 20);
  EXPECT_TRUE(yaml.starts_with("bands:\n- B2\n- B8\nfactor: 3.0\nmargin: ")) << yaml;
  for (const std::string& from : {onnx, safetensors}) {
    const Outcome outcome = run("--from " + from + " --to " + target_);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find(from + ": idn, a test\n"), 0u) << outcome.out;
    EXPECT_EQ(read_file(find_checkpoint(target_, 3), 1 << 24), read_file(sr, 1 << 24)) << from;
    fs::remove_all(target_);
    expect_error("--from " + from + " --to " + target_ + " --upsampling_factor 2", 1,
                 "--upsampling_factor is 2");
    fs::resize_file(from, fs::file_size(from) - 1);
    expect_error("--from " + from + " --to " + target_, 1, from);
  }
  expect_error("--from " + sr + " --to_onnx " + target_ + " --value_range 1,0", 2, "--value_range");
  expect_error("--from " + sr + " --to_onnx " + target_ + " --value_range 0,1 --with_bicubic --bands B2", 2,
               "1 names of bands");
}

TEST_F(ConvertCheckpoint, ATrainingsBranchesBecomeConvolutions) {
  const Trainer trainer(Model({.span = SpanOptions{.channels = 16, .blocks = 1, .branches = true}}, 3),
                        {.ema_decay = 0.9});
  const std::string path = (folder_ / "c.sr").string();
  trainer.save(path, "{}");
  const auto expect_lines = [&](const std::string& checkpoint, const std::vector<std::string>& lines) {
    const Outcome outcome = run("--info " + checkpoint);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    for (const std::string& line : lines)
      EXPECT_NE(outcome.out.find(line), std::string::npos) << line << "is missing in\n" << outcome.out;
  };
  expect_lines(
      path, {"network                 span\n", "channels                16\n", "blocks                  1\n",
             "branches                yes, as it is trained\n", "blocks.0.conv3.middle    [32, 3, 3, 32] "});
  const Outcome layers = run("--info " + path + " --layers");
  EXPECT_NE(layers.out.find("blocks.0.conv3                   3x3, 16 to 16, gate"), std::string::npos)
      << layers.out;
  ASSERT_EQ(run("--from " + path + " --to " + target_).status, 0);
  expect_lines(find_checkpoint(target_, 2),
               {"branches                no\n", "blocks.0.conv3.weight    [16, 3, 3, 16] "});
}

TEST_F(ConvertCheckpoint, WrongFactorAndDamagedFileAreStatus1) {
  const std::string weights = caffemodel(3);
  expect_error("--from " + weights + " --to " + target_ + " --upsampling_factor 2", 1,
               "give --upsampling_factor 3");
  fs::resize_file(weights, fs::file_size(weights) / 2);
  expect_error("--from " + weights + " --to " + target_ + " --upsampling_factor 3", 1, weights);
}

TEST_F(ConvertCheckpoint, ImportsTheAuthorsWeights) {
  for (const int factor : {2, 3, 4}) {
    const std::string x = std::to_string(factor);
    const std::string weights = shared_data("reference/idn_caffe/IDN_x" + x + ".caffemodel");
    if (weights.empty()) GTEST_SKIP() << "the authors' weights are not on this machine";
    ASSERT_EQ(run("--from " + weights + " --to " + target_ + " --upsampling_factor " + x).status, 0);
    const Outcome outcome = run("--info " + find_checkpoint(target_, factor));
    EXPECT_NE(outcome.out.find("552769 in 62 tensors"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("imported from IDN_x" + x + ".caffemodel"), std::string::npos);
  }
}

TEST_F(ConvertCheckpoint, WithoutACheckpointThereAreNoMeans) {
  const fs::path folder = folder_ / "in_the_way/x2", checkpoint = folder / "ckpts/ckpt-00000000.sr";
  fs::create_directories(checkpoint / "a folder");
  expect_error("--from " + caffemodel(2) + " --to " + folder.parent_path().string(), 1, checkpoint.string());
  EXPECT_FALSE(fs::exists(folder / "mean_values.json"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "ckpts"), {}), 1) << "nothing half-written";
}

TEST_F(ConvertCheckpoint, AFullDiskGetsNoFiles) {
  const std::string weights = caffemodel(2);
  fs::create_directory(target_);
  if (mount("none", target_.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a small file system can only be mounted by root";
  const Outcome outcome = run("--from " + weights + " --to " + target_);
  std::vector<fs::path> left;
  for (const auto& entry : fs::recursive_directory_iterator(target_))
    if (!entry.is_directory()) left.push_back(entry.path());
  umount(target_.c_str());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("disk is full"), std::string::npos) << outcome.err;
  EXPECT_TRUE(left.empty()) << left[0];
}

TEST_F(ConvertCheckpoint, TargetThatCannotBeUsedIsStatus1) {
  const std::string weights = caffemodel(2);
  const std::string file = (folder_ / "a_file").string();
  std::ofstream(file) << "x";
  expect_error("--from " + weights + " --to " + file, 1, file);
  expect_error("--from " + weights + " --to /proc/none", 1, "/proc/none");
  // Training's own checkpoints would win over the imported one.
  const fs::path ckpts = folder_ / "trained" / "x2" / "ckpts";
  fs::create_directories(ckpts);
  std::ofstream(ckpts / "ckpt-00000100.sr") << "x";
  expect_error("--from " + weights + " --to " + (folder_ / "trained").string(), 1, "ckpt-00000100.sr");
  EXPECT_EQ(std::distance(fs::directory_iterator(ckpts), {}), 1);
}

}  // namespace
}  // namespace sr

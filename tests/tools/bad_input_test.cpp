// The programs on input that cannot be processed: one clear line, the right status, nothing half-written.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/tiff/input/reader.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/support/shared_data.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Samples of a picture that can be read; 0 for others.
uintmax_t area_of(const std::string& path) {
  try {
    const TiffReader reader(path);
    const TiffInfo& info = reader.info();
    return static_cast<uintmax_t>(info.width * info.height * info.bands);
  } catch (const Error&) {
    return 0;
  }
}

class BadInput : public testing::Test {
 protected:
  BadInput() {
    write_small_model(folder_ / "weights", 2);
    fs::create_directory(folder_ / "in");
  }

  void add_scene(const std::string& name, int width = 64, int height = 48) {
    const ProgramRun made =
        run_program("make_scene", {"--out", folder_ / ("in/" + name), "--width", std::to_string(width),
                                   "--height", std::to_string(height), "--quiet"});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  // With the usual arguments, of which `more` may give some again.
  ProgramRun eval(std::vector<std::string> more = {}) {
    const auto given = [&](const char* name) {
      return std::find(more.begin(), more.end(), name) != more.end();
    };
    if (!given("--data_path")) more.insert(more.end(), {"--data_path", folder_ / "in"});
    if (!given("--pretrained_path")) more.insert(more.end(), {"--pretrained_path", folder_ / "weights"});
    return run_program("eval_superres_net", more, 120);
  }

  // A run in many small tiles that `timeout` starts with these arguments.
  ProgramRun eval_until(std::vector<std::string> timeout) {
    timeout.insert(timeout.end(), {std::string(SR_BIN_DIR) + "/eval_superres_net", "--data_path",
                                   folder_ / "in", "--pretrained_path", folder_ / "weights", "--num_tiles_w",
                                   "40", "--num_tiles_h", "40", "--threads", "1"});
    return run_program("timeout", timeout);
  }

  // One line that says what and where; the status; nothing in the result folder.
  void expect_refusal(const ProgramRun& run, int status, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.status, status) << run.out << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& part : parts)
      EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
    for (const std::string& file : results()) EXPECT_TRUE(file.starts_with("a.tif.part")) << file;
  }

  std::vector<std::string> results(const std::string& where = "in_x2") const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder_ / where, none))
      names.push_back(entry.path().filename());
    return names;
  }

  TestFolder folder_;
};

TEST_F(BadInput, AMissingFolderIsNamed) {
  expect_refusal(eval({"--data_path", folder_ / "nowhere"}), 1, {"nowhere", "no such file or folder"});
}

TEST_F(BadInput, AFolderWithoutMatchingImagesSaysWhatItHolds) {
  write_bytes(folder_ / "in/picture.png", "x");
  expect_refusal(eval(), 1, {"no image (.tif)", "its 1 file;", "--img_ext"});
}

TEST_F(BadInput, WrongUsageIsStatusTwo) {
  add_scene("a.tif");
  expect_refusal(eval({"--upsampling_factor", "5"}), 2, {"--upsampling_factor"});
  expect_refusal(eval({"--no_such_option"}), 2, {"no_such_option"});
  expect_refusal(eval({"--value_range", "9,1"}), 2, {"value_range"});
  expect_refusal(eval({"--num_tiles_w", "0"}), 2, {"--num_tiles_w"});
  expect_refusal(run_program("eval_superres_net", {}), 2, {"--data_path"});
}

TEST_F(BadInput, FilesThatAreNoTiffAreNamedAndTheRestGoesOn) {
  add_scene("good1.tif");
  add_scene("good2.tif");
  const std::string good = text_of_file(folder_ / "in/good1.tif");
  write_bytes(folder_ / "in/empty.tif", "");
  write_bytes(folder_ / "in/text.tif", "this is no picture\n");
  write_bytes(folder_ / "in/truncated.tif", good.substr(0, good.size() / 2));
  std::string corrupted = good;
  for (size_t i = good.size() / 4; i < good.size() / 2; ++i) corrupted[i] = static_cast<char>(i * 37);
  write_bytes(folder_ / "in/corrupted.tif", corrupted);
  const ProgramRun run = eval();
  EXPECT_EQ(run.status, 1);
  for (const char* name : {"empty.tif", "text.tif", "truncated.tif", "corrupted.tif"})
    EXPECT_NE(run.err.find(name), std::string::npos) << name << " in: " << run.err;
  EXPECT_NE(run.err.find("4 of 6 images failed"), std::string::npos) << run.err;
  auto names = results();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"good1.tif", "good2.tif"})) << "results, and no partial ones";
}

TEST_F(BadInput, LinksThatLeadNowhereFail) {
  fs::create_symlink("nowhere.tif", folder_ / "in/dead.tif");
  fs::create_symlink("nowhere.txt", folder_ / "in/dead.txt");
  expect_refusal(eval(), 1, {"in/dead.tif", "No such file"});
  add_scene("good.tif");
  for (const char* program : {"eval_superres_net", "score_superres_net"}) {
    const ProgramRun run =
        run_program(program, {"--data_path", folder_ / "in", "--pretrained_path", folder_ / "weights"}, 120);
    EXPECT_EQ(run.status, 1) << program;
    EXPECT_NE(run.err.find("1 of 2 images failed"), std::string::npos) << program << run.err;
    EXPECT_NE(run.err.find("in/dead.tif"), std::string::npos) << program << run.err;
  }
}

TEST_F(BadInput, WhatMacosNotesOfAFileIsNoImage) {
  write_bytes(folder_ / "in/._a.tif", std::string("\0\5\26\7", 4));
  expect_refusal(eval(), 1, {"no image (.tif)", "its 1 file;"});
  add_scene("a.tif", 128, 96);
  EXPECT_EQ(eval().status, 0);
  EXPECT_EQ(results(), std::vector<std::string>{"a.tif"});
  const std::string in = folder_ / "in", weights = folder_ / "weights", out = folder_ / "data";
  EXPECT_EQ(run_program("score_superres_net", {"--data_path", in, "--pretrained_path", weights}).status, 0);
  const ProgramRun cut =
      run_program("create_training_dataset",
                  {"--data_path", in, "--out_path", out, "--tile_size_w", "32", "--tile_size_h", "32"});
  EXPECT_EQ(cut.status, 0) << cut.err;
}

TEST_F(BadInput, MissingWeightsNameTheFactorsThatAreThere) {
  add_scene("a.tif");
  expect_refusal(eval({"--upsampling_factor", "3"}), 1, {"x3", "x2 only"});
  expect_refusal(eval({"--pretrained_path", folder_ / "nothing"}), 1, {"nothing", "no such folder"});
  fs::create_directories(folder_ / "bare/x2/ckpts");
  expect_refusal(eval({"--pretrained_path", folder_ / "bare"}), 1, {"holds no checkpoint"});
}

TEST_F(BadInput, WeightsForAnotherFactorAreRefused) {
  add_scene("a.tif");
  write_small_model(folder_ / "three", 3);
  expect_refusal(eval({"--pretrained_path", folder_ / "three/x3/ckpts/ckpt-00000000.sr"}), 1,
                 {"factor 3", "is 2"});
}

TEST_F(BadInput, DamagedAndForeignCheckpointsAreNamed) {
  add_scene("a.tif");
  const std::string name = folder_ / "weights/x2/ckpts/ckpt-00000000.sr", good = text_of_file(name);
  write_bytes(name, good.substr(0, good.size() - 100));
  expect_refusal(eval(), 1, {"ckpt-00000000.sr", "truncated"});
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
  write_bytes(name, flipped);
  expect_refusal(eval(), 1, {"ckpt-00000000.sr", "checksum"});
  write_bytes(name, "PK\x03\x04 something else");
  expect_refusal(eval(), 1, {"ckpt-00000000.sr"});
  write_bytes(name, "");
  expect_refusal(eval(), 1, {"ckpt-00000000.sr"});
}

TEST_F(BadInput, MeansThatAreNotThereOrNotMeansAreNamed) {
  add_scene("a.tif");
  expect_refusal(eval({"--mean_values_path", folder_ / "nothing"}), 1, {"mean_values.json"});
  fs::create_directories(folder_ / "means/x2");
  write_bytes(folder_ / "means/x2/mean_values.json", "{\"gt\": 3");
  expect_refusal(eval({"--mean_values_path", folder_ / "means"}), 1, {"mean_values.json", "want"});
}

TEST_F(BadInput, AnUnusableResultFolderIsNamed) {
  add_scene("a.tif");
  write_bytes(folder_ / "file", "x");
  expect_refusal(eval({"--out_path", folder_ / "file/below"}), 1, {"file/below", "--out_path"});
}

TEST_F(BadInput, AResultThatWouldReplaceAnInputIsRefused) {
  add_scene("a.tif");
  add_scene("a_bic_up.tif");
  const std::string before = text_of_file(folder_ / "in/a_bic_up.tif");
  expect_refusal(eval({"--out_path", folder_ / "in"}), 2, {"in/a.tif", "replace the input"});
  expect_refusal(eval({"--out_path", folder_ / "in", "--bicubic_only"}), 2,
                 {"in/a.tif", "in/a_bic_up.tif", "replace the input"});
  EXPECT_EQ(text_of_file(folder_ / "in/a_bic_up.tif"), before);
}

TEST_F(BadInput, ANameForTheResultIsForOneImageAndATiff) {
  add_scene("a.tif");
  const std::string result = folder_ / "result.tif";
  expect_refusal(eval({"--out_file", result}), 2,
                 {"--out_file is for one image", "/in is a folder", "--out_path"});
  const std::string one = folder_ / "in/a.tif";
  expect_refusal(eval({"--data_path", one, "--out_file", folder_ / "a.png"}), 2,
                 {"a.png", "want a name", ".tif"});
  expect_refusal(eval({"--data_path", one, "--out_file", result, "--out_path", folder_ / "out"}), 2,
                 {"--out_file", "--out_path"});
  expect_refusal(eval({"--data_path", one, "--out_file", one}), 2,
                 {"replace the input", "another --out_file"});
  write_bytes(folder_ / "file", "x");
  expect_refusal(eval({"--data_path", one, "--out_file", folder_ / "file/b.tif"}), 1,
                 {"/file", "--out_file"});
  expect_refusal(eval({"--data_path", one, "--out_file", folder_ / "file/b.tif", "--dry_run"}), 1,
                 {"/file", "--out_file"});
  EXPECT_FALSE(fs::exists(result));
}

TEST_F(BadInput, WhatAResultIsMadeOfIsNotReplacedByWhatLiesBesideIt) {
  add_scene("a.tif");
  fs::rename(folder_ / "in/a.tif", folder_ / "b.tif.part");
  const std::string before = text_of_file(folder_ / "b.tif.part");
  expect_refusal(eval({"--data_path", folder_ / "b.tif.part", "--out_file", folder_ / "b.tif"}), 2,
                 {"replace the input"});
  fs::rename(folder_ / "b.tif.part", folder_ / "in/a.tif");
  const std::string image = folder_ / "in/a.tif", weights = folder_ / "weights/x2/ckpts/ckpt-00000000.sr";
  const std::string of_weights = text_of_file(weights);
  for (const std::string& file : {image, weights})
    expect_refusal(eval({"--dry_run", "--json", file}), 2, {"--json", "would replace"});
  EXPECT_EQ(text_of_file(image), before);
  EXPECT_EQ(text_of_file(weights), of_weights);
}

TEST_F(BadInput, ADeviceOrAPipeIsNoPlaceForAResult) {
  add_scene("a.tif");
  const std::string pipe = folder_ / "pipe.tif";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0666), 0);
  expect_refusal(eval({"--data_path", folder_ / "in/a.tif", "--out_file", pipe}), 1,
                 {"pipe.tif", "a device or a pipe"});
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_FALSE(fs::exists(pipe + ".part"));
}

TEST_F(BadInput, NumbersThatAreNoneAndEmptyValuesAreWrongUsage) {
  add_scene("a.tif");
  expect_refusal(eval({"--compress", "lerc", "--max_z_error", "nan"}), 2,
                 {"--max_z_error nan", "want a number"});
  expect_refusal(eval({"--data_path", folder_ / "in/a.tif", "--out_file", ""}), 2,
                 {"--out_file is given without a value"});
}

TEST_F(BadInput, TwoImagesWithOneOutputAreRefusedBeforeEitherIsComputed) {
  for (const char* name : {"a.tif", "a.TIF", "a_bic_up.tif", "b.tif"}) add_scene(name);
  expect_refusal(eval({"--bicubic"}), 2,
                 {"in/a.tif and", "in/a_bic_up.tif would both be written to", "in_x2/a_bic_up.tif;"});
  fs::remove(folder_ / "in/a_bic_up.tif");
  expect_refusal(eval({"--preview"}), 2,
                 {"in/a.TIF and", "in/a.tif would both be written to", "in_x2/a_preview.png;"});
  EXPECT_EQ(eval().status, 0) << "a.tif and a.TIF have results of their own";
}

TEST_F(BadInput, AMemoryLimitThatIsTooSmallSaysHowMuchIsWanted) {
  add_scene("a.tif", 600, 500);
  expect_refusal(eval({"--max_memory", "33MB"}), 1, {"a.tif", "max_memory", "MB"});
}

TEST_F(BadInput, VerifyAndPreviewWithoutANetworkAreWrongUsage) {
  add_scene("a.tif");
  expect_refusal(eval({"--bicubic_only", "--verify", "3"}), 2, {"--verify", "--bicubic_only makes none"});
  expect_refusal(eval({"--bicubic_only", "--preview"}), 2, {"--preview", "--bicubic_only makes none"});
  EXPECT_EQ(eval({"--bicubic_only", "--verify", "0"}).status, 0);
}

TEST_F(BadInput, AMemoryLimitThatIsNoSizeOrNotEvenTheProgramsIsWrongUsage) {
  add_scene("a.tif");
  for (const char* none : {"lots", "MB", "512XB", "1,5GB", "-1GB", "nan", "1e99", "512MBMB", "512ii"})
    expect_refusal(eval({"--max_memory", none}), 2,
                   {"--max_memory", none, "want a size like 512MB or 1.5GB"});
  for (const char* little : {"0", "512", "31MB", "31.99MB"})
    expect_refusal(eval({"--max_memory", little}), 2,
                   {"--max_memory", little, "the program by itself takes"});
}

TEST_F(BadInput, AFullDiskLeavesNothingUnderTheResultsName) {
  const std::string disk = folder_ / "disk";
  fs::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a small file system can only be mounted by root";
  add_scene("a.tif", 700, 600);
  const ProgramRun run = eval({"--out_path", disk, "--compress", "none"});
  const auto left = results("disk");
  umount(disk.c_str());
  expect_refusal(run, 1, {"a.tif", "space"});
  for (const std::string& file : left) EXPECT_TRUE(file.starts_with("a.tif.part")) << file;
}

TEST_F(BadInput, ARunThatIsInterruptedOrLosesItsTerminalLeavesNothingUnderTheResultsName) {
  constexpr int kSide = kInstrumented ? 600 : 2500;  // more than a second to compute
  add_scene("a.tif", kSide, kSide);
  for (const char* signal : {"INT", "TERM", "HUP"}) {
    const ProgramRun run = eval_until({"-s", signal, "1"});
    EXPECT_EQ(run.status, 124) << "it must still be running after a second";
    EXPECT_NE(run.err.find("interrupted"), std::string::npos) << signal << run.err;
    for (const std::string& file : results()) EXPECT_TRUE(file.starts_with("a.tif.part")) << file;
  }
}

TEST_F(BadInput, UnderNohupARunOutlivesItsTerminal) {
  constexpr int kSide = kInstrumented ? 250 : 1000;  // at least a second to compute
  add_scene("a.tif", kSide, kSide);
  const ProgramRun run = eval_until({"-s", "HUP", "0.3", "nohup"});
  EXPECT_EQ(run.status, 124) << "it must still be running when the signal comes";
  EXPECT_EQ(results(), std::vector<std::string>{"a.tif"}) << run.err;
}

TEST_F(BadInput, MakeSceneTakesProjectedSystemsInMetresOnly) {
  const std::string out = folder_ / "in/a.tif";
  const auto make = [&](const char* epsg) {
    return run_program("make_scene", {"--out", out, "--width", "16", "--height", "16", "--epsg", epsg});
  };
  constexpr const char *kDegrees = "4326", *kFeet = "2225", *kUnknown = "1024";
  for (const char* epsg : {kDegrees, kFeet, kUnknown})
    expect_refusal(make(epsg), 2, {epsg, "projected", "metres"});
  EXPECT_FALSE(fs::exists(out));
  for (const char* epsg : {"32733", "2154"}) EXPECT_EQ(make(epsg).status, 0) << epsg;
}

TEST_F(BadInput, AGpuThatIsNotThereIsRefused) {
  add_scene("a.tif");
  expect_refusal(eval({"--device", "cuda:99"}), 1, {"cuda"});
}

TEST_F(BadInput, APrecisionOfAGpuIsRefusedOnTheProcessor) {
  add_scene("a.tif");
  expect_refusal(eval({"--device", "cpu", "--precision", "fp16"}), 2, {"--precision fp16", "fp32 or bf16"});
}

// Every odd or hostile file ends with a result or one line, soon, and within the memory it was given.
TEST_F(BadInput, SharedHostileFilesEndWithAResultOrOneLineWithinTheMemoryLimit) {
  const std::string odd = shared_data("data/tiff_odd");
  if (odd.empty()) GTEST_SKIP() << "the shared hostile files are not on this machine";
  constexpr uintmax_t kLargestArea = kInstrumented ? 100'000 : 1 << 28;  // the release build takes all but
  for (const auto& entry : fs::recursive_directory_iterator(odd)) {
    if (!entry.is_regular_file() || !entry.path().extension().string().starts_with(".tif")) continue;
    if (area_of(entry.path()) > kLargestArea) continue;                   // one that is legal and takes hours
    if (entry.path().filename() == "geo_image_web_z5_z11.tif") continue;  // and one that takes two minutes
    const std::string out = folder_ / "odd";
    const ProgramRun run = eval({"--data_path", entry.path(), "--out_path", out, "--max_memory", "512MB"});
    const std::string name = entry.path().filename();
    EXPECT_EQ(run.signal, 0) << name;
    EXPECT_TRUE(run.status == 0 || run.status == 1) << name << ' ' << run.err;
    const bool there = fs::exists(out + "/" + name);
    EXPECT_EQ(there, run.status == 0) << name << ' ' << run.err;
    if (run.status == 1) {
      EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
      EXPECT_NE(run.err.find(name), std::string::npos) << run.err;
    }
    if (!kInstrumented) {
      EXPECT_LT(run.peak_bytes, int64_t{512} << 20) << name;
    }
    fs::remove_all(out);
  }
}

}  // namespace
}  // namespace sr

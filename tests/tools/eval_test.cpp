// eval_superres_net as a user runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "io/formats/picture.h"
#include "io/output_file.h"
#include "io/tiff/input/reader.h"
#include "io/tiff/output/writer.h"
#include "tensor/simd/instruction_set.h"
#include "tests/support/instrumented.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> pixels_of(const std::string& path) {
  TiffReader reader(path);
  return reader.read({0, 0, reader.info().width, reader.info().height}).samples;
}

class Eval : public testing::Test {
 protected:
  Eval() { fs::create_directory(folder_ / "in"); }

  void add_scene(const std::string& name, int width, int height, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"--out",    folder_ / ("in/" + name), "--width", std::to_string(width),
                                       "--height", std::to_string(height),   "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun made = run_program("make_scene", arguments);
    ASSERT_EQ(made.status, 0) << made.err;
  }

  ProgramRun eval(int factor, std::vector<std::string> more = {}) {
    write_small_model(folder_ / "weights", factor);
    std::vector<std::string> arguments{"--data_path",       folder_ / "in",        "--pretrained_path",
                                       folder_ / "weights", "--upsampling_factor", std::to_string(factor)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ProgramRun run = run_program("eval_superres_net", arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    return run;
  }

  TestFolder folder_;
};

TEST_F(Eval, ResultsLieBesideTheDataUnderTheirOwnNames) {
  add_scene("one.tif", 40, 30);
  add_scene("two.TIF", 30, 20);
  eval(2);
  EXPECT_TRUE(fs::exists(folder_ / "in_x2/one.tif"));
  EXPECT_TRUE(fs::exists(folder_ / "in_x2/two.TIF"));
  const TiffInfo info = TiffReader(folder_ / "in_x2/one.tif").info();
  EXPECT_EQ(info.width, 80);
  EXPECT_EQ(info.height, 60);
}

TEST_F(Eval, ResultsLieBesideAFolderHoweverItIsWritten) {
  add_scene("one.tif", 20, 20);
  fs::create_directory(folder_ / "in/sub");
  fs::create_directory_symlink(folder_ / "in", folder_ / "link");
  const std::string program = std::string(SR_BIN_DIR) + "/eval_superres_net";
  for (const auto& [from, data, results] :
       std::vector<std::array<std::string, 3>>{{"in", ".", "in_x2"},
                                               {"in", "./", "in_x2"},
                                               {"in", "one.tif", "in_x2"},
                                               {"in", "./one.tif", "in_x2"},
                                               {"in/sub", "..", "in_x2"},
                                               {"", "in", "in_x2"},
                                               {"", "in/", "in_x2"},
                                               {"", "in/.", "in_x2"},
                                               {"", "in/sub/..", "in_x2"},
                                               {"", "link", "link_x2"},
                                               {"", "link/.", "in_x2"}}) {
    const ProgramRun run =
        run_program("env", {"-C", folder_ / from, program, "--data_path", data, "--bicubic_only", "--quiet"});
    EXPECT_EQ(run.status, 0) << data << ": " << run.err;
    EXPECT_TRUE(fs::exists(folder_ / results + "/one_bic_up.tif")) << data;
    fs::remove_all(folder_ / results);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "in"), {}), 2) << data;
  }
}

TEST_F(Eval, OneImageHasAResultOfTheNameThatIsAskedFor) {
  add_scene("one.tif", 40, 30);
  eval(2, {"--out_path", folder_ / "folder"});
  const std::string result = folder_ / "made/of.one.TIFF";
  const ProgramRun network =
      run_program("eval_superres_net", {"--data_path", folder_ / "in/one.tif", "--pretrained_path",
                                        folder_ / "weights", "--out_file", result, "--bicubic", "--preview"});
  ASSERT_EQ(network.status, 0) << network.err;
  EXPECT_EQ(pixels_of(result), pixels_of(folder_ / "folder/one.tif"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / "made")) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  EXPECT_EQ(names, (std::vector<std::string>{"of.one.TIFF", "of.one_bic_up.TIFF", "of.one_preview.png"}));
  EXPECT_FALSE(fs::exists(folder_ / "in_x2")) << "or anything where a folder's results go";
  const std::string bicubic = folder_ / "bicubic.tif";
  const ProgramRun run = run_program(
      "eval_superres_net", {"--data_path", folder_ / "in/one.tif", "--bicubic_only", "--out_file", bicubic});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(pixels_of(bicubic), pixels_of(folder_ / "made/of.one_bic_up.TIFF"));
}

TEST_F(Eval, FilesOfAnOlderResultThatWouldOverruleTheNewOneAreNamed) {
  add_scene("one.tif", 40, 30);
  const std::string older = folder_ / "in_x2/one.tif.aux.xml";
  EXPECT_EQ(eval(2).err, "");
  write_file(older, std::string("<PAMDataset/>"));
  EXPECT_EQ(eval(2).err, "") << "the result is there, and older than that file";
  EXPECT_NE(eval(2, {"--overwrite"}).err.find(older + " is older than the result"), std::string::npos);
}

TEST_F(Eval, ProfileTimesTheLayersAndWritesNothing) {
  add_scene("one.tif", 40, 30);
  const ProgramRun run = eval(2, {"--profile"});
  EXPECT_NE(run.out.find("upsample "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("40 x 30 pixels"), std::string::npos) << run.out;
  EXPECT_FALSE(fs::exists(folder_ / "in_x2"));
}

TEST_F(Eval, AnyTilingWritesTheSamePixels) {
  for (const int factor : kInstrumented ? std::vector<int>{3} : std::vector<int>{2, 3, 4}) {
    add_scene("scene.tif", 157, 111);
    eval(factor, {"--out_path", folder_ / "whole"});
    const auto whole = pixels_of(folder_ / "whole/scene.tif");
    for (const std::vector<std::string>& tiling :
         {std::vector<std::string>{"--num_tiles_w", "5", "--num_tiles_h", "5"},
          {"--num_tiles_w", "1", "--num_tiles_h", "7"},
          {"--num_tiles_w", "53"},
          {"--max_memory", "110MB"},
          {"--threads", "3", "--num_tiles_h", "2"}}) {
      std::vector<std::string> arguments = tiling;
      arguments.insert(arguments.end(), {"--out_path", folder_ / "tiled"});
      eval(factor, arguments);
      EXPECT_EQ(whole, pixels_of(folder_ / "tiled/scene.tif"))
          << "x" << factor << ' ' << tiling[0] << ' ' << tiling[1];
    }
  }
}

TEST_F(Eval, SizesOfMemoryMayHaveDecimalsAndAnyUsualUnit) {
  add_scene("scene.tif", 20, 20);
  for (const char* size :
       {"512MB", "0.5GB", "524288 kb", "536870912", "536870912B", "512MiB", "512m", "1e-3TB"})
    eval(2, {"--max_memory", size});
}

TEST_F(Eval, EveryCompressionHoldsTheSamePixels) {
  add_scene("scene.tif", 90, 70, {"--type", "u16", "--bands", "2"});
  eval(2, {"--out_path", folder_ / "deflate"});
  for (const char* compression : {"none", "lzw", "zstd"}) {
    eval(2, {"--out_path", folder_ / compression, "--compress", compression});
    EXPECT_EQ(pixels_of(folder_ / "deflate/scene.tif"),
              pixels_of(folder_ / compression + std::string("/scene.tif")));
  }
}

TEST_F(Eval, VerifyComparesWindowsAndSaysSo) {
  add_scene("scene.tif", 200, 150, {"--nodata", "0"});
  const ProgramRun run = eval(2, {"--verify", "6", "--num_tiles_w", "3"});
  EXPECT_NE(run.out.find("verified: 6 windows"), std::string::npos) << run.out;
  const std::string one = eval(2, {"--verify", "1"}).out;
  EXPECT_NE(one.find(" 1 tile of 200 x 150,"), std::string::npos) << one;
  EXPECT_NE(one.find("verified: 1 window computed"), std::string::npos) << one;
}

TEST_F(Eval, BicubicAndPreviewAreWrittenBesideTheResult) {
  add_scene("scene.tif", 70, 50);
  eval(3, {"--bicubic", "--preview"});
  EXPECT_EQ(TiffReader(folder_ / "in_x3/scene_bic_up.tif").info().width, 210);
  const Raster picture = read_picture(folder_ / "in_x3/scene_preview.png");
  EXPECT_EQ(picture.window.h, 150);
  EXPECT_GT(picture.window.w, 2 * 210);
  EXPECT_NE(pixels_of(folder_ / "in_x3/scene_bic_up.tif"), pixels_of(folder_ / "in_x3/scene.tif"));
}

TEST_F(Eval, BicubicOnlyNeedsNoWeightsAndGivesTheSameBicubicPart) {
  add_scene("scene.tif", 70, 50);
  eval(2, {"--bicubic"});
  const ProgramRun run = run_program(
      "eval_superres_net", {"--data_path", folder_ / "in", "--bicubic_only", "--out_path", folder_ / "only"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_FALSE(fs::exists(folder_ / "only/scene.tif"));
  EXPECT_EQ(pixels_of(folder_ / "in_x2/scene_bic_up.tif"), pixels_of(folder_ / "only/scene_bic_up.tif"));
}

TEST_F(Eval, ValueRangeOfSixteenBitScenesIsMeasuredAndPrintedOrTaken) {
  add_scene("scene.tif", 60, 50, {"--type", "u16", "--bands", "4"});
  const ProgramRun measured = eval(2),
                   given = eval(2, {"--value_range", "0,4095", "--out_path", folder_ / "given"});
  EXPECT_NE(measured.out.find("measured over the scene"), std::string::npos) << measured.out;
  EXPECT_NE(given.out.find("value range 0..4095 (as given)"), std::string::npos) << given.out;
  EXPECT_NE(pixels_of(folder_ / "in_x2/scene.tif"), pixels_of(folder_ / "given/scene.tif"));
}

TEST_F(Eval, MeansFromAFileReplaceThoseInTheCheckpoint) {
  add_scene("scene.tif", 40, 40, {"--bands", "1"});
  eval(2);
  fs::create_directories(folder_ / "means/x2");
  save_mean_values(folder_ / "means/x2/mean_values.json", {{0.2}, {0.1}, {0.1}});
  eval(2, {"--mean_values_path", folder_ / "means", "--out_path", folder_ / "other"});
  EXPECT_NE(pixels_of(folder_ / "in_x2/scene.tif"), pixels_of(folder_ / "other/scene.tif"));
}

// The last of four bands: transparent in the middle, where nothing of the colours may be seen.
class EvalAlpha : public Eval {
 protected:
  void add(uint16_t kind) {
    TiffInfo info;
    info.width = 40, info.height = 40, info.bands = 4, info.type = SampleType::u8, info.photometric = 2;
    info.extra_samples = {kind};
    Raster raster({0, 0, 40, 40}, 4, info.type);
    for (int p = 0; p < 1600; ++p) {
      const bool hole = hidden(p % 40, p / 40);
      for (int b = 0; b < 4; ++b)
        raster.data<uint8_t>()[4 * p + b] = static_cast<uint8_t>(b == 3 ? (hole ? 0 : 255)
                                                                 : hole ? 255
                                                                        : 40 + b);
    }
    TiffWriter writer(folder_ / "in/rgba.tif", info, {});
    writer.write(raster);
    writer.finish();
  }
  static bool hidden(int x, int y) { return x >= 10 && x < 30 && y >= 10 && y < 30; }

  // Whether a colour that is visible differs from its one value: those hidden bleed into it if they count.
  bool bleeds(const std::string& path) {
    TiffReader reader(path);
    const Raster fine = reader.read({0, 0, 80, 80});
    for (int p = 0; p < 6400; ++p)
      if (!hidden(p % 80 / 2, p / 80 / 2) && std::abs(fine.data<uint8_t>()[4 * p] - 40) > 1) return true;
    return false;
  }
};

TEST_F(EvalAlpha, IsTheBandThatTheUserNamesOrNone) {
  constexpr uint16_t kNone = 0, kUnassociated = 2;
  for (const uint16_t tagged : {kNone, kUnassociated})
    for (const char* asked : {"none", "4"}) {
      add(tagged);
      const std::string out = folder_ / ("out" + std::to_string(tagged) + asked);
      const ProgramRun run = eval(2, {"--alpha", asked, "--out_path", out});
      const TiffInfo info = TiffReader(out + "/rgba.tif").info();
      const bool alpha = *asked == '4';
      EXPECT_EQ(info.alpha_band().has_value(), alpha);
      EXPECT_EQ(info.extra_samples, (std::vector<uint16_t>{alpha ? kUnassociated : kNone}));
      EXPECT_EQ(bleeds(out + "/rgba.tif"), !alpha) << run.out;
    }
  const ProgramRun wrong =
      run_program("eval_superres_net", {"--data_path", folder_ / "in", "--bicubic_only", "--alpha", "2"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_NE(wrong.err.find("--alpha 2: the scene has 4 bands, and only those from 4 on can be alpha"),
            std::string::npos)
      << wrong.err;
}

TEST_F(Eval, QuietPrintsNothing) {
  add_scene("scene.tif", 40, 40);
  EXPECT_EQ(eval(2, {"--quiet"}).out, "");
}

TEST(EvalPrecision, OfASetWithoutProductsOfBfloat16IsRefusedByWhatForbidsIt) {
  const std::string program = std::string(SR_BIN_DIR) + "/eval_superres_net";
  const ProgramRun run =
      run_program("env", {"SR_SIMD=baseline", program, "--data_path", SR_SOURCE_DIR, "--out_path", "unused",
                          "--upsampling_factor", "2", "--device", "cpu", "--precision", "bf16"});
  EXPECT_NE(run.status, 0);
  const std::string what = best_simd() > Simd::baseline ? "the set that SR_SIMD allows" : "this processor";
  EXPECT_EQ(run.err, "eval_superres_net: error: --precision bf16: " + what +
                         " has neither AMX nor AVX-512's products of bf16; leave --precision away\n");
}

}  // namespace
}  // namespace sr

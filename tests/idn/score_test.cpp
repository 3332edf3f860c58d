#include "idn/score.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include <jpeglib.h>

#include "idn/caffe_import.h"
#include "idn/checkpoint_files.h"
#include "idn/metrics.h"
#include "io/formats/picture.h"
#include "io/json_text.h"
#include "tensor/ops/resize.h"
#include "tests/support/expect_error.h"
#include "tests/support/shared_data.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

Tensor noise(Shape shape, unsigned seed) {
  std::mt19937 random(seed);
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) t.data()[i] = static_cast<float>(random() >> 8) * 0x1p-24f;
  return t;
}

Raster picture(int64_t w, int64_t h, int bands) {
  Raster r({0, 0, w, h}, bands, SampleType::u8);
  for (size_t i = 0; i < r.samples.size(); ++i) r.data<uint8_t>()[i] = static_cast<uint8_t>(i * 37 % 251);
  return r;
}

// Small, so that it is quick, with random weights that leave a visible residual.
Model small_model(int factor, int nchan = 1) {
  NetworkOptions options;
  options.factor = factor;
  options.nchan = nchan;
  options.num_FB_layers = 1;
  options.num_Dist_blocks = 1;
  options.crop_begin = 9 - factor;
  return Model(options, 7);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double worst = 0;
  for (int64_t i = 0; i < a.shape().size(); ++i)
    worst = std::max(worst, std::abs(double{a.data()[i]} - double{b.data()[i]}));
  return worst;
}

TEST(GroundTruth, IsStudioLumaRoundedAndCroppedToTheFactor) {
  Raster r = picture(30, 24, 3);
  const std::vector<uint8_t> colours{0, 0, 0, 255, 255, 255, 255, 0, 0,   0, 255,
                                     0, 0, 0, 255, 10,  20,  30,  0, 100, 0};
  std::copy(colours.begin(), colours.end(), r.data<uint8_t>());
  const Tensor y = ground_truth(r, 4, "a");
  EXPECT_EQ(y.shape(), (Shape{1, 24, 28, 1}));
  // MATLAB: rgb2ycbcr(uint8(cat(3, R, G, B))).
  const std::vector<float> expected{16, 235, 81, 145, 41, 32, 66};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(y.data()[i], expected[i]) << "pixel " << i;
  EXPECT_EQ(ground_truth(r, 3, "a").shape(), (Shape{1, 24, 30, 1}));
}

TEST(GroundTruth, GreyIsTakenAsItIsAndAlphaLeftOut) {
  const Raster grey = picture(20, 20, 1), grey_alpha = picture(20, 20, 2);
  for (int64_t i = 0; i < 400; ++i) {
    EXPECT_EQ(ground_truth(grey, 2, "a").data()[i], grey.data<uint8_t>()[i]);
    EXPECT_EQ(ground_truth(grey_alpha, 2, "a").data()[i], grey_alpha.data<uint8_t>()[2 * i]);
  }
  Raster rgb = picture(20, 20, 3), rgba({0, 0, 20, 20}, 4, SampleType::u8);
  for (int64_t p = 0; p < 400; ++p) std::copy_n(rgb.data<uint8_t>() + p * 3, 3, rgba.data<uint8_t>() + p * 4);
  EXPECT_EQ(ground_truth(rgba, 2, "a").to_vector(), ground_truth(rgb, 2, "a").to_vector());
}

TEST(GroundTruth, WhatTheProtocolCannotTakeIsAnErrorThatNamesTheFile) {
  expect_error(Error::Kind::shape, "some.png", [] { ground_truth(picture(14, 40, 1), 2, "some.png"); });
  EXPECT_NO_THROW(ground_truth(picture(16, 40, 1), 2, "some.png"));
  expect_error(Error::Kind::shape, "some.png", [] { ground_truth(picture(40, 19, 1), 4, "some.png"); });
  EXPECT_NO_THROW(ground_truth(picture(40, 20, 1), 4, "some.png"));
  expect_error(Error::Kind::unsupported, "some.tif", [] {
    ground_truth(Raster({0, 0, 40, 40}, 1, SampleType::u16), 2, "some.tif");
  });
  expect_error(Error::Kind::unsupported, "some.tif", [] {
    ground_truth(Raster({0, 0, 40, 40}, 6, SampleType::u8), 2, "some.tif");
  });
}

TEST(Quality, RoundsToEightBitsAndLeavesTheBorderOut) {
  Tensor truth({1, 20, 24, 1}), image(truth.shape());
  for (int64_t i = 0; i < truth.shape().size(); ++i) {
    truth.data()[i] = static_cast<float>(i % 256);
    image.data()[i] = (truth.data()[i] + (i % 2 ? 0.4f : -0.4f)) / 255;  // rounds to the truth
  }
  for (int64_t x = 0; x < 24; ++x)
    for (int64_t y = 0; y < 20; ++y)
      if (x < 3 || x >= 21 || y < 3 || y >= 17) image.data()[y * 24 + x] = 0.5f;
  EXPECT_TRUE(std::isinf(quality(image, truth, 3).psnr));
  EXPECT_NEAR(quality(image, truth, 3).ssim, 1, 1e-12);
  EXPECT_LT(quality(image, truth, 2).psnr, 40);
  truth.data()[10 * 24 + 10] = 255;
  image.data()[10 * 24 + 10] = 7;  // clamped
  EXPECT_TRUE(std::isinf(quality(image, truth, 3).psnr));
  image.data()[10 * 24 + 10] = 253.0f / 255;
  EXPECT_NEAR(quality(image, truth, 3).psnr, 10 * std::log10(255.0 * 255 * 14 * 18 / 4), 1e-9);
}

TEST(SuperResolveLuma, IsBicubicPlusTheNetworkInOnePiece) {
  const Model model = small_model(2);
  const Tensor luma = noise({1, 12, 2100, 1}, 1);  // two tiles
  Tensor expected = bicubic_enlarge(luma, 2);
  const NoGrad no_grad;
  const Tensor residual = (*model.network)(Var(luma)).value();
  for (int64_t i = 0; i < expected.shape().size(); ++i) expected.data()[i] += residual.data()[i];
  EXPECT_LE(largest_difference(super_resolve_luma(model, luma, false), expected), 1e-5);
  EXPECT_GT(largest_difference(expected, bicubic_enlarge(luma, 2)), 0.01) << "the network did nothing";
}

TEST(SuperResolveLuma, MeansAreTakenOffBeforeAndPutBackAfter) {
  Model model = small_model(3);
  const Tensor luma = noise({1, 9, 13, 1}, 2);
  Tensor lighter = luma.clone();
  for (int64_t i = 0; i < lighter.shape().size(); ++i) lighter.data()[i] += 0.25f;
  Tensor expected = super_resolve_luma(model, luma, false);
  for (int64_t i = 0; i < expected.shape().size(); ++i) expected.data()[i] += 0.25f + 0.5f - 0.125f;
  model.means = {{0.5}, {0.25}, {0.125}};
  EXPECT_LE(largest_difference(super_resolve_luma(model, lighter, false), expected), 1e-5);
}

Tensor quarter_turn(const Tensor& x) {
  const int64_t h = x.shape().h, w = x.shape().w;
  Tensor y({1, w, h, 1});
  for (int64_t r = 0; r < h; ++r)
    for (int64_t c = 0; c < w; ++c) y.data()[c * h + h - 1 - r] = x.data()[r * w + c];
  return y;
}

Tensor mirror_image(const Tensor& x) {
  Tensor y = x.clone();
  for (int64_t r = 0; r < x.shape().h; ++r)
    std::reverse(y.data() + r * x.shape().w, y.data() + (r + 1) * x.shape().w);
  return y;
}

TEST(SuperResolveLuma, SelfEnsembleSeesNoDifferenceBetweenFlipsAndTurns) {
  const Model model = small_model(2);
  const Tensor luma = noise({1, 9, 12, 1}, 3);
  const Tensor plain = super_resolve_luma(model, luma, false), mean = super_resolve_luma(model, luma, true);
  EXPECT_GT(largest_difference(super_resolve_luma(model, quarter_turn(luma), false), quarter_turn(plain)),
            1e-2);
  EXPECT_LE(largest_difference(super_resolve_luma(model, quarter_turn(luma), true), quarter_turn(mean)),
            1e-5);
  EXPECT_LE(largest_difference(super_resolve_luma(model, mirror_image(luma), true), mirror_image(mean)),
            1e-5);
  // The mean itself, from the eight pictures a person would make.
  Tensor sum = Tensor::zeros(plain.shape());
  Tensor seen = luma;
  for (int turns = 0; turns < 4; ++turns, seen = quarter_turn(seen))
    for (const bool mirrored : {false, true}) {
      Tensor back = super_resolve_luma(model, mirrored ? mirror_image(seen) : seen, false);
      if (mirrored) back = mirror_image(back);
      for (int k = turns; k < 4; ++k) back = quarter_turn(back);
      for (int64_t i = 0; i < sum.shape().size(); ++i) sum.data()[i] += back.data()[i] / 8;
    }
  EXPECT_LE(largest_difference(mean, sum), 1e-5);
}

TEST(SuperResolveLuma, NetworkForSeveralChannelsIsAnError) {
  expect_error(Error::Kind::usage, "one channel", [] {
    super_resolve_luma(small_model(2, 3), noise({1, 9, 9, 1}, 1), false);
  });
}

// PSNR and SSIM of bicubic and IDN with the authors' weights, computed by others from the same
// files.
struct TableRow {
  const char* set;
  int factor;
  Quality bicubic, idn;
};
void PrintTo(const TableRow& row, std::ostream* out) {
  *out << row.set << " x" << row.factor;
}

constexpr TableRow kTable[] = {
    {"Set5", 2, {33.66, 0.9299}, {37.83, 0.9600}},  {"Set5", 3, {30.39, 0.8682}, {34.11, 0.9253}},
    {"Set5", 4, {28.42, 0.8104}, {31.81, 0.8902}},  {"Set14", 2, {30.23, 0.8687}, {33.29, 0.9148}},
    {"Set14", 3, {27.54, 0.7736}, {29.99, 0.8355}}, {"Set14", 4, {26.00, 0.7019}, {28.24, 0.7730}}};
constexpr double kPsnrTolerance = 0.01, kSsimTolerance = 0.0002;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif

class Table : public testing::TestWithParam<TableRow> {
 protected:
  // Mean over the set of what `f` makes of each ground truth.
  template <class F>
  static Quality mean(const std::string& folder, int factor, const F& f) {
    Quality sum;
    double n = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const Quality q = f(read_ground_truth(entry.path().string(), factor));
      sum.psnr += q.psnr;
      sum.ssim += q.ssim;
      ++n;
    }
    return {sum.psnr / n, sum.ssim / n};
  }
};

TEST_P(Table, BicubicIsReproduced) {
  const auto& [set, factor, bicubic, idn] = GetParam();
  const std::string folder = shared_data(std::string("data/benchmark/") + set);
  if (folder.empty()) GTEST_SKIP() << "shared data (data/benchmark) is not on this machine";
  const Quality q = mean(folder, factor, [f = factor](const Tensor& truth) {
    return quality(bicubic_enlarge(protocol_input(truth, f), f), truth, f);
  });
  EXPECT_NEAR(q.psnr, bicubic.psnr, kPsnrTolerance);
  EXPECT_NEAR(q.ssim, bicubic.ssim, kSsimTolerance);
}

TEST_P(Table, NetworkIsReproduced) {
  const auto& [set, factor, bicubic, idn] = GetParam();
  if (kSlow) GTEST_SKIP() << "too slow under a sanitizer";
  const std::string folder = shared_data(std::string("data/benchmark/") + set);
  const std::string weights =
      shared_data("reference/idn_caffe/IDN_x" + std::to_string(factor) + ".caffemodel");
  if (folder.empty() || weights.empty())
    GTEST_SKIP() << "shared data (data/benchmark, reference/idn_caffe) is not on this machine";
  const Model model = import_caffemodel(weights, factor);
  const Quality q = mean(folder, factor, [&](const Tensor& truth) { return score(model, truth, false).idn; });
  EXPECT_NEAR(q.psnr, idn.psnr, kPsnrTolerance);
  EXPECT_NEAR(q.ssim, idn.ssim, kSsimTolerance);
}

INSTANTIATE_TEST_SUITE_P(Spec, Table, testing::ValuesIn(kTable), [](const auto& row) {
  return std::string(row.param.set) + "x" + std::to_string(row.param.factor);
});

// Quick enough for a sanitizer. The figures are this program's own, from the run that gave the table.
TEST(Score, OneImageOfTheTableIsReproduced) {
  const std::string image = shared_data("data/benchmark/Set5/woman_GT.bmp");
  const std::string weights = shared_data("reference/idn_caffe/IDN_x4.caffemodel");
  if (image.empty() || weights.empty())
    GTEST_SKIP() << "shared data (data/benchmark, reference/idn_caffe) is not on this machine";
  const Score s = score(import_caffemodel(weights, 4), read_ground_truth(image, 4), false);
  EXPECT_NEAR(s.bicubic.psnr, 26.4623, 1e-3);
  EXPECT_NEAR(s.bicubic.ssim, 0.8318, 1e-4);
  EXPECT_NEAR(s.idn.psnr, 30.6957, 1e-3);
  EXPECT_NEAR(s.idn.ssim, 0.9138, 1e-4);
}

class ScoreProgram : public testing::Test {
 protected:
  void SetUp() override {
    program_ = SR_BIN_DIR "/score_superres_net";
    if (!fs::exists(program_)) GTEST_SKIP() << program_ << " is not built";
    folder_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "images");
    small_model(2).save(checkpoint_name(folder_.string(), 2, 0));
    write_png((folder_ / "images/b.png").string(), picture(33, 29, 3));
    write_png((folder_ / "images/a.png").string(), picture(24, 40, 1));
  }
  void TearDown() override { fs::remove_all(folder_); }

  int run(const std::string& arguments) {
    const std::string command =
        "cd '" + folder_.string() + "' && '" + program_ + "' " + arguments + " >out 2>&1";
    const int status = std::system(command.c_str());
    std::ifstream file(folder_ / "out");
    output_ = {std::istreambuf_iterator<char>(file), {}};
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  nlohmann::json json(const std::string& name) const {
    return nlohmann::json::parse(std::ifstream(folder_ / name));
  }

  std::string program_, output_;
  fs::path folder_;
};

TEST_F(ScoreProgram, JsonHoldsTheScoresOfEveryImageAndTheirMean) {
  ASSERT_EQ(run("--data_path images --pretrained_path . --upsampling_factor 2 --json s.json"), 0) << output_;
  const nlohmann::json j = json("s.json");
  EXPECT_EQ(j["factor"], 2);
  ASSERT_EQ(j["images"].size(), 2u);
  EXPECT_EQ(j["images"][0]["name"], "a.png");
  const Score expected = score(small_model(2), ground_truth(picture(33, 29, 3), 2, "b"), false);
  EXPECT_NEAR(j["images"][1]["bicubic"]["psnr"], expected.bicubic.psnr, 1e-9);
  EXPECT_NEAR(j["images"][1]["bicubic"]["ssim"], expected.bicubic.ssim, 1e-9);
  EXPECT_NEAR(j["images"][1]["idn"]["psnr"], expected.idn.psnr, 1e-9);
  EXPECT_NEAR(j["images"][1]["idn"]["ssim"], expected.idn.ssim, 1e-9);
  for (const char* method : {"bicubic", "idn"})
    for (const char* measure : {"psnr", "ssim"})
      EXPECT_NEAR(
          j["mean"][method][measure],
          (j["images"][0][method][measure].get<double>() + j["images"][1][method][measure].get<double>()) / 2,
          1e-9);
}

TEST_F(ScoreProgram, BadImageIsReportedAndTheOthersAreScored) {
  std::ofstream(folder_ / "images/aa.bmp") << "no picture";
  write_png((folder_ / "images/small.png").string(), picture(9, 9, 1));
  EXPECT_EQ(run("--data_path images --pretrained_path . --json s.json"), 1);
  EXPECT_NE(output_.find("aa.bmp"), std::string::npos) << output_;
  EXPECT_NE(output_.find("small.png"), std::string::npos) << output_;
  EXPECT_EQ(json("s.json")["images"].size(), 2u);
  EXPECT_EQ(run("--data_path images --pretrained_path . --img_ext PNG --quiet"), 1);
  EXPECT_EQ(output_.find("aa.bmp"), std::string::npos) << "--img_ext leaves it out";
  EXPECT_EQ(output_.find("mean"), std::string::npos) << "--quiet prints errors only";
}

// A grey JPEG without its end marker, which is all that it lacks.
std::string jpeg_without_end(const Raster& grey) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long length = 0;
  jpeg_mem_dest(&jpeg, &bytes, &length);
  jpeg.image_width = static_cast<JDIMENSION>(grey.window.w);
  jpeg.image_height = static_cast<JDIMENSION>(grey.window.h);
  jpeg.input_components = 1, jpeg.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<JSAMPLE> row(static_cast<size_t>(grey.window.w));
  while (jpeg.next_scanline < jpeg.image_height) {
    std::copy_n(grey.data<uint8_t>() + jpeg.next_scanline * row.size(), row.size(), row.begin());
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&jpeg, &rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  const std::string file(bytes, bytes + length - 2);
  std::free(bytes);
  return file;
}

TEST_F(ScoreProgram, WhatADecoderWarnedOfIsSaidOfItsImage) {
  std::ofstream(folder_ / "images/c.jpg", std::ios::binary) << jpeg_without_end(picture(40, 32, 1));
  EXPECT_EQ(run("--data_path images --pretrained_path ."), 0) << output_;
  EXPECT_NE(
      output_.find("c.jpg: the decoder warned, but no pixel is lost: Premature end of JPEG file\nc.jpg  "),
      std::string::npos)
      << output_;
  EXPECT_EQ(output_.find("warned"), output_.rfind("warned")) << output_;
}

TEST_F(ScoreProgram, StatusSaysWhatWasWrong) {
  EXPECT_EQ(run("--help"), 0);
  EXPECT_NE(output_.find("--self_ensemble"), std::string::npos);
  EXPECT_EQ(run("--version"), 0);
  EXPECT_EQ(run("--data_path images --pretrained_path . --upsampling_factor 5"), 2);
  EXPECT_EQ(run("--data_path images --pretrained_path . --device gpu"), 2);
  EXPECT_EQ(run("--data_path images --pretrained_path . --device cuda:99"), 1);
  EXPECT_EQ(run("--data_path missing --pretrained_path ."), 1);
  EXPECT_NE(output_.find("missing"), std::string::npos);
  EXPECT_EQ(run("--data_path images --pretrained_path . --upsampling_factor 3"), 1);
  EXPECT_NE(output_.find("x2"), std::string::npos) << "it says which weights there are: " << output_;
  EXPECT_EQ(run("--data_path images --pretrained_path x2/ckpts/ckpt-00000000.sr --upsampling_factor 3"), 1);
  EXPECT_EQ(run("--data_path images --pretrained_path . --img_ext .gif"), 1);
}

TEST_F(ScoreProgram, AJsonThatCannotBeWrittenIsSaidBeforeAllComputing) {
  for (const std::string name : {"no/such/s.json", "images"}) {
    EXPECT_EQ(run("--data_path images --pretrained_path . --json " + name), 1);
    EXPECT_EQ(output_.find("score_superres_net: error: cannot write " + name), 0u) << output_;
    EXPECT_EQ(std::count(output_.begin(), output_.end(), '\n'), 1) << output_;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 3) << "images, out and x2";
}

}  // namespace
}  // namespace sr

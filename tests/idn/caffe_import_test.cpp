#include "idn/caffe_import.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "io/output_file.h"
#include "tensor/error.h"
#include "tests/support/caffe_file.h"
#include "tests/support/shared_data.h"

namespace sr {
namespace {

class CaffeImport : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  Model import(const std::vector<LayerText>& layers, int factor) {
    std::ofstream(path_, std::ios::binary) << caffemodel_of(layers);
    return import_caffemodel(path_, factor);
  }
  std::string error_of(const std::vector<LayerText>& layers, int factor) {
    try {
      import(layers, factor);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::format);
      EXPECT_EQ(std::string(error.what()).rfind(path_, 0), 0u) << "the file is not named";
      return error.what();
    }
    return "no error";
  }

  std::string path_ =
      (std::filesystem::temp_directory_path() / ("idn_caffe_import_test-" + std::to_string(::getpid())))
          .string();
};

TEST_F(CaffeImport, PutsEveryWeightInItsPlace) {
  const auto layers = idn_layers(3);
  const Model model = import(layers, 3);
  ASSERT_EQ(model.params->list().size(), 2 * layers.size());
  EXPECT_EQ(model.params->count(), 552'769);
  for (size_t i = 0; i < layers.size(); ++i) {
    const Tensor& weight = model.params->list()[2 * i].var.value();
    const Shape s = weight.shape();
    const float* value = weight.data();
    for (int64_t o = 0; o < s.n; ++o)
      for (int64_t y = 0; y < s.h; ++y)
        for (int64_t x = 0; x < s.w; ++x)
          for (int64_t c = 0; c < s.c; ++c)
            ASSERT_EQ(*value++, caffe_value(i, ((o * s.c + c) * s.h + y) * s.w + x)) << layers[i].name;
    const Tensor& bias = model.params->list()[2 * i + 1].var.value();
    for (int64_t c = 0; c < bias.shape().c; ++c)
      ASSERT_EQ(bias.data()[c], -caffe_value(i, c)) << layers[i].name;
  }
}

TEST_F(CaffeImport, GivesTheConventionsOfTheAuthors) {
  for (const int factor : {2, 3, 4}) {
    const Model model = import(idn_layers(static_cast<uint64_t>(factor)), factor);
    NetworkOptions expected;
    expected.factor = factor;
    expected.crop_begin = 9 - factor;
    expected.compression_activation = true;
    EXPECT_EQ(model.options(), expected);
    EXPECT_EQ(model.luma, LumaConvention::studio);
    EXPECT_EQ(model.means, (MeanValues{{0}, {0}, {0}}));
    EXPECT_TRUE(model.ranges.empty());
    EXPECT_EQ(model.origin, "imported from " + std::filesystem::path(path_).filename().string());
  }
}

TEST_F(CaffeImport, AnotherFactorIsAnErrorThatTellsTheRightOne) {
  EXPECT_NE(error_of(idn_layers(3), 2).find("give --upsampling_factor 3"), std::string::npos);
  EXPECT_NE(error_of(idn_layers(2), 4).find("give --upsampling_factor 2"), std::string::npos);
}

TEST_F(CaffeImport, AnotherNetworkIsAnErrorThatNamesTheLayer) {
  const auto error_after = [&](const std::function<void(std::vector<LayerText>&)>& change) {
    auto layers = idn_layers(2);
    change(layers);
    return error_of(layers, 2);
  };
  EXPECT_NE(error_after([](auto& l) { l.pop_back(); }).find("upsample is missing"), std::string::npos);
  EXPECT_NE(error_after([](auto& l) { l.erase(l.begin() + 4); }).find("\"conv3_4\""), std::string::npos);
  EXPECT_NE(error_after([](auto& l) { std::swap(l[2], l[9]); }).find("\"conv4_1\""), std::string::npos);
  EXPECT_NE(error_after([](auto& l) {
              l.push_back({"more", "Convolution", {1, 1, 1, 1}});
            }).find("\"more\""),
            std::string::npos);
  EXPECT_NE(error_after([](auto& l) { l[5].shape = {64, 48, 5, 5}; }).find("conv3_4"), std::string::npos);
  EXPECT_NE(error_after([](auto& l) { l[0].shape = {64, 3, 3, 3}; }).find("conv1"), std::string::npos);
}

std::vector<float> floats_of(const std::string& path) {
  const std::string bytes = read_file(path, 1 << 24);
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), 4 * values.size());
  return values;
}

// The golden result leaves out the first factor - 1 rows and columns of the full grid.
TEST(AuthorsWeights, GiveTheGoldenResult) {
  const NoGrad no_grad;
  for (const int factor : {2, 3, 4}) {
    const std::string x = std::to_string(factor), golden = shared_data("golden/idn_x" + x);
    const std::string weights = shared_data("reference/idn_caffe/IDN_x" + x + ".caffemodel");
    if (golden.empty() || weights.empty()) GTEST_SKIP() << "the authors' weights are not on this machine";
    const Model model = import_caffemodel(weights, factor);
    const auto image = Tensor::from({2, 20, 20, 1}, floats_of(golden + "/lr.f32"));
    const Tensor residual = (*model.network)(Var(image)).value();
    const auto bicubic = floats_of(golden + "/bicubic.f32"), expected = floats_of(golden + "/sr.f32");
    const int64_t full = 20 * factor, skipped = factor - 1, part = full - skipped;
    ASSERT_EQ(residual.shape(), (Shape{2, full, full, 1}));
    ASSERT_EQ(static_cast<int64_t>(expected.size()), 2 * part * part);
    for (int64_t i = 0; i < 2 * part * part; ++i) {
      const int64_t at = ((i / (part * part)) * full + i / part % part + skipped) * full + i % part + skipped;
      const float sum = residual.data()[at] + bicubic[static_cast<size_t>(at)];
      ASSERT_NEAR(sum, expected[static_cast<size_t>(i)], 2e-5) << "x" << factor << " at " << i;
    }
  }
}

}  // namespace
}  // namespace sr

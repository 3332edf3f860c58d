#include "io/formats/caffe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "io/output_file.h"
#include "tensor/error.h"
#include "tests/support/caffe_file.h"
#include "tests/support/golden.h"
#include "tests/support/shared_data.h"

namespace sr {
namespace {

std::string small_net() {
  return field(1, "net") + layer("data", "Input", field(4, "data")) +
         layer("conv", "Convolution", blob({2, 1, 1, 2}, {1, 2, 3, 4}) + blob({2}, {5, 6})) +
         layer("relu", "ReLU", "") +
         layer("up", "Deconvolution",
               blob({2, 1, 1, 1}, {7, 8}) + blob({1}, {9}) + field(106, field(3, 8) + field(6, 3)));
}

class Caffemodel : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::vector<CaffeLayer> load(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return load_caffemodel(path_);
  }
  std::string error_of(const std::string& bytes) {
    try {
      load(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::format);
      EXPECT_NE(std::string(error.what()).find(path_), std::string::npos);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::string path_ = (std::filesystem::temp_directory_path() /
                       ("io_formats_caffe_test-" + std::to_string(::getpid()) + ".caffemodel"))
                          .string();
};

TEST_F(Caffemodel, GivesTheLayersThatHaveWeights) {
  const auto layers = load(small_net());
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "conv");
  EXPECT_EQ(layers[0].type, "Convolution");
  EXPECT_EQ(layers[0].shapes, (std::vector<std::vector<int64_t>>{{2, 1, 1, 2}, {2}}));
  EXPECT_EQ(layers[0].blobs, (std::vector<std::vector<float>>{{1, 2, 3, 4}, {5, 6}}));
  EXPECT_EQ(layers[0].stride, 1);
  EXPECT_EQ(layers[1].name, "up");
  EXPECT_EQ(layers[1].type, "Deconvolution");
  EXPECT_EQ(layers[1].blobs, (std::vector<std::vector<float>>{{7, 8}, {9}}));
  EXPECT_EQ(layers[1].stride, 3);
}

TEST_F(Caffemodel, TruncatedGivesAnErrorOrOnlyWholeLayers) {
  const std::string whole = small_net();
  const auto all = load(whole);
  size_t errors = 0;
  for (size_t length = 0; length < whole.size(); ++length) try {
      const auto layers = load(whole.substr(0, length));
      ASSERT_LT(layers.size(), all.size() + (length > whole.size() - 3));
      for (size_t i = 0; i < layers.size(); ++i) EXPECT_EQ(layers[i].blobs, all[i].blobs);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::format);
      ++errors;
    }
  EXPECT_GT(errors, whole.size() - 5);  // a protobuf message may end wherever a layer ends
}

TEST_F(Caffemodel, BlobMustHaveAsManyValuesAsItsShapeSays) {
  const int64_t huge = int64_t{1} << 40;
  for (const auto& shape : std::vector<std::vector<int64_t>>{
           {2}, {4}, {}, {-3}, {-1, -3}, {0}, {3, 0}, {huge, huge}, {huge, huge, huge, huge}}) {
    EXPECT_NE(error_of(layer("conv", "Convolution", blob(shape, {1, 2, 3}))).find("layer \"conv\""),
              std::string::npos);
  }
  EXPECT_NO_THROW(load(layer("conv", "Convolution", blob({3}, {1, 2, 3}))));
}

TEST_F(Caffemodel, OldBlobSizesGiveTheShapesThatTodaysGive) {
  const auto old = load(
      layer("conv", "Convolution", old_blob({1, 2, 1, 2}, {1, 2, 3, 4}) + old_blob({1, 1, 1, 2}, {5, 6})) +
      layer("one", "Convolution", old_blob({1, 1, 1, 1}, {7}) + old_blob({1, 1, 1, 1}, {8})));
  ASSERT_EQ(old.size(), 2u);
  EXPECT_EQ(old[0].shapes, (std::vector<std::vector<int64_t>>{{1, 2, 1, 2}, {2}}));
  EXPECT_EQ(old[0].blobs, (std::vector<std::vector<float>>{{1, 2, 3, 4}, {5, 6}}));
  EXPECT_EQ(old[1].shapes, (std::vector<std::vector<int64_t>>{{1, 1, 1, 1}, {1}}));
  EXPECT_NE(error_of(layer("conv", "Convolution", old_blob({2, 2, 1, 2}, {1, 2, 3}))).find("[2, 2, 1, 2]"),
            std::string::npos);
}

TEST_F(Caffemodel, LayersOfOldFormatsAreNamedWithTheWayOut) {
  // name 4, type 5, blobs 6
  const std::string v1 = field(2, field(4, "conv1") + field(5, 4) + field(6, field(5, std::string(4, '\0'))));
  EXPECT_NE(error_of(field(1, "net") + v1).find("upgrade_net_proto_binary"), std::string::npos);
}

TEST_F(Caffemodel, ForeignFilesAreErrors) {
  error_of("");
  error_of("this is a text\n");
  error_of(layer("relu", "ReLU", ""));
  error_of(std::string(100'000, '\0'));
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::string noise(1 + random() % 2000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    error_of(noise);
  }
}

TEST_F(Caffemodel, RandomDamageNeverCrashes) {
  const std::string whole = small_net();
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = whole;
    for (size_t changes = 1 + random() % 4; changes > 0; --changes)
      bad[random() % bad.size()] = static_cast<char>(random());
    try {
      for (const CaffeLayer& l : load(bad)) EXPECT_EQ(l.shapes.size(), l.blobs.size());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::format);
    }
  }
}

TEST_F(Caffemodel, MissingFileIsASystemError) {
  try {
    load_caffemodel(path_);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::io);
  }
}

TEST(AuthorsCaffemodel, HasTheLayersOfTheNetwork) {
  for (const int factor : {2, 3, 4}) {
    const std::string x = std::to_string(factor);
    const std::string path = shared_data("reference/idn_caffe/IDN_x" + x + ".caffemodel");
    const std::string golden = shared_data("golden/idn_x" + x);
    if (path.empty() || golden.empty()) GTEST_SKIP() << "the authors' weights are not on this machine";
    const auto layers = load_caffemodel(path);
    std::vector<std::string> names;
    size_t count = 0;
    for (const CaffeLayer& l : layers) {
      ASSERT_EQ(l.blobs.size(), 2u) << l.name;
      names.push_back(l.name + ".weight");
      names.push_back(l.name + ".bias");
      for (const auto& values : l.blobs) count += values.size();
      EXPECT_EQ(l.type, l.name == "upsample" ? "Deconvolution" : "Convolution");
      EXPECT_EQ(l.stride, l.name == "upsample" ? factor : 1);
    }
    EXPECT_EQ(names, golden_words(golden, "parameter_order"));
    EXPECT_EQ(count, 552'769u);
  }
}

}  // namespace
}  // namespace sr

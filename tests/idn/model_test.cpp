#include "idn/model.h"
#include "idn/checkpoint_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "io/formats/checkpoint.h"
#include "io/json_text.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"

namespace sr {
namespace {

using enum Error::Kind;
using nlohmann::json;

NetworkOptions small_options() {
  return {.factor = 3,
          .nchan = 2,
          .num_FB_layers = 1,
          .num_Dist_blocks = 1,
          .compression_activation = false,
          .crop_begin = 5};
}

class ModelFiles : public testing::Test {
 protected:
  /// A saved model after `change` was made to its checkpoint.
  template <class Change>
  std::string changed(Change&& change) {
    const std::string path = folder_ / "model.sr";
    Model(small_options()).save(path);
    Checkpoint checkpoint = load_checkpoint(path);
    change(checkpoint);
    save_checkpoint(path, checkpoint);
    return path;
  }
  std::string with_meta(const std::string& key, const json& value) {
    return changed([&](Checkpoint& c) {
      json meta = json::parse(c.meta);
      meta[key] = value;
      c.meta = meta.dump();
    });
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  TestFolder folder_;
};

TEST_F(ModelFiles, WhatIsSavedComesBackToTheLastBit) {
  Model model(small_options(), 7);
  model.luma = LumaConvention::studio;
  model.means = {{0.1, 1.0 / 3}, {0.25, 1e-300}, {-2.5, 0.7}};
  model.ranges = {{-1.5, 4095}};
  model.origin = "a \"name\" with quotes, and \xc3\xbc";
  const std::string path = folder_ / "model.sr";
  model.save(path);
  const Model loaded = Model::load(path);
  EXPECT_EQ(loaded.options(), model.options());
  EXPECT_EQ(loaded.luma, model.luma);
  EXPECT_EQ(loaded.means, model.means);
  EXPECT_EQ(loaded.ranges, model.ranges);
  EXPECT_EQ(loaded.origin, model.origin);
  ASSERT_EQ(loaded.params->list().size(), model.params->list().size());
  for (size_t i = 0; i < loaded.params->list().size(); ++i) {
    const Parameter &a = loaded.params->list()[i], &b = model.params->list()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.var.value().to_vector(), b.var.value().to_vector()) << a.name;
  }
  Random random{1};
  const Var image(random_normal({1, 5, 6, 2}, 1, random));
  EXPECT_EQ((*loaded.network)(image).value().to_vector(), (*model.network)(image).value().to_vector());
}

TEST_F(ModelFiles, SpanIsSavedAsWhatItIsAndMergedForUse) {
  const NetworkOptions options{
      .factor = 3, .nchan = 2, .span = SpanOptions{.channels = 16, .blocks = 1, .branches = true}};
  Model model(options, 7);
  model.means = {{0.1, 1.0 / 3}, {0.25, 0}, {-2.5, 0.7}};
  model.ranges = {{-1.5, 4095}};
  model.origin = "a test";
  const std::string path = folder_ / "model.sr";
  model.save(path);
  const Model loaded = Model::load(path), used = Model::load(path, 3);
  EXPECT_EQ(loaded.options(), options);
  EXPECT_FALSE(used.options().span->branches);
  EXPECT_EQ(used.means, model.means);
  EXPECT_EQ(used.ranges, model.ranges);
  EXPECT_EQ(used.origin, model.origin);
  Random random{1};
  const Tensor image = random_normal({1, 5, 6, 2}, 0.3, random);
  EXPECT_EQ(used.residual(image).to_vector(), model.residual(image).to_vector());
  EXPECT_EQ(loaded.residual(image).to_vector(), model.residual(image).to_vector());
}

TEST_F(ModelFiles, TheBaseAndTheUpsamplersChannelsAreRecordedWhereTheyAreNotTheUsualOnes) {
  const std::string path = folder_ / "model.sr";
  NetworkOptions options = small_options();
  Model(options).save(path);
  EXPECT_EQ(json::parse(load_checkpoint(path).meta).count("base"), 0u);
  EXPECT_EQ(Model::load(path).options().base, Base::bicubic);
  options = {.factor = 3, .nchan = 2, .base = Base::none};
  options.span = SpanOptions{.channels = 16, .blocks = 1, .branches = true, .joined = 32};
  Model(options).save(path);
  EXPECT_EQ(json::parse(load_checkpoint(path).meta).at("base"), "none");
  EXPECT_EQ(Model::load(path).options(), options);
  const Model used = Model::load(path, 3);
  EXPECT_EQ(used.options().base, Base::none);
  EXPECT_EQ(used.options().span->joined, 32);
  expect_error(unsupported, "base is 'lanczos', which this version does not know; it knows bicubic and none",
               [&] { Model::load(with_meta("base", "lanczos")); });
  expect_error(format, "its options cannot be read", [&] { Model::load(with_meta("base", 1)); });
}

TEST_F(ModelFiles, AModelWithoutARangeStaysWithoutOne) {
  const std::string path = folder_ / "model.sr";
  Model(small_options()).save(path);
  EXPECT_TRUE(Model::load(path).ranges.empty());
  EXPECT_EQ(Model::load(path).luma, LumaConvention::full);
}

TEST_F(ModelFiles, AllParametersThatDoNotFitAreNamedAtOnce) {
  const std::string path = changed([](Checkpoint& c) {
    for (auto& [name, tensor] : c.tensors) {
      if (name == "features.0.weight") name = "features.9.weight";
      if (name == "upsample.weight") tensor = Tensor::zeros({64, 17, 17, 3});
      if (name == "blocks.0.conv2.bias") name = "surplus";
    }
  });
  for (const char* part : {"model.sr", "features.0.weight is missing", "features.9.weight is unknown",
                           "upsample.weight is [64, 17, 17, 3], want [64, 17, 17, 2]",
                           "blocks.0.conv2.bias is missing", "surplus is unknown"})
    expect_error(format, part, [&] { Model::load(path); });
}

TEST_F(ModelFiles, WeightsThatAreNoNumbersAreRefused) {
  for (const float none : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Model model(NetworkOptions{.num_FB_layers = 1, .num_Dist_blocks = 0});
    Tensor bias = model.params->list()[1].var.value();
    bias.data()[3] = none;
    model.save(folder_ / "model.sr");
    expect_error(format, "features.0.bias holds NaN or infinity", [&] { Model::load(folder_ / "model.sr"); });
  }
}

TEST_F(ModelFiles, OptionsThatCannotBeAreErrorsThatNameTheFile) {
  expect_error(usage, "model.sr: network: upsampling_factor is 7",
               [&] { Model::load(with_meta("factor", 7)); });
  expect_error(format, "model.sr", [&] { Model::load(with_meta("factor", "two")); });
  expect_error(unsupported, "'tanh'", [&] { Model::load(with_meta("compression_activation", "tanh")); });
  expect_error(unsupported, "'bt2020'", [&] { Model::load(with_meta("luma", "bt2020")); });
  expect_error(unsupported, "'edsr'", [&] { Model::load(with_meta("network", "edsr")); });
  expect_error(format, "the lower first", [&] { Model::load(with_meta("value_range", {5, 5})); });
  expect_error(format, "down has 1 numbers, the network 2", [&] {
    Model::load(with_meta("mean_values", {{"gt", {0, 0}}, {"down", {0}}, {"bic_up", {0, 0}}}));
  });
  expect_error(format, "model.sr", [&] { Model::load(changed([](Checkpoint& c) { c.meta = "{}"; })); });
  // More blocks than the file has parameters for: every missing one is told.
  expect_error(format, "blocks.1.compress.bias is missing",
               [&] { Model::load(with_meta("num_Dist_blocks", 2)); });
}

TEST_F(ModelFiles, TheCheckpointWithTheHighestStepIsUsed) {
  for (const int64_t step : {9, 10, 8}) Model(small_options()).save(checkpoint_name(folder_.path(), 3, step));
  write("x3/ckpts/ckpt-00000099.sr.part", "unfinished");
  write("x3/ckpts/ckpt-newest.sr", "no step");
  write("x3/ckpts/ckpt-.sr", "no step");
  write("x3/ckpts/notes.txt", "");
  const std::string best = folder_ / "x3/ckpts/ckpt-00000010.sr";
  EXPECT_EQ(find_checkpoint(folder_.path(), 3), best);
  EXPECT_EQ(find_checkpoint(best, 2), best) << "a file is taken as it is";
  // Steps are numbers, not text.
  EXPECT_EQ(checkpoint_name(folder_.path(), 3, 123456789), folder_ / "x3/ckpts/ckpt-123456789.sr");
  Model(small_options()).save(checkpoint_name(folder_.path(), 3, 123456789));
  EXPECT_EQ(find_checkpoint(folder_.path(), 3), folder_ / "x3/ckpts/ckpt-123456789.sr");
}

TEST_F(ModelFiles, AMissingFolderNamesTheFactorsThatAreThere) {
  expect_error(io, "x2/ckpts: no such folder; --pretrained_path wants",
               [&] { find_checkpoint(folder_.path(), 2); });
  Model(small_options()).save(checkpoint_name(folder_.path(), 3, 0));
  checkpoint_name(folder_.path(), 4, 0);
  expect_error(io, "there are weights for x3 x4 only", [&] { find_checkpoint(folder_.path(), 2); });
  expect_error(io, "x4/ckpts: holds no checkpoint (ckpt-STEP.sr)",
               [&] { find_checkpoint(folder_.path(), 4); });
  write("file", "");
  expect_error(io, "choose a folder", [&] { checkpoint_name(folder_ / "file", 2, 0); });
}

TEST_F(ModelFiles, MeanValuesComeBackAndBadOnesNameTheFile) {
  const MeanValues means{{0.5, 0.1}, {1.0 / 3, 2}, {3, 4}};
  const std::string path = folder_ / "mean_values.json";
  save_mean_values(path, means);
  EXPECT_EQ(load_mean_values(path, 2), means);
  expect_error(format, "mean_values.json: mean values: gt has 2 numbers, the network 1 channels",
               [&] { load_mean_values(path, 1); });
  expect_error(io, "nowhere.json", [&] { load_mean_values(folder_ / "nowhere.json", 1); });
  for (const char* text : {"", "no json", "[1, 2]", R"({"gt": [1], "down": [1]})",
                           R"({"gt": [1], "down": ["x"], "bic_up": [1]})", "{\"gt\": \xff}"})
    expect_error(format, "bad.json: not mean values; want",
                 [&] { load_mean_values(write("bad.json", text), 1); });
}

TEST(Luma, ChangingAllColoursByTheGainChangesLumaByOne) {
  for (const LumaConvention convention : {LumaConvention::full, LumaConvention::studio}) {
    const LumaCoefficients c = coefficients(convention);
    EXPECT_NEAR((c.r + c.g + c.b) * c.rgb_gain, 1, 1e-9);
  }
  // MATLAB: rgb2ycbcr(ones(1, 1, 3)) is 235/255, of zeros 16/255.
  const LumaCoefficients studio = coefficients(LumaConvention::studio);
  EXPECT_NEAR(studio.offset + studio.r + studio.g + studio.b, 235.0 / 255, 1e-9);
  EXPECT_NEAR(studio.offset, 16.0 / 255, 1e-9);
}

}  // namespace
}  // namespace sr

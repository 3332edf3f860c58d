#include "idn/safetensors_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "idn/weight_layout.h"
#include "io/formats/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

Model small_model(int blocks) {
  NetworkOptions options;
  options.factor = 3, options.nchan = 2, options.num_Dist_blocks = blocks;
  Model model(options, 4);
  model.ranges = {{0, 4095}, {-1, 1}};
  model.means = {{0.25, 0.5}, {0.1, 0.2}, {0.3, 1.0 / 3}};
  model.luma = LumaConvention::studio;
  model.origin = "a test";
  return model;
}

class SafetensorsWeights : public testing::Test {
 protected:
  Model load(const Safetensors& file) {
    save_safetensors(path_, file);
    return model_of_safetensors(path_);
  }
  void expect_other(const std::string& part, Safetensors file,
                    const std::function<void(Safetensors&)>& change) {
    change(file);
    expect_error(Error::Kind::format, part, [&] { load(file); });
    expect_error(Error::Kind::format, path_, [&] { load(file); });
  }

  TestFolder folder_;
  std::string path_ = folder_ / "w.safetensors";
};

NamedArray& named(Safetensors& file, const std::string& name) {
  return *std::ranges::find(file.arrays, name, &NamedArray::name);
}

TEST_F(SafetensorsWeights, GiveBackTheModelToTheBit) {
  const Model model = small_model(1);
  save_model_as_safetensors(path_, model);
  const Model back = model_of_safetensors(path_);
  EXPECT_EQ(back.to_checkpoint().meta, model.to_checkpoint().meta);
  ASSERT_EQ(back.params->list().size(), model.params->list().size());
  for (size_t i = 0; i < model.params->list().size(); ++i)
    EXPECT_EQ(back.params->list()[i].var.value().to_vector(),
              model.params->list()[i].var.value().to_vector());
}

TEST_F(SafetensorsWeights, AreCalledAsInACheckpointAndOrderedAsInPyTorch) {
  const Model model = small_model(1);
  save_model_as_safetensors(path_, model);
  Safetensors file = load_safetensors(path_);
  EXPECT_EQ(file.arrays.size(), model.params->list().size());
  EXPECT_EQ(named(file, "blocks.0.conv2.weight").shape, (std::vector<int64_t>{32, 12, 3, 3}));
  EXPECT_EQ(named(file, "blocks.0.conv2.bias").shape, (std::vector<int64_t>{32}));
  EXPECT_EQ(named(file, "upsample.weight").shape, (std::vector<int64_t>{64, 2, 17, 17}));
  const Tensor ours =
      std::ranges::find(model.params->list(), "upsample.weight", &Parameter::name)->var.value();
  const auto at = [](int64_t n, int64_t c, int64_t y, int64_t x) {
    return static_cast<size_t>(((n * 2 + c) * 17 + y) * 17 + x);
  };
  EXPECT_EQ(named(file, "upsample.weight").values[at(5, 1, 3, 16)],
            ours.data()[((5 * 17 + 3) * 17 + 16) * 2 + 1]);
}

// The model as https://github.com/yjn870/IDN-pytorch would hold it.
Safetensors idn_pytorch_file(const Model& model) {
  Safetensors file;
  for (const Parameter& p : model.params->list()) {
    NamedArray array = channels_first(p.name, p.var.value());
    const auto replace = [&](const std::string& ours, const std::string& theirs) {
      const size_t place = array.name.find(ours);
      if (place != std::string::npos) array.name.replace(place, ours.size(), theirs);
    };
    if (p.name.find("conv3") != std::string::npos)  // there the last 16 channels skip the rest
      std::ranges::rotate(array.values, array.values.begin() + static_cast<int64_t>(array.values.size()) / 4);
    replace("features.0", "fblock.module.0"), replace("features.1", "fblock.module.2");
    replace("blocks.", "dblocks."), replace("conv1", "enhancement_top.0"),
        replace("conv2", "enhancement_top.2");
    replace("conv3", "enhancement_top.4"), replace("conv4", "enhancement_bottom.0"),
        replace("conv5", "enhancement_bottom.2");
    replace("conv6", "enhancement_bottom.4"), replace("compress", "compression"),
        replace("upsample", "deconv");
    file.arrays.push_back(array);
  }
  return file;
}

Model idn_pytorch_model() {
  NetworkOptions options;
  options.nchan = 3, options.num_Dist_blocks = 2, options.compression_activation = false,
  options.crop_begin = 8;
  return Model(options, 9);
}

TEST_F(SafetensorsWeights, ComeFromIdnPytorchWithTheSkippedChannelsTurned) {
  const Model expected = idn_pytorch_model(), model = load(idn_pytorch_file(expected));
  EXPECT_EQ(model.options(), expected.options());
  EXPECT_NE(model.origin.find("w.safetensors (IDN-pytorch; trained to be added to PyTorch's bicubic"),
            std::string::npos);
  for (size_t i = 0; i < expected.params->list().size(); ++i)
    EXPECT_EQ(model.params->list()[i].var.value().to_vector(),
              expected.params->list()[i].var.value().to_vector())
        << expected.params->list()[i].name;
}

TEST_F(SafetensorsWeights, OtherNetworksAreErrorsThatNameTheTensors) {
  const Safetensors theirs = idn_pytorch_file(idn_pytorch_model());
  expect_other("features.0.bias is missing", theirs,
               [](auto& f) { named(f, "fblock.module.0.bias").name = "other"; });
  expect_other("other is unknown", theirs, [](auto& f) { named(f, "fblock.module.0.bias").name = "other"; });
  expect_other("blocks.1.conv2.weight is [32, 3, 3, 48]", theirs, [](auto& f) {
    named(f, "dblocks.1.enhancement_top.2.weight") = {
        "dblocks.1.enhancement_top.2.weight", {32, 48, 3, 3}, std::vector<float>(32 * 48 * 9)};
  });
  expect_other("neither a convolution's weight", theirs, [](auto& f) {
    named(f, "deconv.bias").shape = {3, 1};
  });
  expect_other("the first is \"Enhan_unit1.compress.weight\"", {}, [](auto& f) {
    f.arrays = {{"Enhan_unit1.compress.weight", {1}, {1}}};
  });
  expect_other("there are none", {}, [](auto&) {});
  expect_other("its options cannot be read", theirs, [](auto& f) { f.metadata["superres"] = "[]"; });
  save_model_as_safetensors(path_, small_model(0));
  Safetensors ours = load_safetensors(path_);
  expect_other("upsample.weight is missing", ours,
               [](auto& f) { named(f, "upsample.weight").name = "up.weight"; });
}

}  // namespace
}  // namespace sr

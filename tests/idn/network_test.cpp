#include "idn/network.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/layers/layer_checks.h"
#include "tests/support/expect_error.h"
#include "tests/support/simd_sets.h"

namespace sr {
namespace {

using reference::Array;

struct Built {
  Params params;
  Network network;
  Built(const NetworkOptions& options, uint64_t seed = 1) : params(seed), network(params.scope(), options) {
    // The biases start as zeros, which would hide a missing one.
    Random random{seed + 100};
    for (Parameter& p : params.list())
      if (p.name.ends_with("bias")) p.var.set_value(random_normal(p.var.shape(), 0.1, random));
  }
};

NetworkOptions options_for(int factor) {
  return {.factor = factor, .crop_begin = 9 - factor};
}

TEST(Network, EveryInstructionSetAgreesWithDoublePrecisionLoops) {
  std::vector<NetworkOptions> variants{options_for(2), options_for(3), options_for(4)};
  variants.push_back({.factor = 3, .nchan = 3, .num_FB_layers = 3, .num_Dist_blocks = 1, .crop_begin = 5});
  variants.push_back({.factor = 2, .num_Dist_blocks = 2, .compression_activation = false});
  variants.push_back({.factor = 4, .nchan = 2, .num_FB_layers = 1, .num_Dist_blocks = 0, .crop_begin = 0});
  Random random{1};
  for (const NetworkOptions& o : variants) {
    const Built built(o);
    const Tensor image = random_normal({2, 5, 7, o.nchan}, 0.3, random);
    const Array expected = reference::network(reference::arrays_of(built.params), o, Array(image));
    const NoGrad none;
    for_each_simd([&] {
      const Tensor y = built.network(Var(image)).value();
      EXPECT_EQ(y.shape(), (Shape{2, 5 * o.factor, 7 * o.factor, o.nchan}));
      EXPECT_LT(reference::difference(y, expected), 2e-5) << "x" << o.factor;
    });
  }
}

TEST(Network, HasTheParametersOfThePaper) {
  for (const int factor : {2, 3, 4}) {
    const Built built(options_for(factor));
    EXPECT_EQ(built.params.count(), 552769);
    EXPECT_EQ(built.params.list().size(), 62u);
    std::set<std::string> names;
    for (const Parameter& p : built.params.list()) names.insert(p.name);
    EXPECT_EQ(names.size(), 62u) << "names are unique";
  }
  const Built built(options_for(2));
  EXPECT_EQ(built.params.list().front().name, "features.0.weight");
  EXPECT_EQ(built.params.list()[4].name, "blocks.0.conv1.weight");
  EXPECT_EQ(built.params.list().back().name, "upsample.bias");
}

TEST(Network, BiasesAndTheUpsamplerLearnAtATenthOfTheRate) {
  const Built built(options_for(2));
  for (const Parameter& p : built.params.list())
    EXPECT_EQ(p.rate, p.name.ends_with("bias") || p.name.starts_with("upsample") ? 0.1f : 1.0f) << p.name;
}

TEST(Network, ReachesAsFarAsItSaysAndNoFarther) {
  const Reach expected[] = {{30, 30}, {29, 28}, {28, 28}};
  for (const int factor : {2, 3, 4}) {
    const Built built(options_for(factor));
    EXPECT_EQ(built.network.reach(), expected[factor - 2]) << "x" << factor;
    expect_stated_reach(built.network, 1);
  }
  expect_stated_reach(Built({.factor = 2, .num_FB_layers = 1, .num_Dist_blocks = 1, .crop_begin = 3}).network,
                      1);
}

TEST(Network, ImpossibleOptionsAreErrors) {
  using enum Error::Kind;
  const auto build = [](NetworkOptions o) { return [o] { Built built(o); }; };
  expect_error(usage, "upsampling_factor is 5", build({.factor = 5}));
  expect_error(usage, "nchan is 0", build({.nchan = 0}));
  expect_error(usage, "num_FB_layers is 0", build({.num_FB_layers = 0}));
  expect_error(usage, "num_Dist_blocks is -1", build({.num_Dist_blocks = -1}));
  expect_error(usage, "crop is 16", build({.crop_begin = 16}));
  expect_error(shape, "", [] { Built(NetworkOptions{}).network(Var(Tensor::zeros({1, 4, 4, 2}))); });
}

// The network and its parts through all that is asked of a layer.
TEST(Network, FeatureBlockIsSoundAsALayer) {
  const NetworkOptions o{.nchan = 2};
  check_layer(
      {2, 5, 6, 2}, 38144, [=](const ParamScope& p) { return FeatureBlock(p, o); },
      [=](const Array& x, const reference::Arrays& p) {
        return reference::features(reference::PlainLayers{p}, "", 2, x);
      });
}

TEST(Network, DistillationBlockIsSoundAsALayer) {
  check_layer(
      {1, 4, 5, 64}, 124176, [](const ParamScope& p) { return DistillationBlock(p, {}); },
      [](const Array& x, const reference::Arrays& p) {
        return reference::distillation_block(reference::PlainLayers{p}, "", x);
      });
}

TEST(Network, IsSoundAsALayer) {
  for (const int factor : {2, 3}) {
    const NetworkOptions o{
        .factor = factor, .num_FB_layers = 1, .num_Dist_blocks = 1, .crop_begin = 9 - factor};
    check_layer(
        {1, 3, 4, 1}, 640 + 124176 + 18497, [=](const ParamScope& p) { return Network(p, o); },
        [=](const Array& x, const reference::Arrays& p) { return reference::network(p, o, x); });
  }
}

}  // namespace
}  // namespace sr

#include "idn/network.h"

#include <gtest/gtest.h>

#include <set>

#include "tensor/allocator.h"
#include "tensor/simd.h"
#include "tests/expect_error.h"
#include "tests/reference.h"

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

std::vector<Simd> simd_sets() {
  std::vector<Simd> result;
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512})
    if (simd <= best_simd()) result.push_back(simd);
  return result;
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
    for (const Simd simd : simd_sets()) {
      set_simd(simd);
      const Tensor y = built.network(Var(image)).value();
      EXPECT_EQ(y.shape(), (Shape{2, 5 * o.factor, 7 * o.factor, o.nchan}));
      EXPECT_LT(reference::difference(y, expected), 2e-5) << "x" << o.factor << ' ' << name_of(simd);
    }
    set_simd(best_simd());
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

// The largest distances, in coarse pixels, from which a change of the input is seen at all.
Reach measured_reach(const NetworkOptions& o, int64_t size, int64_t at) {
  const Built built(o);
  const NoGrad none;
  Random random{2};
  Tensor image = random_normal({1, size, 3, o.nchan}, 0.3, random);
  const std::vector<float> before = built.network(Var(image.clone())).value().to_vector();
  for (int64_t k = 0; k < 3 * o.nchan; ++k) image.data()[at * 3 * o.nchan + k] += 100;
  const std::vector<float> after = built.network(Var(image)).value().to_vector();
  Reach reach{-1, -1};
  const int64_t row = o.factor * 3 * o.nchan;
  for (int64_t i = 0; i < size * o.factor; ++i)
    if (!std::equal(before.begin() + i * row, before.begin() + (i + 1) * row, after.begin() + i * row)) {
      reach.before = std::max(reach.before, at - i / o.factor);  // first changed row: looks this far down
      reach.after = i / o.factor - at;                           // last changed row: looks this far up
    }
  return {reach.after, reach.before};
}

TEST(Network, ReachesAsFarAsItSaysAndNoFarther) {
  const Reach expected[] = {{30, 30}, {29, 28}, {28, 28}};
  for (const int factor : {2, 3, 4}) {
    EXPECT_EQ(Built(options_for(factor)).network.reach(), expected[factor - 2]) << "x" << factor;
    EXPECT_EQ(measured_reach(options_for(factor), 64, 32), expected[factor - 2]) << "x" << factor;
  }
  const NetworkOptions shallow{.factor = 2, .num_FB_layers = 1, .num_Dist_blocks = 1, .crop_begin = 3};
  EXPECT_EQ(measured_reach(shallow, 40, 20), Built(shallow).network.reach());
}

TEST(Network, WithoutRecordingItHoldsNoMoreMemoryThanItSays) {
  const Shape shape{1, 20, 16, 1};
  const int64_t stated = Network::peak_channels() * 4 * shape.pixels();
  for (const int factor : {2, 3, 4})
    for (const int blocks : {1, 4, 7}) {
      NetworkOptions options = options_for(factor);
      options.num_Dist_blocks = blocks;
      const Built built(options);
      const Var image(Tensor::zeros(shape));
      const int64_t before = pool_statistics().bytes_in_use;
      reset_pool_peak();
      const NoGrad none;
      for (int tile = 0; tile < 3; ++tile) built.network(image);
      const int64_t peak = pool_statistics().peak_bytes_in_use - before;
      EXPECT_LE(peak, stated) << factor << ' ' << blocks;
      EXPECT_TRUE(blocks == 1 || peak >= stated) << "the figure is no larger than needed";
      EXPECT_EQ(pool_statistics().bytes_in_use, before);
    }
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

double sum_of_products(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The whole graph: channel views, a value used twice, joined sums. Each parameter's gradient along a random
// direction against the central difference of the double-precision loops.
TEST(Network, GradientsAgreeWithFiniteDifferencesOfTheLoops) {
  constexpr double kStep = 1e-6;
  const NetworkOptions o{.factor = 2, .num_FB_layers = 1, .num_Dist_blocks = 1};
  const Built built(o, 3);
  Random random{4};
  const Tensor image = random_normal({1, 3, 4, 1}, 0.3, random);
  const Var y = built.network(Var(image));
  const Tensor dy = random_normal(y.shape(), 1, random);
  y.backward(dy);
  const reference::Arrays arrays = reference::arrays_of(built.params);
  for (const Parameter& p : built.params.list()) {
    const Array direction(random_normal(p.var.shape(), 1, random)), gradient(p.var.grad());
    const auto moved = [&](double step) {
      reference::Arrays at = arrays;
      std::vector<double>& values = at.at(p.name).values;
      for (size_t i = 0; i < values.size(); ++i) values[i] += step * direction.values[i];
      return sum_of_products(Array(dy).values, reference::network(at, o, Array(image)).values);
    };
    const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    const double scale = std::sqrt(sum_of_products(gradient.values, gradient.values) *
                                   sum_of_products(direction.values, direction.values));
    EXPECT_NEAR(sum_of_products(gradient.values, direction.values), expected, 1e-5 * scale) << p.name;
  }
}

}  // namespace
}  // namespace sr

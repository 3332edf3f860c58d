// SPAN against values of an independent implementation in double precision (PyTorch's operations on padded
// branches, and its pixel shuffle), and through all that is asked of a network.
#include "idn/span.h"

#include <gtest/gtest.h>

#include "idn/model.h"
#include "tensor/bands/network.h"
#include "tests/layers/layer_checks.h"
#include "tests/support/expect_error.h"
#include "tests/support/simd_sets.h"
#include "tests/tensor/bands/families.h"

namespace sr {
namespace {

using reference::Array;

// Numbers that need no file: in a pattern, from -deviation to deviation.
Tensor numbers(const Shape& shape, int64_t salt, double deviation) {
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i)
    t.data()[i] =
        static_cast<float>(static_cast<double>((i * 7919 + salt * 104729) % 1009 - 504) / 504 * deviation);
  return t;
}

double deviation_of(const Parameter& p) {
  const Shape& s = p.var.shape();
  const auto of = [](double scale, int64_t terms) { return scale / std::sqrt(static_cast<double>(terms)); };
  const double scale = p.name.starts_with("features.") ? 1.0 / 64 : p.name.starts_with("blocks.") ? 2 : 1;
  if (p.name == "join.weight") return 1.0 / 8;
  if (p.name == "upsample.weight") return 256.0 / 12;
  if (p.name == "upsample.bias") return 256 * 0.2;
  if (p.name.ends_with("bias")) return 0.2;
  if (p.name.ends_with("expand") || p.name.ends_with("beside")) return of(scale, s.c);
  return of(1, s.h * s.w * s.c);
}

// The directional derivatives of sum(dy * result), and the norms of their terms.
struct GoldenGradient {
  const char* name;
  double along, size;
};
constexpr GoldenGradient kGradients[] = {
    {"features.expand", -22.8821093, 21.4},
    {"features.middle", -0.000878149002, 1.88},
    {"features.reduce", 0.70010918, 1.17},
    {"features.beside", -28.7942318, 69.1},
    {"features.bias", 0.216018837, 0.176},
    {"blocks.0.conv1.expand", -0.074631365, 0.0705},
    {"blocks.0.conv1.middle", -0.0389400863, 1.68},
    {"blocks.0.conv1.reduce", 0.217714325, 0.355},
    {"blocks.0.conv1.beside", -1.13832549, 0.655},
    {"blocks.0.conv1.bias", -0.0163614395, 0.166},
    {"blocks.0.conv2.expand", 0.241494997, 0.0871},
    {"blocks.0.conv2.middle", -0.144104936, 2.17},
    {"blocks.0.conv2.reduce", -0.119191794, 0.275},
    {"blocks.0.conv2.beside", 0.984600966, 0.407},
    {"blocks.0.conv2.bias", -0.54236163, 0.181},
    {"blocks.0.conv3.expand", 0.13306496, 0.0813},
    {"blocks.0.conv3.middle", 0.522029822, 1.45},
    {"blocks.0.conv3.reduce", 0.399521497, 0.357},
    {"blocks.0.conv3.beside", 0.9329726, 0.8},
    {"blocks.0.conv3.bias", 0.30058741, 0.195},
    {"blocks.1.conv1.expand", 0.0180567249, 0.0468},
    {"blocks.1.conv1.middle", -0.318908768, 0.74},
    {"blocks.1.conv1.reduce", -0.105529022, 0.221},
    {"blocks.1.conv1.beside", 0.0861665518, 0.192},
    {"blocks.1.conv1.bias", 0.0725500516, 0.117},
    {"blocks.1.conv2.expand", -0.00412902296, 0.00331},
    {"blocks.1.conv2.middle", 0.0124828508, 0.112},
    {"blocks.1.conv2.reduce", -0.00684683896, 0.0159},
    {"blocks.1.conv2.beside", 0.0289107318, 0.0299},
    {"blocks.1.conv2.bias", -0.00492226559, 0.025},
    {"blocks.1.conv3.expand", 0.000152515411, 0.00138},
    {"blocks.1.conv3.middle", -0.0195919135, 0.0444},
    {"blocks.1.conv3.reduce", -0.00118761453, 0.008},
    {"blocks.1.conv3.beside", 0.0143478349, 0.0215},
    {"blocks.1.conv3.bias", -0.00426788398, 0.0377},
    {"last.expand", -0.00374598517, 0.00278},
    {"last.middle", -0.0015324306, 0.035},
    {"last.reduce", -0.00672365912, 0.0063},
    {"last.beside", 0.00242168614, 0.0204},
    {"last.bias", -0.144668418, 0.188},
    {"join.weight", -1.69551348, 12.8},
    {"join.bias", 0.387447249, 0.737},
    {"upsample.weight", -0.0839350054, 0.0679},
    {"upsample.bias", -0.00019982134, 0.000247},
};
constexpr double kEvery20th[] = {0.267448509,  0.294333161,  0.224522689, 0.223375377,
                                 -0.145938597, 0.205923793,  0.172260456, 0.255795535,
                                 0.207422465,  -0.087191463, 0.231960735, 0.212982612};

Model golden_model() {
  Model model({.factor = 2, .nchan = 2, .span = SpanOptions{.channels = 16, .blocks = 2, .branches = true}});
  int64_t salt = 1;
  for (Parameter& p : model.params->list()) p.var.set_value(numbers(p.var.shape(), salt++, deviation_of(p)));
  return model;
}

Tensor golden_image() {
  return numbers({1, 5, 6, 2}, 100, 0.5);
}

void expect_golden(const Tensor& result, double tolerance) {
  ASSERT_EQ(result.shape(), (Shape{1, 10, 12, 2}));
  for (size_t i = 0; i < std::size(kEvery20th); ++i)
    EXPECT_NEAR(double{result.data()[20 * i]}, kEvery20th[i], tolerance) << i;
}

TEST(GoldenSpan, ResultAndGradientsAgreeOnEveryInstructionSet) {
  for_each_simd([] {
    Model model = golden_model();
    const Var result = (*model.network)(Var(golden_image()));
    expect_golden(result.value(), 2e-6);
    result.backward(numbers(result.shape(), 200, 1));
    ASSERT_EQ(model.params->list().size(), std::size(kGradients));
    for (size_t i = 0; i < std::size(kGradients); ++i) {
      const Parameter& p = model.params->list()[i];
      ASSERT_EQ(p.name, kGradients[i].name);
      const Tensor direction = numbers(p.var.shape(), 300 + static_cast<int64_t>(i), 1);
      double along = 0;
      for (int64_t k = 0; k < p.var.shape().size(); ++k)
        along += double{p.var.grad().data()[k]} * double{direction.data()[k]};
      EXPECT_NEAR(along, kGradients[i].along, 2e-5 * kGradients[i].size) << p.name;
    }
  });
}

TEST(GoldenSpan, RunBandByBandItAgreesInEveryPrecision) {
  const Model model = golden_model();
  for (const Family& family : families()) {
    SCOPED_TRACE(family.name);
    expect_golden(bands::Network(model.network->program(), *family.kernels).run(golden_image()),
                  family.exact ? 2e-6 : 4e-3);
  }
}

TEST(Span, MergedBranchesAreTheNetworkThatWasTrained) {
  const Model trained = golden_model(), merged = Model::merged(golden_model());
  EXPECT_FALSE(merged.options().span->branches);
  EXPECT_EQ(merged.params->count(), 16 * (18 + 7 * 144 + 64 + 72) + 9 * 16 + 2);
  EXPECT_EQ(merged.residual(golden_image()).to_vector(), trained.residual(golden_image()).to_vector())
      << "both are merged in double";
  expect_golden((*merged.network)(Var(golden_image())).value(), 2e-6);
}

TEST(Span, HasTheParametersOfThePaper) {
  for (const int factor : {2, 4}) {
    const Model model({.factor = factor, .span = SpanOptions{}});
    EXPECT_EQ(model.params->count(), 480 + 19 * 20784 + 9264 + 48 * 9 * factor * factor + 1);
    EXPECT_EQ(model.network->reach(), (Reach{21, 21}));
  }
}

TEST(Span, ReachesAsFarAsItSaysAndNoFarther) {
  for (const int factor : {2, 3, 4}) {
    const Model model({.factor = factor, .span = SpanOptions{.channels = 16, .blocks = 2}});
    expect_stated_reach(*model.network, 1);
  }
}

TEST(Span, ImpossibleOptionsAreErrors) {
  const auto build = [](SpanOptions o) { return [o] { Model({.span = o}); }; };
  expect_error(Error::Kind::usage, "channels is 40; want a multiple of 16", build({.channels = 40}));
  expect_error(Error::Kind::usage, "channels is 0", build({.channels = 0}));
  expect_error(Error::Kind::usage, "blocks is 0", build({.blocks = 0}));
}

TEST(Span, BlockIsSoundAsALayer) {
  struct Block : SpanBlock {
    using SpanBlock::SpanBlock;
    Var operator()(const Var& x) const { return SpanBlock::operator()(x).out; }
  };
  check_layer(
      {1, 4, 5, 16}, 3 * (16 * 9 * 16 + 16), [](const ParamScope& p) { return Block(p, {.channels = 16}); },
      [](const Array& x, const reference::Arrays& p) { return reference::span_block(p, "", x).out; });
}

// For images whose sums are near 1, as the bounds of the checks want it.
struct DimmedNetwork : Network {
  using Network::Network;
  Var operator()(const Var& x) const { return scale(Network::operator()(scale(x, 1.0f / 256)), 256); }
};

TEST(Span, IsSoundAsALayer) {
  const NetworkOptions o{.factor = 2, .span = SpanOptions{.channels = 16, .blocks = 1}};
  check_layer(
      {1, 2, 3, 1}, 160 + 4 * 2320 + 1040 + 144 * 4 + 1,
      [=](const ParamScope& p) { return DimmedNetwork(p, o); },
      [=](const Array& x, const reference::Arrays& p) {
        const Array y = reference::network(p, o, reference::map(x, [](double v) { return v / 256; }));
        return reference::map(y, [](double v) { return 256 * v; });
      });
}

}  // namespace
}  // namespace sr

// Convolutions in bfloat16, which training may use: against the loops over rounded factors, each way to
// multiply, and float32 where they do not apply.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "tensor/bands/kernels.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/simd/instruction_set.h"
#include "tests/support/reference.h"

namespace sr {
namespace {

constexpr double kTolerance = 2e-6;  // of the largest value: sums are float32
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Case {
  Shape x, weight;
  Conv2dOptions options;
};

Conv2dOptions options_for(int groups, int pad_begin = 1, int pad_end = 1) {
  return {.pad_begin = pad_begin,
          .pad_end = pad_end,
          .groups = groups,
          .leak = 0.05f,
          .method = Conv2dMethod::bf16};
}

Conv2dOptions strided(int stride, int pad_begin, int pad_end) {
  Conv2dOptions options = options_for(1, pad_begin, pad_end);
  options.stride = stride;
  return options;
}

// The network's layers, channels that fill no tile, more rows than a band, more bands than slots, uneven and
// no padding, kernels of even sides.
std::vector<Case> cases() {
  return {{{2, 9, 13, 64}, {64, 3, 3, 64}, options_for(1)},
          {{1, 12, 8, 64}, {48, 3, 3, 64}, options_for(1)},
          {{1, 7, 11, 48}, {32, 3, 3, 12}, options_for(4)},
          {{1, 8, 10, 64}, {48, 3, 3, 16}, options_for(4)},
          {{1, 6, 9, 32}, {64, 3, 3, 32}, options_for(1)},
          {{2, 5, 6, 48}, {80, 3, 3, 48}, options_for(1)},
          {{2, 5, 7, 80}, {64, 1, 1, 80}, options_for(1, 0, 0)},
          {{3, 9, 4, 33}, {21, 1, 1, 33}, options_for(1, 0, 0)},
          {{19, 4, 3, 19}, {23, 3, 3, 19}, options_for(1)},
          {{1, 45, 40, 17}, {20, 3, 3, 17}, options_for(1)},
          {{2, 3, 600, 16}, {16, 3, 3, 16}, options_for(1)},
          {{1, 6, 6, 27}, {51, 3, 3, 9}, options_for(3)},
          {{1, 9, 9, 40}, {99, 3, 3, 40}, options_for(1)},
          {{1, 9, 10, 16}, {16, 3, 3, 16}, options_for(1, 0, 0)},
          {{1, 4, 5, 16}, {16, 3, 3, 16}, options_for(1, 2, 1)},
          {{1, 8, 7, 16}, {16, 4, 4, 16}, options_for(1, 1, 2)},
          {{1, 10, 11, 32}, {16, 5, 5, 32}, options_for(1, 2, 2)},
          {{2, 14, 18, 1}, {64, 17, 17, 1}, strided(2, 7, 8)},
          {{1, 11, 13, 3}, {33, 5, 5, 3}, strided(3, 2, 2)},
          {{1, 70, 90, 2}, {16, 4, 4, 2}, strided(2, 0, 1)},
          {{1, 1, 1, 17}, {20, 3, 3, 17}, options_for(1)},
          {{2, 2, 3, 32}, {32, 3, 3, 32}, options_for(1)}};
}

// Those that have kernels of their own, and one for which there is AMX's arithmetic in plain code.
std::vector<Simd> ways() {
  std::vector<Simd> result;
  for (const Simd simd : {Simd::avx2, Simd::avx512_bf16, Simd::amx})
    if (simd <= best_simd()) result.push_back(simd);
  return result;
}

Tensor rounded(const Tensor& t) {
  return convert(convert(t, DType::bf16), DType::f32);
}

// The tensor as a view in the middle of a wider one that is NaN elsewhere.
Tensor in_the_middle(const Tensor& t) {
  Shape wide = t.shape();
  wide.c += 12;
  Tensor all(wide);
  std::fill_n(all.data(), wide.size(), kNan);
  for (int64_t p = 0; p < wide.pixels(); ++p)
    std::copy_n(t.data() + p * t.shape().c, t.shape().c, all.data() + p * wide.c + 5);
  return all.channels(5, 5 + t.shape().c);
}

/// Result and gradients of a case.
struct Results {
  std::vector<float> y, dx, dw;
  bool operator==(const Results&) const = default;
};

class Bf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (best_simd() < Simd::avx2) GTEST_SKIP() << "this processor has no AVX2";
  }
  ~Bf16() override {
    set_simd(best_simd());
    omp_set_num_threads(threads_);
  }
  Tensor normal(const Shape& shape, double deviation = 1) { return random_normal(shape, deviation, random_); }
  Tensor normal_weight(const Shape& s) { return normal(s, 1 / std::sqrt(double(s.size()) / double(s.n))); }
  static Results results(const Case& c, const Tensor& x, const Tensor& w, const Tensor& dy) {
    return {conv2d(x, w, {}, c.options).to_vector(), conv2d_grad_input(dy, w, c.x, c.options).to_vector(),
            conv2d_grad_weight(dy, x, c.weight, c.options).to_vector()};
  }
  Random random_{1};
  /// Whether active_simd() multiplies what Winograd's transforms make.
  static bool transforms() { return cpu::bf16_kernels().transforms; }
  int threads_ = omp_get_max_threads();
};

cpu::ConvDims dims_of(const Case& c) {
  const Shape y = conv2d_shape(c.x, c.weight, c.options);
  cpu::ConvDims d;
  d.n = c.x.n, d.h = c.x.h, d.w = c.x.w, d.c = d.x_pitch = c.x.c;
  d.oh = y.h, d.ow = y.w, d.o = d.y_pitch = y.c;
  d.kh = c.weight.h, d.kw = c.weight.w, d.groups = c.options.groups;
  d.pad_h = d.pad_w = c.options.pad_begin;
  return d;
}

/// A convolution at stride 1 by the kernels themselves, with its bias and leak.
Tensor convolved(const cpu::Bf16Kernels& kernels, const Case& c, const Tensor& x, const Tensor& w,
                 const Tensor& b) {
  Tensor y(conv2d_shape(c.x, c.weight, c.options));
  kernels.conv2d(dims_of(c), x.data(), w.data(), false, {b.data(), c.options.leak, {}}, y.data());
  return y;
}

/// The weights' gradient of 3x3 kernels likewise.
Tensor weight_gradient(const cpu::Bf16Kernels& kernels, const Case& c, const Tensor& x, const Tensor& dy) {
  Tensor dw(c.weight);
  kernels.grad_weight(dims_of(c), x.data(), dy.data(), dw.data());
  return dw;
}

bool is_pointwise(const Case& c) {
  return c.weight.h == 1 && c.weight.w == 1;
}

/// Whether products of pairs may take it: see cpu::Bf16Kernels.
bool is_for_pairs(const Case& c) {
  if (is_pointwise(c)) return true;
  return c.weight.h == 3 && c.weight.w == 3 && c.options.stride == 1 && c.weight.c % 2 == 0 &&
         c.weight.n / c.options.groups % 2 == 0;
}

TEST_F(Bf16, AgreesWithDoublePrecisionLoopsOverRoundedFactorsInEachWay) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight), b = normal({1, 1, 1, c.weight.n}, 0.1);
    const Tensor dy = normal(conv2d_shape(c.x, c.weight, c.options));
    const reference::Array bias(b), rx(rounded(x)), rw(rounded(w)), rdy(rounded(dy));
    const auto expected = reference::conv2d(rx, rw, &bias, c.options);
    // At larger strides the gradient for the input is float32's.
    const auto expected_dx =
        c.options.stride == 1
            ? reference::conv2d_grad_input(rdy, rw, c.x, c.options)
            : reference::conv2d_grad_input(reference::Array(dy), reference::Array(w), c.x, c.options);
    const auto expected_dw = reference::conv2d_grad_weight(rdy, rx, c.weight, c.options);
    for (const Simd simd : ways()) {
      set_simd(simd);
      if (transforms()) continue;  // which round other factors
      EXPECT_LT(reference::difference(conv2d(x, w, b, c.options), expected), kTolerance)
          << c.x << c.weight << name_of(simd);
      EXPECT_LT(reference::difference(conv2d_grad_input(dy, w, c.x, c.options), expected_dx), kTolerance)
          << c.x << c.weight << name_of(simd);
      EXPECT_LT(reference::difference(conv2d_grad_weight(dy, x, c.weight, c.options), expected_dw),
                kTolerance)
          << c.x << c.weight << name_of(simd);
    }
  }
}

// Of a tile's 16 outputs the worst has 8 times the direct sums' error, and 10,000 values are 4.5 deviations
// apart.
TEST_F(Bf16, TransformsAroundPairsAgreeWithDoublePrecisionLoops) {
  constexpr double kOfTransforms = 0.06;
  for (const Case& c : cases()) {
    if (!is_for_pairs(c)) continue;
    const Tensor x = normal(c.x), w = normal_weight(c.weight), b = normal({1, 1, 1, c.weight.n}, 0.1);
    const Tensor dy = normal(conv2d_shape(c.x, c.weight, c.options));
    const reference::Array bias(b), rx(x), rw(w), rdy(dy);
    const auto expected = reference::conv2d(rx, rw, &bias, c.options);
    EXPECT_LT(reference::difference(convolved(cpu::software_pairs_kernels(), c, x, w, b), expected),
              kOfTransforms)
        << c.x << c.weight;
    const auto expected_dw = reference::conv2d_grad_weight(rdy, rx, c.weight, c.options);
    if (!is_pointwise(c)) {
      const Tensor dw = weight_gradient(cpu::software_pairs_kernels(), c, x, dy);
      EXPECT_LT(reference::difference(dw, expected_dw), kOfTransforms) << c.x << c.weight;
    }
    set_simd(best_simd());
    if (!transforms()) continue;
    EXPECT_LT(reference::difference(conv2d(x, w, b, c.options), expected), kOfTransforms) << c.x << c.weight;
    EXPECT_LT(reference::difference(conv2d_grad_input(dy, w, c.x, c.options),
                                    reference::conv2d_grad_input(rdy, rw, c.x, c.options)),
              kOfTransforms)
        << c.x << c.weight;
    EXPECT_LT(reference::difference(conv2d_grad_weight(dy, x, c.weight, c.options), expected_dw),
              kOfTransforms)
        << c.x << c.weight;
  }
}

TEST_F(Bf16, PairsWithoutTransformsAgreeWithDoublePrecisionLoopsOverRoundedFactors) {
  const Case list[] = {{{2, 5, 7, 80}, {64, 1, 1, 80}, options_for(1, 0, 0)},
                       {{3, 29, 5, 64}, {80, 1, 1, 64}, options_for(1, 0, 0)},
                       {{1, 3, 8, 17}, {23, 1, 1, 17}, options_for(1, 0, 0)},
                       {{1, 1, 1, 33}, {100, 1, 1, 33}, options_for(1, 0, 0)}};
  for (const Case& c : list) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight), b = normal({1, 1, 1, c.weight.n}, 0.1);
    const reference::Array bias(b), rx(rounded(x)), rw(rounded(w));
    const auto expected = reference::conv2d(rx, rw, &bias, c.options);
    EXPECT_LT(reference::difference(convolved(cpu::software_pairs_kernels(), c, x, w, b), expected),
              kTolerance)
        << c.x << c.weight;
    set_simd(best_simd());
    if (!transforms()) continue;
    EXPECT_LT(reference::difference(conv2d(x, w, b, c.options), expected), kTolerance) << c.x << c.weight;
    const Tensor dy = normal(conv2d_shape(c.x, c.weight, c.options));
    EXPECT_LT(reference::difference(
                  conv2d_grad_input(dy, w, c.x, c.options),
                  reference::conv2d_grad_input(reference::Array(rounded(dy)), rw, c.x, c.options)),
              kTolerance)
        << c.x << c.weight;
  }
}

TEST_F(Bf16, PairsInPlainCodeHaveTheBitsOfTheUnit) {
  if (best_simd() < Simd::avx512_bf16) GTEST_SKIP() << "this processor has no AVX-512 products of bfloat16";
  set_simd(Simd::avx512_bf16);
  EXPECT_STREQ(cpu::bf16_kernels().compiled_for, "avx512_bf16");
  EXPECT_STREQ(cpu::software_pairs_kernels().compiled_for, "software");
  for (const Case& c : cases()) {
    if (!is_for_pairs(c)) continue;
    const Tensor x = normal(c.x), w = normal_weight(c.weight), b = normal({1, 1, 1, c.weight.n}, 0.1);
    EXPECT_EQ(convolved(cpu::software_pairs_kernels(), c, x, w, b).to_vector(),
              convolved(cpu::bf16_kernels(), c, x, w, b).to_vector())
        << c.x << c.weight;
    if (is_pointwise(c)) continue;
    const Tensor dy = normal(conv2d_shape(c.x, c.weight, c.options));
    EXPECT_EQ(weight_gradient(cpu::software_pairs_kernels(), c, x, dy).to_vector(),
              weight_gradient(cpu::bf16_kernels(), c, x, dy).to_vector())
        << c.x << c.weight;
  }
}

TEST_F(Bf16, PlainCodeHasTheBitsOfAmx) {
  if (best_simd() != Simd::amx) GTEST_SKIP() << "this processor has no AMX";
  EXPECT_STREQ(cpu::bf16_kernels().compiled_for, "amx");
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight),
                 dy = normal(conv2d_shape(c.x, c.weight, c.options));
    const Results amx = results(c, x, w, dy);
    set_simd(Simd::avx2);
    EXPECT_STREQ(cpu::bf16_kernels().compiled_for, "software");
    EXPECT_TRUE(results(c, x, w, dy) == amx) << c.x << c.weight;
    set_simd(Simd::amx);
  }
}

TEST_F(Bf16, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight),
                 dy = normal(conv2d_shape(c.x, c.weight, c.options));
    omp_set_num_threads(1);
    const Results expected = results(c, x, w, dy);
    for (const int threads : {2, 3, 17}) {
      omp_set_num_threads(threads);
      EXPECT_TRUE(results(c, x, w, dy) == expected) << c.x << c.weight << threads << " threads";
    }
  }
}

TEST_F(Bf16, ReadsAndWritesChannelViewsAndNothingBesideThem) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight);
    for (const Simd simd : ways()) {
      set_simd(simd);
      const Tensor y = conv2d(x, w, {}, c.options);
      Tensor range = in_the_middle(y);
      for (int64_t p = 0; p < y.shape().pixels(); ++p)
        std::fill_n(range.data() + p * range.pitch(), y.shape().c, kNan);
      conv2d_into(range, in_the_middle(x), w, {}, c.options);
      EXPECT_EQ(range.to_vector(), y.to_vector()) << c.x << c.weight << name_of(simd);
      EXPECT_TRUE(std::isnan(range.data()[-1]) && std::isnan(range.data()[y.shape().c])) << "written beside";
      EXPECT_TRUE(results(c, in_the_middle(x), w, in_the_middle(y)) == results(c, x, w, y))
          << c.x << c.weight << name_of(simd);
    }
  }
}

TEST_F(Bf16, AddsTheJoinedTensorsAfterTheActivationEvenInPlace) {
  const Conv2dOptions options = options_for(1);
  const Tensor x = rounded(normal({1, 6, 13, 48})), w = rounded(normal_weight({80, 3, 3, 48}));
  const Tensor a = normal({1, 6, 13, 60}), b = normal({1, 6, 13, 20});
  const auto expected = reference::conv2d(reference::Array(x), reference::Array(w), nullptr, options,
                                          {reference::Array(a), reference::Array(b)});
  const Tensor y = conv2d(x, w, {}, options, {a, b});
  EXPECT_LT(reference::difference(y, expected), transforms() ? 0.06 : kTolerance);
  const Tensor all = normal({1, 6, 13, 80});
  Tensor own = all.clone();
  conv2d_into(own, x, w, {}, options, {own});
  EXPECT_EQ(own.to_vector(), conv2d(x, w, {}, options, {all}).to_vector());
}

TEST_F(Bf16, KernelsThatItDoesNotFitAreComputedInFloat32) {
  const Case list[] = {{{1, 9, 9, 1}, {64, 3, 3, 1}, options_for(1)},
                       {{1, 9, 9, 64}, {1, 3, 3, 64}, options_for(1)},
                       {{1, 9, 9, 16}, {16, 1, 1, 16}, options_for(1)},
                       {{1, 9, 9, 16},
                        {15, 3, 3, 16},
                        {.stride = 2, .pad_begin = 1, .pad_end = 1, .method = Conv2dMethod::bf16}}};
  for (const Case& c : list) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight),
                 dy = normal(conv2d_shape(c.x, c.weight, c.options));
    Case in_float32 = c;
    in_float32.options.method = Conv2dMethod::winograd;
    EXPECT_TRUE(results(c, x, w, dy) == results(in_float32, x, w, dy)) << c.x << c.weight;
  }
}

TEST_F(Bf16, ComputesWhatIsRecordedWhereTheProcessorIsSetToItAndLeavesTheRest) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const Tensor x = normal({1, 9, 9, 32}), w = normal_weight({32, 3, 3, 32});
  const Var parameter(w, true);
  const std::vector<float> direct = conv2d(x, w, {}, options).to_vector(),
                           recorded = conv2d(Var(x), parameter, Var(), options).value().to_vector();
  bands::set_precision(bands::Precision::bf16);
  EXPECT_EQ(conv2d(Var(x), parameter, Var(), options).value().to_vector(),
            conv2d(x, w, {}, options_for(1)).to_vector());
  EXPECT_EQ(conv2d(Var(x), Var(w), Var(), options).value().to_vector(), direct);
  bands::set_precision(bands::Precision::fp32);
  EXPECT_EQ(conv2d(Var(x), parameter, Var(), options).value().to_vector(), recorded);
}

}  // namespace
}  // namespace sr

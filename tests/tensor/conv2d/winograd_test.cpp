// Convolutions by Winograd's transforms, which training uses: against the loops and the direct kernels.
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "autograd/functions.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/simd/instruction_set.h"
#include "tests/support/reference.h"

namespace sr {
namespace {

constexpr double kTolerance = 4e-6;  // of the largest value; direct sums keep 2e-6
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
          .method = Conv2dMethod::winograd};
}

// The network's layers, channels that fill no vector, sizes around the multiples of 4, no or much padding.
std::vector<Case> cases() {
  std::vector<Case> list{{{2, 9, 13, 64}, {64, 3, 3, 64}, options_for(1)},
                         {{1, 12, 8, 64}, {48, 3, 3, 64}, options_for(1)},
                         {{1, 7, 11, 48}, {32, 3, 3, 12}, options_for(4)},
                         {{1, 8, 10, 64}, {48, 3, 3, 16}, options_for(4)},
                         {{1, 6, 9, 32}, {64, 3, 3, 32}, options_for(1)},
                         {{2, 5, 6, 48}, {80, 3, 3, 48}, options_for(1)},
                         {{7, 21, 22, 19}, {23, 3, 3, 19}, options_for(1)},  // more tiles than at a time
                         {{1, 5, 7, 13}, {27, 3, 3, 13}, options_for(1)},
                         {{1, 6, 6, 27}, {51, 3, 3, 9}, options_for(3)},
                         {{1, 9, 9, 9}, {99, 3, 3, 9}, options_for(1)},
                         {{1, 9, 10, 16}, {16, 3, 3, 16}, options_for(1, 0, 0)},
                         {{1, 4, 5, 16}, {16, 3, 3, 16}, options_for(1, 2, 1)}};
  for (int64_t h = 1; h <= 9; ++h)
    for (const int64_t w : {h, 10 - h}) list.push_back({{1, h, w, 17}, {20, 3, 3, 17}, options_for(1)});
  return list;
}

std::vector<Simd> sets() {
  std::vector<Simd> result;
  for (const Simd simd : float_simd())
    if (simd <= best_simd()) result.push_back(simd);
  return result;
}

Conv2dOptions direct(Conv2dOptions options) {
  options.method = Conv2dMethod::direct;
  return options;
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

class Winograd : public testing::Test {
 protected:
  ~Winograd() override {
    set_simd(best_simd());
    omp_set_num_threads(threads_);
  }
  Tensor normal(const Shape& shape, double deviation = 1) { return random_normal(shape, deviation, random_); }
  Tensor normal_weight(const Shape& s) { return normal(s, 1 / std::sqrt(double(s.size()) / double(s.n))); }
  Random random_{1};
  int threads_ = omp_get_max_threads();
};

TEST_F(Winograd, AgreesWithDoublePrecisionLoopsOnEveryInstructionSet) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight), b = normal({1, 1, 1, c.weight.n}, 0.1);
    const Shape y = conv2d_shape(c.x, c.weight, c.options);
    const Tensor dy = normal(y);
    const reference::Array bias(b), rw(w);
    const auto expected = reference::conv2d(reference::Array(x), rw, &bias, c.options);
    const auto expected_dx = reference::conv2d_grad_input(reference::Array(dy), rw, c.x, c.options);
    const auto expected_dw =
        reference::conv2d_grad_weight(reference::Array(dy), reference::Array(x), c.weight, c.options);
    for (const Simd simd : sets()) {
      set_simd(simd);
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

TEST_F(Winograd, IsAnotherAlgorithmThanTheDirectOneWhereItApplies) {
  const Shape shape{1, 9, 9, 32};
  const Tensor x = normal(shape), w = normal_weight({32, 3, 3, 32});
  const Conv2dOptions options = options_for(1);
  EXPECT_NE(conv2d(x, w, {}, options).to_vector(), conv2d(x, w, {}, direct(options)).to_vector());
  EXPECT_NE(conv2d_grad_input(x, w, shape, options).to_vector(),
            conv2d_grad_input(x, w, shape, direct(options)).to_vector());
  EXPECT_NE(conv2d_grad_weight(x, x, w.shape(), options).to_vector(),
            conv2d_grad_weight(x, x, w.shape(), direct(options)).to_vector());
}

TEST_F(Winograd, KernelsThatItDoesNotFitAreComputedDirectly) {
  const Case list[] = {{{1, 9, 9, 1}, {64, 3, 3, 1}, options_for(1)},
                       {{1, 9, 9, 16}, {16, 5, 5, 16}, options_for(1)},
                       {{1, 9, 9, 16}, {16, 1, 1, 16}, options_for(1, 0, 0)},
                       {{1, 9, 9, 16},
                        {16, 3, 3, 16},
                        {.stride = 2, .pad_begin = 1, .pad_end = 1, .method = Conv2dMethod::winograd}}};
  for (const Case& c : list) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight);
    const Tensor y = conv2d(x, w, {}, c.options);
    EXPECT_EQ(y.to_vector(), conv2d(x, w, {}, direct(c.options)).to_vector());
    EXPECT_EQ(conv2d_grad_input(y, w, c.x, c.options).to_vector(),
              conv2d_grad_input(y, w, c.x, direct(c.options)).to_vector());
    EXPECT_EQ(conv2d_grad_weight(y, x, c.weight, c.options).to_vector(),
              conv2d_grad_weight(y, x, c.weight, direct(c.options)).to_vector());
  }
}

TEST_F(Winograd, ReadsAndWritesChannelViewsAndNothingBesideThem) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight);
    for (const Simd simd : sets()) {
      set_simd(simd);
      const Tensor y = conv2d(x, w, {}, c.options);
      Tensor range = in_the_middle(y);
      std::fill_n(range.data(), y.shape().c, kNan);
      conv2d_into(range, in_the_middle(x), w, {}, c.options);
      EXPECT_EQ(range.to_vector(), y.to_vector()) << c.x << c.weight << name_of(simd);
      EXPECT_TRUE(std::isnan(range.data()[-1]) && std::isnan(range.data()[y.shape().c])) << "written beside";
      EXPECT_EQ(conv2d_grad_input(in_the_middle(y), w, c.x, c.options).to_vector(),
                conv2d_grad_input(y, w, c.x, c.options).to_vector());
      EXPECT_EQ(conv2d_grad_weight(in_the_middle(y), in_the_middle(x), c.weight, c.options).to_vector(),
                conv2d_grad_weight(y, x, c.weight, c.options).to_vector());
    }
  }
}

TEST_F(Winograd, EveryOutputIsWritten) {
  for (const Case& c : cases()) {
    Tensor y(conv2d_shape(c.x, c.weight, c.options));
    std::fill_n(y.data(), y.shape().size(), kNan);
    conv2d_into(y, normal(c.x), normal_weight(c.weight), {}, c.options);
    for (const float v : y.to_vector()) ASSERT_TRUE(std::isfinite(v)) << c.x << c.weight;
  }
}

TEST_F(Winograd, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight);
    omp_set_num_threads(1);
    const Tensor y = conv2d(x, w, {}, c.options), dx = conv2d_grad_input(y, w, c.x, c.options);
    const Tensor dw = conv2d_grad_weight(y, x, c.weight, c.options);
    for (const int threads : {2, 3, 5}) {
      omp_set_num_threads(threads);
      EXPECT_EQ(conv2d(x, w, {}, c.options).to_vector(), y.to_vector()) << c.x << c.weight;
      EXPECT_EQ(conv2d_grad_input(y, w, c.x, c.options).to_vector(), dx.to_vector()) << c.x << c.weight;
      EXPECT_EQ(conv2d_grad_weight(y, x, c.weight, c.options).to_vector(), dw.to_vector()) << c.x << c.weight;
    }
  }
}

// They are written past the caches.
TEST_F(Winograd, ABatchThatLeavesTheCachesHasTheBitsOfItsImages) {
  omp_set_num_threads(1);
  const Shape one{1, 29, 27, 48}, all{9, 29, 27, 48};  // with 64 channels of results 1.8 MB
  const Tensor x = normal(all), w = normal_weight({64, 3, 3, 48}), b = normal({1, 1, 1, 64}, 0.1);
  std::vector<std::pair<Simd, Conv2dMethod>> ways;
  for (const Simd simd : sets()) ways.emplace_back(simd, Conv2dMethod::winograd);
  if (best_simd() >= Simd::avx2) ways.emplace_back(best_simd(), Conv2dMethod::bf16);
  for (const auto& [simd, method] : ways) {
    set_simd(simd);
    Conv2dOptions options = options_for(1);
    options.method = method;
    std::vector<float> images;
    for (int64_t n = 0; n < all.n; ++n) {
      const std::vector<float> y = conv2d(x.part(n * one.size(), one), w, b, options).to_vector();
      images.insert(images.end(), y.begin(), y.end());
    }
    EXPECT_EQ(conv2d(x, w, b, options).to_vector(), images) << name_of(simd);
  }
}

TEST_F(Winograd, Avx2AndAvx512GiveTheSameBits) {
  if (best_simd() < Simd::avx512) GTEST_SKIP() << "this processor has no AVX-512";
  for (const Case& c : cases()) {
    const Tensor x = normal(c.x), w = normal_weight(c.weight);
    set_simd(Simd::avx2);
    const Tensor y = conv2d(x, w, {}, c.options), dw = conv2d_grad_weight(y, x, c.weight, c.options);
    set_simd(Simd::avx512);
    EXPECT_EQ(y.to_vector(), conv2d(x, w, {}, c.options).to_vector()) << c.x << c.weight;
    EXPECT_EQ(dw.to_vector(), conv2d_grad_weight(y, x, c.weight, c.options).to_vector()) << c.x << c.weight;
  }
}

TEST_F(Winograd, AddsTheJoinedTensorsAfterTheActivation) {
  const Conv2dOptions options = options_for(1);
  const Tensor x = normal({1, 6, 13, 48}), w = normal_weight({80, 3, 3, 48});
  const Tensor a = normal({1, 6, 13, 60}), b = normal({1, 6, 13, 20});
  const auto expected = reference::conv2d(reference::Array(x), reference::Array(w), nullptr, options,
                                          {reference::Array(a), reference::Array(b)});
  EXPECT_LT(reference::difference(conv2d(x, w, {}, options, {a, b}), expected), kTolerance);
}

TEST_F(Winograd, ComputesWhatIsRecordedAndLeavesTheRestDirect) {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const Tensor x = normal({1, 9, 9, 32}), w = normal_weight({32, 3, 3, 32});
  const std::vector<float> exact = conv2d(x, w, {}, options).to_vector();
  const Var parameter(w, true);
  EXPECT_NE(conv2d(Var(x), parameter, Var(), options).value().to_vector(), exact);
  EXPECT_EQ(conv2d(Var(x), Var(w), Var(), options).value().to_vector(), exact) << "nothing needs a gradient";
  const NoGrad none;
  EXPECT_EQ(conv2d(Var(x), parameter, Var(), options).value().to_vector(), exact);
}

}  // namespace
}  // namespace sr

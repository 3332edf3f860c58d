#include "tensor/conv2d.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/conv2d_kernels.h"
#include "tensor/error.h"
#include "tests/reference.h"

namespace sr {
namespace {

constexpr double kTolerance = 2e-6;  // some hundred float32 roundings of terms below 1

struct Case {
  const char* name;
  Shape x, weight;
  Conv2dOptions options;
};

// The shapes of the network, and odd ones: sizes below the kernel, remainders of every block size, one
// channel.
const Case kCases[] = {
    {"feature1", {2, 13, 17, 1}, {64, 3, 3, 1}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"feature2", {1, 9, 31, 64}, {64, 3, 3, 64}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"enhance 64 to 48", {1, 7, 25, 64}, {48, 3, 3, 64}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"48 to 32 in 4 groups",
     {1, 6, 29, 48},
     {32, 3, 3, 12},
     {.pad_begin = 1, .pad_end = 1, .groups = 4, .leak = 0.05f}},
    {"64 to 48 in 4 groups",
     {1, 6, 23, 64},
     {48, 3, 3, 16},
     {.pad_begin = 1, .pad_end = 1, .groups = 4, .leak = 0.05f}},
    {"48 to 80", {1, 5, 11, 48}, {80, 3, 3, 48}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"compression", {2, 5, 19, 80}, {64, 1, 1, 80}, {.leak = 0.05f}},
    {"one pixel", {1, 1, 1, 5}, {7, 3, 3, 5}, {.pad_begin = 1, .pad_end = 1}},
    {"one column", {1, 40, 1, 3}, {17, 3, 3, 3}, {.pad_begin = 1, .pad_end = 1, .leak = 0.3f}},
    {"no padding", {1, 5, 60, 4}, {33, 3, 5, 4}, {}},
    {"uneven padding", {1, 8, 9, 6}, {9, 4, 4, 6}, {.pad_begin = 2, .pad_end = 1}},
    {"stride 2", {1, 11, 27, 3}, {16, 3, 3, 3}, {.stride = 2, .pad_begin = 1, .pad_end = 1}},
    {"upsampler's gradient", {1, 12, 14, 1}, {64, 17, 17, 1}, {.stride = 2, .pad_begin = 7, .pad_end = 8}},
    {"100 outputs", {1, 4, 7, 3}, {100, 3, 3, 3}, {.pad_begin = 1, .pad_end = 1}},
    {"one channel a group", {2, 5, 6, 10}, {10, 3, 3, 1}, {.pad_begin = 1, .pad_end = 1, .groups = 10}},
    {"5x7, 40 to 21", {2, 9, 8, 40}, {21, 5, 7, 40}, {.pad_begin = 3, .pad_end = 3}},
    {"five channels to the grid of 64",
     {1, 9, 12, 5},
     {70, 6, 5, 5},
     {.stride = 3, .pad_begin = 2, .pad_end = 3}},
    {"a column of taps", {1, 30, 9, 50}, {11, 3, 1, 50}, {.pad_begin = 0, .pad_end = 0}},
    {"padding beyond the kernel", {1, 4, 5, 9}, {6, 3, 3, 9}, {.pad_begin = 4, .pad_end = 3}},
};

std::vector<Simd> sets() {
  std::vector<Simd> result;
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512})
    if (simd <= best_simd()) result.push_back(simd);
  return result;
}

class Conv2d : public testing::Test {
 protected:
  ~Conv2d() override {
    set_simd(best_simd());
    omp_set_num_threads(threads_);
  }
  Random random_{1};
  int threads_ = omp_get_max_threads();
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.to_vector() == b.to_vector();
}

TEST_F(Conv2d, EveryInstructionSetAgreesWithDoublePrecisionLoops) {
  for (const Case& c : kCases) {
    const Tensor x = random_normal(c.x, 1, random_);
    const Tensor w =
        random_normal(c.weight, 1 / std::sqrt(double(c.weight.size()) / double(c.weight.n)), random_);
    const Tensor b = random_normal({1, 1, 1, c.weight.n}, 0.1, random_);
    const reference::Array bias(b);
    const auto expected = reference::conv2d(reference::Array(x), reference::Array(w), &bias, c.options);
    for (const Simd simd : sets()) {
      set_simd(simd);
      EXPECT_LT(reference::difference(conv2d(x, w, b, c.options), expected), kTolerance)
          << c.name << ' ' << name_of(simd);
    }
  }
}

TEST_F(Conv2d, BothGradientsAgreeWithDoublePrecisionLoops) {
  for (const Case& c : kCases) {
    const Shape y = conv2d_shape(c.x, c.weight, c.options);
    const Tensor x = random_normal(c.x, 1, random_), dy = random_normal(y, 1, random_);
    const Tensor w = random_normal(c.weight, 0.1, random_);
    const reference::Array rx(x), rdy(dy), rw(w);
    for (const Simd simd : sets()) {
      set_simd(simd);
      EXPECT_LT(reference::difference(conv2d_grad_weight(dy, x, c.weight, c.options),
                                      reference::conv2d_grad_weight(rdy, rx, c.weight, c.options)),
                kTolerance)
          << c.name << ' ' << name_of(simd);
      EXPECT_LT(reference::difference(conv2d_grad_input(dy, w, c.x, c.options),
                                      reference::conv2d_grad_input(rdy, rw, c.x, c.options)),
                kTolerance)
          << c.name << ' ' << name_of(simd);
    }
  }
}

TEST_F(Conv2d, TransposedConvolutionScattersEachTapWhereItsDefinitionSays) {
  for (const int factor : {1, 2, 3, 4, 5})
    for (const int64_t c : {1, 3}) {
      const Shape x{2, 6, 5, 64};
      const Conv2dOptions options{.stride = factor, .pad_begin = 9 - factor, .pad_end = 8};
      const Tensor input = random_normal(x, 1, random_), w = random_normal({64, 17, 17, c}, 0.1, random_);
      const Tensor b = random_normal({1, 1, 1, c}, 1, random_);
      reference::Array expected(Shape{2, 6 * factor, 5 * factor, c});
      const reference::Array rx(input), rw(w);
      for (int64_t n = 0; n < 2; ++n)
        for (int64_t i = 0; i < 6; ++i)
          for (int64_t j = 0; j < 5; ++j)
            for (int64_t u = 0; u < 17; ++u)
              for (int64_t v = 0; v < 17; ++v) {
                const int64_t row = factor * i + u - (9 - factor), column = factor * j + v - (9 - factor);
                if (row < 0 || row >= 6 * factor || column < 0 || column >= 5 * factor) continue;
                for (int64_t k = 0; k < c; ++k)
                  for (int64_t o = 0; o < 64; ++o)
                    expected.at(n, row, column, k) += rx.at(n, i, j, o) * rw.at(o, u, v, k);
              }
      for (int64_t p = 0; p < expected.shape.size(); ++p)
        expected.values[size_t(p)] += double(b.data()[p % c]);
      for (const Simd simd : sets()) {
        set_simd(simd);
        EXPECT_LT(
            reference::difference(conv_transpose2d(input, w, b, 6 * factor, 5 * factor, options), expected),
            kTolerance)
            << factor << ' ' << name_of(simd);
      }
    }
}

TEST_F(Conv2d, Avx2AndAvx512GiveTheSameBits) {
  if (best_simd() != Simd::avx512) GTEST_SKIP() << "this processor has no AVX-512";
  for (const Case& c : kCases) {
    const Tensor x = random_normal(c.x, 1, random_), w = random_normal(c.weight, 0.1, random_);
    set_simd(Simd::avx2);
    const Tensor narrow = conv2d(x, w, {}, c.options);
    set_simd(Simd::avx512);
    EXPECT_TRUE(same_bits(narrow, conv2d(x, w, {}, c.options))) << c.name;
  }
}

TEST_F(Conv2d, TheForcedInstructionSetIsTheOneThatRuns) {
  for (const Simd simd : sets()) {
    set_simd(simd);
    EXPECT_STREQ(cpu::conv_kernels().compiled_for, name_of(simd));
  }
}

TEST_F(Conv2d, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Case& c : kCases) {
    const Tensor x = random_normal(c.x, 1, random_), w = random_normal(c.weight, 0.1, random_);
    const Tensor dy = random_normal(conv2d_shape(c.x, c.weight, c.options), 1, random_);
    omp_set_num_threads(1);
    const Tensor y = conv2d(x, w, {}, c.options), dx = conv2d_grad_input(dy, w, c.x, c.options);
    const Tensor dw = conv2d_grad_weight(dy, x, c.weight, c.options);
    for (const int threads : {2, 3, 5}) {
      omp_set_num_threads(threads);
      EXPECT_TRUE(same_bits(y, conv2d(x, w, {}, c.options))) << c.name;
      EXPECT_TRUE(same_bits(dx, conv2d_grad_input(dy, w, c.x, c.options))) << c.name;
      EXPECT_TRUE(same_bits(dw, conv2d_grad_weight(dy, x, c.weight, c.options))) << c.name;
    }
  }
}

TEST_F(Conv2d, APixelHasTheSameBitsWhereverItLies) {
  const Tensor x = random_normal({1, 20, 50, 64}, 1, random_),
               w = random_normal({48, 3, 3, 64}, 0.05, random_);
  const Tensor whole = conv2d(x, w, {});
  for (const int64_t left : {1, 2, 7, 13}) {
    Tensor part(Shape{1, 20, 50 - left, 64});
    for (int64_t i = 0; i < 20; ++i)
      std::copy_n(x.data() + (i * 50 + left) * 64, (50 - left) * 64, part.data() + i * (50 - left) * 64);
    const Tensor y = conv2d(part, w, {});
    for (int64_t i = 0; i < 18; ++i)
      ASSERT_TRUE(std::equal(y.data() + i * (48 - left) * 48, y.data() + (i + 1) * (48 - left) * 48,
                             whole.data() + (i * 48 + left) * 48))
          << left;
  }
}

TEST_F(Conv2d, AddedTensorsAreJoinedByChannelAndAddedAfterTheActivation) {
  for (const int64_t first : {64, 60, 3}) {
    const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
    const Tensor x = random_normal({1, 6, 13, 48}, 1, random_),
                 w = random_normal({80, 3, 3, 48}, 0.1, random_);
    const Tensor a = random_normal({1, 6, 13, first}, 1, random_);
    const Tensor wide = random_normal({1, 6, 13, 100}, 1, random_), b = wide.channels(7, 87 - first);
    const auto expected = reference::conv2d(reference::Array(x), reference::Array(w), nullptr, options,
                                            {reference::Array(a), reference::Array(b)});
    for (const Simd simd : sets()) {
      set_simd(simd);
      EXPECT_LT(reference::difference(conv2d(x, w, {}, options, {a, b}), expected), kTolerance) << first;
    }
  }
}

TEST_F(Conv2d, ChannelViewsAreReadAndWrittenInPlace) {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const Tensor wide = random_normal({1, 5, 9, 64}, 1, random_),
               w = random_normal({20, 3, 3, 48}, 0.1, random_);
  const Tensor x = wide.channels(16, 64);
  const Tensor packed = conv2d(x.clone(), w, {}, options);
  EXPECT_TRUE(same_bits(packed, conv2d(x, w, {}, options)));
  Tensor target = Tensor::zeros({1, 5, 9, 32});
  Tensor range = target.channels(5, 25);
  conv2d_into(range, x, w, {}, options);
  EXPECT_TRUE(same_bits(packed, range));
  for (int64_t p = 0; p < 45; ++p)
    for (const int64_t c : {0, 4, 25, 31}) EXPECT_EQ(target.data()[p * 32 + c], 0.0f) << "outside the range";
}

TEST_F(Conv2d, TheGradientForTheWeightReadsChannelViewsAndNothingBesideThem) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Case& c : kCases) {
    const Shape y = conv2d_shape(c.x, c.weight, c.options);
    const Tensor x = random_normal(c.x, 1, random_), dy = random_normal(y, 1, random_);
    const auto in_the_middle = [&](const Tensor& t) {
      Shape wide = t.shape();
      wide.c += 12;
      Tensor all(wide);
      std::fill_n(all.data(), wide.size(), kNan);
      for (int64_t p = 0; p < wide.pixels(); ++p)
        std::copy_n(t.data() + p * t.shape().c, t.shape().c, all.data() + p * wide.c + 5);
      return all.channels(5, 5 + t.shape().c);
    };
    for (const Simd simd : sets()) {
      set_simd(simd);
      EXPECT_TRUE(same_bits(conv2d_grad_weight(dy, x, c.weight, c.options),
                            conv2d_grad_weight(in_the_middle(dy), in_the_middle(x), c.weight, c.options)))
          << c.name << ' ' << name_of(simd);
    }
  }
}

TEST_F(Conv2d, EveryOutputIsWrittenAndReadsNoUninitialisedMemory) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Case& c : kCases) {
    const Tensor x = random_normal(c.x, 1, random_), w = random_normal(c.weight, 0.1, random_);
    Tensor y(conv2d_shape(c.x, c.weight, c.options));
    std::fill_n(y.data(), y.shape().size(), kNan);
    conv2d_into(y, x, w, {}, c.options);
    for (const float v : y.to_vector()) ASSERT_TRUE(std::isfinite(v)) << c.name;
  }
}

Error::Kind kind_of(auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.kind();
  }
  ADD_FAILURE() << "no error";
  return Error::Kind::io;
}

TEST_F(Conv2d, ContradictingShapesAreErrors) {
  const Tensor x = Tensor::zeros({1, 4, 4, 6}), w = Tensor::zeros({8, 3, 3, 6});
  using enum Error::Kind;
  EXPECT_EQ(kind_of([&] { conv2d(x, Tensor::zeros({8, 3, 3, 5}), {}); }), shape);
  EXPECT_EQ(kind_of([&] { conv2d(x, Tensor::zeros({8, 5, 5, 6}), {}); }), shape);
  EXPECT_EQ(kind_of([&] { conv2d(x, Tensor::zeros({7, 3, 3, 3}), {}, {.groups = 2}); }), shape);
  EXPECT_EQ(kind_of([&] { conv2d(x, w, Tensor::zeros({1, 1, 1, 7})); }), shape);
  EXPECT_EQ(kind_of([&] { conv2d(x, w, {}, {.stride = 0}); }), usage);
  EXPECT_EQ(kind_of([&] { conv2d(x, w, {}, {.leak = 2}); }), usage);
  EXPECT_EQ(kind_of([&] { conv2d(x, w, {}, {}, {Tensor::zeros({1, 2, 2, 7})}); }), shape);
  EXPECT_EQ(kind_of([&] { conv2d(x, Tensor::zeros({8, 65, 65, 6}), {}, {.pad_begin = 64}); }), limit);
  EXPECT_EQ(kind_of([&] {
              conv_transpose2d(x, Tensor::zeros({6, 3, 3, 1}), {}, 99, 99, {.stride = 2});
            }),
            shape);
}

}  // namespace
}  // namespace sr

// The kernels by themselves; autograd_op_cases_test holds the operation and its gradients against the loops.
#include "tensor/conv2d/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/error.h"
#include "tests/support/reference.h"
#include "tests/support/simd_sets.h"
#include "tests/tensor/conv2d/cases.h"

namespace sr {
namespace {

class Conv2d : public testing::Test {
 protected:
  ~Conv2d() override { set_simd(best_simd()); }
  Random random_{1};
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.to_vector() == b.to_vector();
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
      for_each_simd([&] {
        const Tensor y = conv_transpose2d(input, w, b, 6 * factor, 5 * factor, options);
        EXPECT_LT(reference::difference(y, expected), 2e-6) << factor;
      });
    }
}

TEST_F(Conv2d, Avx2AndAvx512GiveTheSameBits) {
  if (best_simd() < Simd::avx512) GTEST_SKIP() << "this processor has no AVX-512";
  for (const Conv2dCase& c : kConv2dCases) {
    const Tensor x = random_normal(c.x, 1, random_), w = random_normal(c.weight, 0.1, random_);
    set_simd(Simd::avx2);
    const Tensor narrow = conv2d(x, w, {}, c.options);
    set_simd(Simd::avx512);
    EXPECT_TRUE(same_bits(narrow, conv2d(x, w, {}, c.options))) << c.name;
  }
}

TEST_F(Conv2d, TheForcedInstructionSetIsTheOneThatRuns) {
  for_each_simd([] { EXPECT_STREQ(cpu::conv_kernels().compiled_for, name_of(active_simd())); });
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

TEST_F(Conv2d, WritesIntoAChannelRangeAndNothingBesideIt) {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const Tensor x = random_normal({1, 5, 9, 48}, 1, random_), w = random_normal({20, 3, 3, 48}, 0.1, random_);
  Tensor target = Tensor::zeros({1, 5, 9, 32});
  Tensor range = target.channels(5, 25);
  conv2d_into(range, x, w, {}, options);
  EXPECT_TRUE(same_bits(conv2d(x, w, {}, options), range));
  for (int64_t p = 0; p < 45; ++p)
    for (const int64_t c : {0, 4, 25, 31}) EXPECT_EQ(target.data()[p * 32 + c], 0.0f) << "outside the range";
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
  EXPECT_EQ(kind_of([&] {
              conv2d_grad_input(Tensor::zeros({1, 1, 1, 8}), Tensor::zeros({8, 3, 3, 3}), {1, 4, 4, 6},
                                {.stride = 2, .groups = 2});
            }),
            unsupported);
}

}  // namespace
}  // namespace sr

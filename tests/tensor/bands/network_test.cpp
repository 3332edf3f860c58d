// Networks run band by band: the same as layer by layer, and the same bits for any number of threads and any
// tiles.
#include "tensor/bands/network.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "idn/network.h"
#include "tensor/allocator.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"
#include "tests/support/reference.h"
#include "tests/tensor/bands/families.h"
#include "tests/tensor/bands/windows.h"

namespace sr {
namespace {

using reference::Array;

struct Built {
  Params params;
  sr::Network network;
  explicit Built(const NetworkOptions& options, uint64_t seed = 1)
      : params(seed), network(params.scope(), options) {
    // The biases start as zeros, which would hide a missing one.
    Random random{seed + 100};
    for (Parameter& p : params.list())
      if (p.name.ends_with("bias")) p.var.set_value(random_normal(p.var.shape(), 0.1, random));
  }
};

// The parameters as the loops want them, with branches made to what they are.
reference::Arrays merged(const Params& params) {
  reference::Arrays arrays = reference::arrays_of(params);
  reference::Arrays result = arrays;
  for (const auto& [name, values] : arrays)
    if (const std::string layer = name.substr(0, name.rfind('.')); name.ends_with(".expand"))
      result.emplace(layer + ".weight",
                     reference::merged_branches(values, arrays.at(layer + ".middle"),
                                                arrays.at(layer + ".reduce"), arrays.at(layer + ".beside")));
  return result;
}

NetworkOptions small(int factor, int nchan = 1) {
  return {.factor = factor, .nchan = nchan, .num_Dist_blocks = 1, .crop_begin = 9 - factor};
}

NetworkOptions small_span(int factor, int nchan = 1) {
  return {.factor = factor, .nchan = nchan, .span = SpanOptions{.channels = 32, .blocks = 2}};
}

double largest(const Array& a) {
  double most = 0;
  for (const double v : a.values) most = std::max(most, std::abs(v));
  return most;
}

// Two factors of bfloat16 have 8 bits each, and what lies between layers is rounded to 8 bits. A gate's
// factors are two such sums; where transformed factors are rounded their errors are twice those, and more at
// times.
double tolerance(const Family& family, const NetworkOptions& o, double most) {
  if (family.exact) return 2e-5;
  const double of_gates = family.direct() ? 0.06 : 0.18;
  return (o.span ? of_gates : 0.03) * most;
}

TEST(BandsNetwork, AgreesWithDoublePrecisionLoopsForSizesThatFillNoTile) {
  Random random{1};
  for (const NetworkOptions& o : {small(2), small(3, 3), small(4, 2), small_span(2), small_span(3, 3),
                                  NetworkOptions{.factor = 4, .span = SpanOptions{16, 1, true}}})
    for (const auto& [n, h, w] : {std::array<int64_t, 3>{1, 1, 1}, {2, 3, 5}, {1, 18, 21}, {1, 2, 131}}) {
      if (kInstrumented && h * w > 100) continue;
      const Built built(o);
      const Tensor image = random_normal({n, h, w, o.nchan}, 0.3, random);
      const Array expected = reference::network(merged(built.params), o, Array(image));
      for (const Family& family : families()) {
        const bands::Network network(built.network.program(), *family.kernels);
        const Tensor y = network.run(image);
        ASSERT_EQ(y.shape(), (Shape{n, h * o.factor, w * o.factor, o.nchan}));
        EXPECT_LT(reference::difference(y, expected), tolerance(family, o, largest(expected)))
            << family.name << " x" << o.factor << ' ' << h << " x " << w;
      }
    }
}

class BandsOf : public testing::TestWithParam<const char*> {
 protected:
  static NetworkOptions options() {
    const std::string name = GetParam();
    NetworkOptions o = name == "Idn" ? small(2) : small_span(2);
    if (name == "SpanOfChannelsThatFillNoStep") o.span->channels = 48;
    return o;
  }
};

INSTANTIATE_TEST_SUITE_P(Networks, BandsOf, testing::Values("Idn", "Span", "SpanOfChannelsThatFillNoStep"),
                         [](const auto& c) { return std::string(c.param); });

TEST_P(BandsOf, NumberOfThreadsDoesNotChangeABit) {
  const Built built(options());
  Random random{2};
  const Tensor image = random_normal({1, 45, kInstrumented ? 60 : 300, 1}, 0.3, random);
  const int before = omp_get_max_threads();
  for (const Family& family : families()) {
    const bands::Network network(built.network.program(), *family.kernels);
    omp_set_num_threads(1);
    const Tensor expected = network.run(image);
    for (const int threads : {2, 5, 16}) {
      if (kInstrumented && threads < 16) continue;  // slow
      omp_set_num_threads(threads);
      EXPECT_TRUE(same_bits(network.run(image), expected)) << family.name << ", " << threads << " threads";
    }
  }
  omp_set_num_threads(before);
}

// A kernel may multiply what is not there yet by zeros, if it is a number.
TEST_P(BandsOf, WhatMemoryHeldBeforeChangesNothing) {
  const Built built(options());
  Random random{2};
  const Tensor image = random_normal({1, 37, kInstrumented ? 60 : 300, 1}, 0.3, random);
  const int before = omp_get_max_threads();
  for (const Family& family : families()) {
    const bands::Network network(built.network.program(), *family.kernels);
    for (const int threads : {1, 2, 16}) {
      if (kInstrumented && threads != 2) continue;  // slow
      omp_set_num_threads(threads);
      const Tensor expected = network.run(image);
      const int64_t bytes = network.working_bytes(image.shape().w, image.shape().h);
      void* const memory = take_scratch(bytes);
      std::memset(memory, 0xff, static_cast<size_t>(bytes));  // no number in float32 and bfloat16
      give_back_scratch(memory);
      EXPECT_TRUE(same_bits(network.run(image), expected)) << family.name << ", " << threads << " threads";
    }
  }
  omp_set_num_threads(before);
}

TEST(BandsNetwork, AWideImageHasTheSameBitsInStripsOfAnyWidth) {
  const Built built({});
  Random random{2};
  const Tensor image = random_normal({1, 21, kInstrumented ? 400 : 1100, 1}, 0.3, random);
  const int before = omp_get_max_threads();
  for (const bands::Precision precision : {bands::Precision::fp32, bands::Precision::bf16}) {
    if (precision == bands::Precision::bf16 && !bands::has_bf16()) continue;
    const bands::Network network(built.network.program(), bands::kernels(precision));
    omp_set_num_threads(1);
    const Tensor expected = network.run(image);
    for (const int threads : {9, 40, 100}) {  // strips of 96 and 24 columns, and none
      omp_set_num_threads(threads);
      EXPECT_TRUE(same_bits(network.run(image), expected)) << bands::name_of(precision) << ' ' << threads;
    }
  }
  omp_set_num_threads(before);
}

// Of windows whose margins are as wide as the network looks, the core has the bits that the whole image
// gives; of windows with less it has not, so the margin is none too wide.
TEST_P(BandsOf, PartsOfASceneAreTheWholeToTheLastBit) {
  const Built built(options());
  Random random{3};
  const int64_t h = kInstrumented ? 60 : 70, w = kInstrumented ? 70 : 150;
  const Tensor image = random_normal({1, h, w, 1}, 0.3, random);
  for (const Family& family : families()) {
    const bands::Network network(built.network.program(), *family.kernels);
    const Tensor whole = network.run(image);
    const bands::Span span = network.span();
    for (const auto& [row, column] :
         {std::pair<int64_t, int64_t>{30, 60}, {33, 61}, {31, 63}, {0, 0}, {34, 101}}) {
      if (column + 5 > w) continue;
      const int64_t core = 5;
      const int64_t top = std::max<int64_t>(0, row - span.before),
                    left = std::max<int64_t>(0, column - span.before);
      const int64_t bottom = std::min(h, row + core + span.after),
                    right = std::min(w, column + core + span.after);
      const Tensor part = network.run(window(image, top, left, bottom - top, right - left), {top, left});
      EXPECT_TRUE(same_bits(window(part, 2 * (row - top), 2 * (column - left), 2 * core, 2 * core),
                            window(whole, 2 * row, 2 * column, 2 * core, 2 * core)))
          << family.name << ", core at " << row << ", " << column;
    }
  }
}

TEST_P(BandsOf, LooksNoFurtherThanItsPixelsShow) {
  const Built built(options());
  Random random{4};
  const int64_t side = kInstrumented ? 50 : 90, at = side / 2;
  Tensor image = random_normal({1, side, side, 1}, 0.3, random);
  for (const Family& family : families()) {
    const bands::Network network(built.network.program(), *family.kernels);
    const bands::Span span = network.span();
    const Tensor before = network.run(image);
    float& pixel = image.data()[at * side + at];
    const float kept = pixel;
    pixel = 0.9f;
    const Tensor after = network.run(image);
    pixel = kept;
    int64_t up = 0, down = 0;  // how far from the changed pixel results changed
    for (int64_t i = 0; i < 4 * side * side; ++i)
      if (before.data()[i] != after.data()[i]) {
        const int64_t row = i / (2 * side) / 2, column = i % (2 * side) / 2;
        up = std::max({up, at - row, at - column}), down = std::max({down, row - at, column - at});
      }
    EXPECT_LE(up, span.after) << family.name;
    EXPECT_LE(down, span.before) << family.name;
    EXPECT_GE(up, built.network.reach().after - 2) << family.name << ": the change does not show";
  }
}

TEST(BandsNetwork, MemoryDoesNotGrowWithTheHeight) {
  const Built built({.factor = 2, .crop_begin = 7});
  for (const Family& family : families()) {
    const bands::Network network(built.network.program(), *family.kernels);
    EXPECT_EQ(network.working_bytes(512, 5120), network.working_bytes(512, 512)) << family.name;
    EXPECT_LE(network.working_bytes(512, 512), int64_t{64} << 20) << family.name;
  }
}

TEST(BandsNetwork, AnImageOfOtherChannelsIsRefused) {
  const Built built(small(2));
  const bands::Network network(built.network.program(), *families()[0].kernels);
  expect_error(Error::Kind::shape, "3", [&] { network.run(Tensor::zeros({1, 4, 4, 3})); });
}

// A unit's arithmetic in plain code is the unit's: what proves the kernels where there is none.
void expect_bits_of_software(Simd unit_set, const bands::Kernels& in_software) {
  if (best_simd() < unit_set) GTEST_SKIP() << "this processor has no " << name_of(unit_set);
  const Simd before = active_simd();
  set_simd(unit_set);
  for (const int factor : {2, 3, 4}) {
    const Built built(small(factor));
    Random random{5};
    Tensor image = random_normal({1, 19, 40, 1}, 0.3, random);
    // Small enough that products, sums and what is stored between layers become denormal numbers.
    for (int64_t i = 0; i < 8 * 40; ++i) image.data()[i] *= i % 3 == 0 ? 1e-38f : 1e-36f;
    const bands::Network unit(built.network.program(), bands::kernels(bands::Precision::bf16));
    const bands::Network software(built.network.program(), in_software);
    EXPECT_TRUE(same_bits(unit.run(image), software.run(image))) << "x" << factor;
  }
  set_simd(before);
}

TEST(BandsNetwork, EachSetsKernelsAreCompiledForIt) {
  const Simd before = active_simd();
  for (const Simd simd : all_simd()) {
    if (simd > best_simd()) continue;
    set_simd(simd);
    EXPECT_STREQ(bands::kernels(bands::Precision::fp32).compiled_for(), name_of(active_float_simd()));
    if (!bands::has_bf16()) continue;
    EXPECT_STREQ(bands::kernels(bands::Precision::bf16).compiled_for(), name_of(simd));
  }
  set_simd(before);
  for (const bands::Kernels& kernels : bands::software_bf16_kernels())
    EXPECT_STREQ(kernels.compiled_for(), "software");
}

TEST(BandsNetwork, AmxInSoftwareHasTheBitsOfTheUnit) {
  expect_bits_of_software(Simd::amx, bands::software_bf16_kernels()[0]);
}

TEST(BandsNetwork, PairsInSoftwareHaveTheBitsOfTheUnit) {
  expect_bits_of_software(Simd::avx512_bf16, bands::software_bf16_kernels()[1]);
}

}  // namespace
}  // namespace sr

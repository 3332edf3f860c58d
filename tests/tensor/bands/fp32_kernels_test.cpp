// The kernels of float32 in bands: what they compute, and that parts of an image get the bits of the whole.
#include <gtest/gtest.h>
#include <omp.h>

#include "idn/network.h"
#include "tensor/bands/network.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"
#include "tests/support/reference.h"
#include "tests/support/simd_sets.h"
#include "tests/tensor/bands/windows.h"

namespace sr {
namespace {

using bands::Origin;
using bands::Precision;
using reference::Array;

Tensor random_bias(int64_t channels, Random& random) {
  return random_normal({1, 1, 1, channels}, 0.3, random);
}

Tensor random_weight(const Shape& shape, Random& random) {
  return random_normal(shape, 1.5 / std::sqrt(9.0 * static_cast<double>(shape.c)), random);
}

struct Built {
  Params params;
  Network network;
  explicit Built(const NetworkOptions& options) : params(1), network(params.scope(), options) {
    Random random{101};
    for (Parameter& p : params.list())
      if (p.name.ends_with("bias")) p.var.set_value(random_normal(p.var.shape(), 0.1, random));
  }
  bands::Network in_bands() const { return {network.program(), bands::kernels(Precision::fp32)}; }
};

NetworkOptions options_for(int factor, int nchan) {
  return {.factor = factor, .nchan = nchan, .crop_begin = 9 - factor};
}

TEST(BandsInFloat32, AgreeWithDoublePrecisionLoopsOnImagesOfAnySize) {
  Random random{1};
  for (const auto& [factor, nchan] : {std::pair{2, 1}, {3, 3}, {4, 1}})
    for (const auto& [h, w] : {std::pair{1, 1}, {3, 5}, {19, 6}, {5, 21}}) {
      const Built built(options_for(factor, nchan));
      const Tensor image = random_normal({1, h, w, nchan}, 0.3, random);
      const Array expected =
          reference::network(reference::arrays_of(built.params), built.network.options(), Array(image));
      for_each_simd([&] {
        for (const Origin origin : {Origin{0, 0}, {1, 3}, {2, -2}}) {
          const Tensor y = built.in_bands().run(image, origin);
          EXPECT_EQ(y.shape(), expected.shape);
          EXPECT_LT(reference::difference(y, expected), 4e-6)
              << 'x' << factor << ' ' << nchan << ' ' << h << 'x' << w;
        }
      });
    }
}

/// Stages of all kinds and their result by the loops.
struct Stages {
  Random random{7};
  Tensor first = random_weight({32, 3, 3, 2}, random), first_bias = random_bias(32, random);
  Tensor split = random_weight({48, 3, 3, 32}, random), split_bias = random_bias(48, random);
  Tensor grouped = random_weight({64, 3, 3, 8}, random), grouped_bias = random_bias(64, random);
  Tensor joined = random_weight({48, 3, 3, 64}, random), joined_bias = random_bias(48, random);
  Tensor point = random_weight({112, 1, 1, 48}, random), point_bias = random_bias(112, random);
  Tensor up = random_weight({112, 5, 5, 2}, random), up_bias = random_bias(2, random);

  bands::Program program() const {
    bands::Program p;
    const bands::Rows x = p.convolution(p.image(2), first, first_bias, 0.1f);
    const auto [skipped, rest] = p.convolution(x, split, split_bias, 0.2f, 1, 16);
    const bands::Rows g = p.convolution(rest, grouped, grouped_bias, 0.3f, 4);
    const bands::Rows y =
        p.convolution_then_pointwise(g, joined, joined_bias, 0.4f, {skipped, rest}, point, point_bias, 0.5f);
    p.upsampling(y, up, up_bias, 3, 1);
    return p;
  }

  Array by_loops(const Array& image) const {
    const Array b0(first_bias), b1(split_bias), b2(grouped_bias), b3(joined_bias), b4(point_bias),
        b5(up_bias);
    const auto options = [](float leak, int groups = 1, int pad = 1) {
      return Conv2dOptions{.pad_begin = pad, .pad_end = pad, .groups = groups, .leak = leak};
    };
    const Array x = reference::conv2d(image, Array(first), &b0, options(0.1f));
    const Array s = reference::conv2d(x, Array(split), &b1, options(0.2f));
    const Array rest = reference::channels(s, 16, 48);
    const Array g = reference::conv2d(rest, Array(grouped), &b2, options(0.3f, 4));
    const Array j =
        reference::conv2d(g, Array(joined), &b3, options(0.4f), {reference::channels(s, 0, 16), rest});
    const Array y = reference::conv2d(j, Array(point), &b4, options(0.5f, 1, 0));
    Conv2dOptions o;
    o.stride = 3, o.pad_begin = 1;
    return reference::conv_transpose2d(y, Array(up), &b5, 3 * image.shape.h, 3 * image.shape.w, o);
  }
};

TEST(BandsInFloat32, StagesThatSplitJoinAndGoOnAgreeWithDoublePrecisionLoops) {
  const Stages stages;
  Random random{3};
  const Tensor image = random_normal({1, kInstrumented ? 13 : 41, kInstrumented ? 30 : 150, 2}, 1.0, random);
  const Array expected = stages.by_loops(Array(image));
  for_each_simd([&] {
    const bands::Network network(stages.program(), bands::kernels(Precision::fp32));
    for (const Origin origin : {Origin{0, 0}, {3, 1}})
      EXPECT_LT(reference::difference(network.run(image, origin), expected), 4e-6);
  });
}

// A window's values are the whole's where no tile of a layer, whose values depend on all that the tile reads,
// reaches beyond it: five pixels for each of the four layers, and two for the last.
TEST(BandsInFloat32, WindowsGetTheBitsOfTheWholeWhereverTheyBegin) {
  if (kInstrumented) GTEST_SKIP() << "tensor_bands_network_test has it on a smaller image";
  const Stages stages;
  constexpr int64_t kMargin = 4 * 5 + 2, kFactor = 3;
  Random random{5};
  const Origin whole{-3, 6};
  const Tensor image = random_normal({1, 70, 230, 2}, 1.0, random);
  for_each_simd([&] {
    const bands::Network network(stages.program(), bands::kernels(Precision::fp32));
    const Tensor all = network.run(image, whole);
    for (const auto& [row, column, h, w] : {std::array<int64_t, 4>{0, 0, 50, 60},
                                            {1, 2, 49, 133},
                                            {6, 3, 64, 101},
                                            {11, 97, 51, 133},
                                            {17, 100, 53, 57}}) {
      const Tensor part =
          network.run(window(image, row, column, h, w), {whole.row + row, whole.column + column});
      const int64_t rows = (h - 2 * kMargin) * kFactor, columns = (w - 2 * kMargin) * kFactor;
      EXPECT_TRUE(
          same_bits(window(part, kMargin * kFactor, kMargin * kFactor, rows, columns),
                    window(all, (row + kMargin) * kFactor, (column + kMargin) * kFactor, rows, columns)))
          << row << ' ' << column << ' ' << h << 'x' << w;
    }
  });
}

TEST(BandsInFloat32, AnyNumberOfThreadsGivesTheSameBits) {
  const Built built(options_for(2, 1));
  Random random{9};
  const Tensor image = random_normal({1, kInstrumented ? 21 : 45, 130, 1}, 0.3, random);
  const int before = omp_get_max_threads();
  for_each_simd([&] {
    const bands::Network network = built.in_bands();
    omp_set_num_threads(1);
    const Tensor expected = network.run(image, {1, 2});
    for (const int threads : {2, 3, 5}) {
      omp_set_num_threads(threads);
      EXPECT_TRUE(same_bits(network.run(image, {1, 2}), expected)) << threads;
    }
  });
  omp_set_num_threads(before);
}

TEST(BandsInFloat32, TakeLittleMemoryHoweverLargeTheImage) {
  const bands::Network network = Built(options_for(2, 1)).in_bands();
  EXPECT_LT(network.working_bytes(512, 512), 64 << 20);
  EXPECT_EQ(network.working_bytes(512, 512), network.working_bytes(512, 100000));
}

TEST(BandsInFloat32, StagesThatTheKernelsLackAreErrors) {
  Random random{1};
  const auto build = [&](int64_t outputs, int64_t kernel) {
    return [&random, outputs, kernel] {
      bands::Program p;
      const bands::Rows x = p.convolution(p.image(1), random_weight({16, 3, 3, 1}, random), {}, 1);
      const bands::Rows y = p.convolution(x, random_weight({outputs, kernel, kernel, 16}, random), {}, 1);
      p.upsampling(y, random_weight({outputs, 2, 2, 1}, random), {}, 2, 0);
      bands::Network(p, bands::kernels(Precision::fp32));
    };
  };
  expect_error(Error::Kind::unsupported, "20 channels between layers", build(20, 3));
  expect_error(Error::Kind::unsupported, "want 3x3", build(16, 5));
}

}  // namespace
}  // namespace sr

// The kernels in tiles of bfloat16: convolutions of any height, and rows that fill no block.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tensor/bands/network.h"
#include "tensor/random.h"
#include "tests/support/reference.h"
#include "tests/tensor/bands/families.h"
#include "tests/tensor/bands/windows.h"

namespace sr {
namespace {

using reference::Array;

Tensor random_weight(const Shape& shape, Random& random) {
  return random_normal(shape, 1.0 / std::sqrt(static_cast<double>(shape.h * shape.w * shape.c)), random);
}

/// Layers of 5, 7 and 1 rows, and a transposed convolution whose values fill more than one tile.
struct Layers {
  Random random{11};
  Tensor first = random_weight({32, 3, 3, 1}, random), first_bias = random_normal({1, 1, 1, 32}, 0.3, random);
  Tensor five = random_weight({48, 5, 5, 32}, random), five_bias = random_normal({1, 1, 1, 48}, 0.3, random);
  Tensor seven = random_weight({32, 7, 7, 24}, random),
         seven_bias = random_normal({1, 1, 1, 32}, 0.3, random);
  Tensor one = random_weight({16, 1, 1, 32}, random), one_bias = random_normal({1, 1, 1, 16}, 0.3, random);
  Tensor up = random_weight({16, 8, 8, 2}, random), up_bias = random_normal({1, 1, 1, 2}, 0.3, random);

  bands::Program program() const {
    bands::Program p;
    const bands::Rows x = p.convolution(p.image(1), first, first_bias, 0.1f);
    const bands::Rows y = p.convolution(x, five, five_bias, 0.2f);
    const bands::Rows z = p.convolution(y, seven, seven_bias, 0.3f, 2);
    p.upsampling(p.convolution(z, one, one_bias, 0.4f), up, up_bias, 4, 2);
    return p;
  }

  Array by_loops(const Array& image) const {
    const auto layer = [](const Array& x, const Tensor& weight, const Tensor& bias, float leak,
                          int groups = 1) {
      const int pad = static_cast<int>(weight.shape().h / 2);
      const Array b(bias);
      return reference::conv2d(
          x, Array(weight), &b,
          Conv2dOptions{.pad_begin = pad, .pad_end = pad, .groups = groups, .leak = leak});
    };
    const Array x = layer(image, first, first_bias, 0.1f), y = layer(x, five, five_bias, 0.2f);
    const Array z = layer(layer(y, seven, seven_bias, 0.3f, 2), one, one_bias, 0.4f), b(up_bias);
    Conv2dOptions o;
    o.stride = 4, o.pad_begin = 2;
    return reference::conv_transpose2d(z, Array(up), &b, 4 * image.shape.h, 4 * image.shape.w, o);
  }
};

TEST(BandsInBfloat16, KernelsOfAnyHeightAgreeWithDoublePrecisionLoops) {
  const Layers layers;
  Random random{12};
  for (const auto& [h, w] : {std::pair{7, 37}, {18, 21}}) {
    const Tensor image = random_normal({1, h, w, 1}, 1.0, random);
    const Array expected = layers.by_loops(Array(image));
    double largest = 0;
    for (const double v : expected.values) largest = std::max(largest, std::abs(v));
    for (const Family& family : families()) {
      if (!family.direct()) continue;
      const bands::Network network(layers.program(), *family.kernels);
      // Both factors of a product have eight bits, and so has what lies between layers.
      EXPECT_LT(reference::difference(network.run(image), expected), 0.03 * std::min(1.0, largest))
          << family.name << ' ' << h << 'x' << w;
    }
  }
}

TEST(BandsInBfloat16, RowsBelowTheLastChangeNothingOfThoseAbove) {
  const Layers layers;
  Random random{13};
  const int64_t h = 23, w = 30, reach = 1 + 2 + 3 + 1;
  const Tensor image = random_normal({1, h, w, 1}, 1.0, random);
  for (const Family& family : families()) {
    if (!family.direct()) continue;
    const bands::Network network(layers.program(), *family.kernels);
    const Tensor whole = network.run(image);
    for (const int64_t rows : {h - 1, h - 2, h - 3}) {  // so that the last block has each number of rows
      const Tensor part = network.run(window(image, 0, 0, rows, w));
      const int64_t unchanged = 4 * (rows - reach);
      EXPECT_TRUE(same_bits(window(part, 0, 0, unchanged, 4 * w), window(whole, 0, 0, unchanged, 4 * w)))
          << family.name << ", " << rows << " rows";
    }
  }
}

}  // namespace
}  // namespace sr

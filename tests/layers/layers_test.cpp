// Every layer, one entry each: an input's shape, the number of trainable values, how it is made, and the same
// as double-precision loops.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "layers/branched_conv2d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "layers/residual_block.h"
#include "tests/layers/layer_checks.h"

namespace sr {
namespace {

namespace ref = reference;

TEST(Layers, Conv2d) {
  check_layer(
      {2, 7, 9, 12}, 10 * 9 * 6 + 10,
      [](const ParamScope& p) { return Conv2d(p.sub("conv"), 12, 10, 3, 0.05f, 2); },
      [](const ref::Array& x, const ref::Arrays& p) { return ref::layer(p, "conv", x, 2); });
}

TEST(Layers, BranchedConv2d) {
  check_layer(
      {2, 5, 6, 7}, 14 * 7 + 10 * 9 * 14 + 5 * 10 + 5 * 7 + 5,
      [](const ParamScope& p) { return BranchedConv2d(p, 7, 5, true); },
      [](const ref::Array& x, const ref::Arrays& p) {
        // One after the other, on an image with its zeros around it.
        ref::Array y = ref::conv2d(x, p.at("expand"), nullptr, {.pad_begin = 1, .pad_end = 1});
        y = ref::conv2d(ref::conv2d(y, p.at("middle"), nullptr, {}), p.at("reduce"), &p.at("bias"), {});
        return ref::add(y, ref::conv2d(x, p.at("beside"), nullptr, {}));
      });
}

TEST(Layers, ConvTranspose2d) {
  for (const int factor : {2, 3, 4})
    check_layer(
        {1, 4, 5, 6}, 6 * 17 * 17 * 3 + 3,
        [=](const ParamScope& p) { return ConvTranspose2d(p, 6, 3, 17, factor, 9 - factor); },
        [=](const ref::Array& x, const ref::Arrays& p) {
          return ref::conv_transpose2d(x, p.at("weight"), &p.at("bias"), 4 * factor, 5 * factor,
                                       {.stride = factor, .pad_begin = 9 - factor});
        });
}

TEST(Layers, ResidualBlock) {
  check_layer(
      {2, 6, 9, 10}, 2 * (10 * 9 * 10 + 10), [](const ParamScope& p) { return ResidualBlock(p, 10); },
      [](const ref::Array& x, const ref::Arrays& p) {
        return ref::layer(p, "conv2", ref::layer(p, "conv1", x, 1, 0), 1, 1, {x});
      });
}

std::string text_of(const std::string& path) {
  std::ifstream file(SR_SOURCE_DIR "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Readme, ShowsTheResidualBlockAndItsEntryAsTheyAre) {
  const std::string readme = text_of("README.md"), tests = text_of("tests/layers/layers_test.cpp");
  const size_t entry = tests.find("TEST(Layers, ResidualBlock)"), end = tests.find("\n}\n", entry) + 3;
  EXPECT_NE(readme.find("```cpp\n" + text_of("layers/residual_block.h") + "```"), std::string::npos);
  EXPECT_NE(readme.find("```cpp\n" + tests.substr(entry, end - entry) + "```"), std::string::npos);
}

}  // namespace
}  // namespace sr

// Every layer, one entry each: an input's shape, the number of trainable values, how it is made, and the same
// as double-precision loops.
#include <gtest/gtest.h>

#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"
#include "tests/layer_checks.h"

namespace sr {
namespace {

namespace ref = reference;

TEST(Layers, Conv2d) {
  check_layer(
      {2, 7, 9, 12}, 10 * 9 * 6 + 10,
      [](const ParamScope& p) { return Conv2d(p.sub("conv"), 12, 10, 3, 0.05f, 2); },
      [](const ref::Array& x, const ref::Arrays& p) { return ref::layer(p, "conv", x, 2); });
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

}  // namespace
}  // namespace sr

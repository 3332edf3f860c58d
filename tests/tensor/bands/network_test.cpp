#include "tensor/bands/network.h"

#include <gtest/gtest.h>

#include "idn/network.h"
#include "tests/support/reference.h"

namespace sr {
namespace {
using reference::Array;

struct Built {
  Params params;
  sr::Network network;
  explicit Built(const NetworkOptions& options, uint64_t seed = 1)
      : params(seed), network(params.scope(), options) {
    Random random{seed + 100};
    for (Parameter& p : params.list())
      if (p.name.ends_with("bias")) p.var.set_value(random_normal(p.var.shape(), 0.1, random));
  }
};

NetworkOptions options_for(int factor) {
  return {.factor = factor, .crop_begin = 9 - factor};
}

TEST(BandsOfBf16, Agree) {
  Random random{1};
  for (int f : {2, 3, 4}) {
    const Built built(options_for(f));
    const Tensor image = random_normal({1, 41, 150, 1}, 0.3, random);
    const NoGrad none;
    const Tensor expected = built.network(Var(image)).value();
    for (const bands::Kernels* k :
         {&bands::software_bf16_kernels(), &bands::kernels(bands::Precision::bf16)}) {
      const bands::Network n(built.network.program(), *k);
      const Tensor y = n.run(image);
      double diff = 0, most = 0, at = -1;
      for (int64_t i = 0; i < y.shape().size(); ++i) {
        const double d = std::abs(double(y.data()[i]) - expected.data()[i]);
        if (d > diff) diff = d, at = double(i);
        most = std::max(most, std::abs(double(expected.data()[i])));
      }
      printf("x%d %s: differs by %g of %g at %g\n", f, k->name, diff, most, at);
    }
  }
}

}  // namespace
}  // namespace sr

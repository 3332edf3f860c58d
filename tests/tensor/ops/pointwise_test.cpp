// Operations element by element whose loops are compiled for each instruction set.
#include "tensor/ops/pointwise.h"

#include <gtest/gtest.h>

#include "tensor/random.h"
#include "tensor/simd/instruction_set.h"

namespace sr {
namespace {

// Plain sums in double, pixel by pixel in blocks of 128.
std::vector<float> sums_of(const std::vector<float>& dz, int64_t c) {
  const auto channels = static_cast<size_t>(c);
  std::vector<double> block(channels), all(channels);
  for (size_t i = 0; i < dz.size(); ++i) {
    block[i % channels] += double{dz[i]};
    if ((i + 1) % (128 * channels) == 0 || i + 1 == dz.size()) {
      for (size_t k = 0; k < channels; ++k) all[k] += block[k];
      block.assign(channels, 0.0);
    }
  }
  return {all.begin(), all.end()};
}

TEST(LeakyReluGrads, AreTheSlopeTimesTheGradientAndItsSumsInDoubleOnEverySetToTheBit) {
  Random random{1};
  for (int64_t c : {1, 7, 8, 9, 16, 31, 48, 64, 72, 80, 131}) {
    // Views in the middle of wider tensors, more than one block of pixels.
    const Tensor dy = random_normal({2, 13, 11, c + 3}, 1, random).channels(2, c + 2);
    Tensor y = random_normal({2, 13, 11, c + 5}, 1, random).channels(1, c + 1);
    y.data()[0] = 0;  // where the slope is the leak
    std::vector<float> dz = dy.to_vector();
    const std::vector<float> signs = y.to_vector();
    for (size_t i = 0; i < dz.size(); ++i)
      if (!(signs[i] > 0)) dz[i] *= 0.05f;
    for (const Simd simd : float_simd()) {
      if (simd > best_simd()) continue;
      set_simd(simd);
      const LeakyReluGrads grads = leaky_relu_grads(dy, y, 0.05f);
      EXPECT_EQ(grads.dz.to_vector(), dz) << c << ' ' << name_of(simd);
      EXPECT_EQ(grads.dbias.to_vector(), sums_of(dz, c)) << c << ' ' << name_of(simd);
    }
    set_simd(best_simd());
  }
}

}  // namespace
}  // namespace sr

// The network with the authors' weights against values computed independently in double precision.
#include "tests/support/golden.h"

#include <cmath>
#include <span>

#include "tensor/bands/network.h"
#include "tests/support/simd_sets.h"
#include "tests/tensor/bands/families.h"

namespace sr {
namespace {

using reference::Array;

class GoldenResult : public Golden {
 protected:
  /// Largest difference of residual + bicubic from the golden result, over the first `images`.
  template <class Number>
  double difference(const std::vector<Number>& residual) const {
    const std::vector<float> sr = read("sr", golden_shape().size());
    const std::vector<float> bicubic = read("bicubic", fine_shape().size());
    double worst = 0;
    for_each_golden_pixel([&](size_t golden, size_t fine) {
      if (fine >= residual.size()) return;
      const double d = std::abs(double{residual[fine]} + double{bicubic[fine]} - double{sr[golden]});
      if (!(d <= worst)) worst = d;
    });
    return worst;
  }
};

TEST_P(GoldenResult, FirstFeaturesAgreeOnEveryInstructionSet) {
  Params params;
  const FeatureBlock features(params.scope().sub("features"), model_->options());
  for (size_t i = 0; i < params.list().size(); ++i) {
    ASSERT_EQ(params.list()[i].name, model_->params->list()[i].name);
    params.list()[i].var.set_value(model_->params->list()[i].var.value());
  }
  const Array expected(read("features0", {kImages, kSize, kSize, 64}));
  const reference::Arrays arrays = reference::arrays_of(params);
  EXPECT_LT(reference::difference(read("features0", expected.shape),
                                  reference::features(reference::PlainLayers{arrays}, "features.",
                                                      model_->options().num_FB_layers, Array(lr()))),
            1e-6)
      << "the double-precision loops";
  const NoGrad none;
  for_each_simd([&] { EXPECT_LT(reference::difference(features(Var(lr())).value(), expected), 2e-5); });
}

TEST_P(GoldenResult, ResultAgreesOnEveryInstructionSet) {
  const NoGrad none;
  for_each_simd([&] { EXPECT_LT(difference((*model_->network)(Var(lr())).value().to_vector()), 2e-5); });
}

TEST_P(GoldenResult, RunBandByBandItAgreesInEveryPrecision) {
  // docs/numerics.md has the bound of bfloat16, of the residual's root mean square.
  constexpr double kBf16 = 1.8e-2;
  const std::vector<float> sr = read("sr", golden_shape().size()),
                           bicubic = read("bicubic", fine_shape().size());
  for (const Family& family : families()) {
    const std::vector<float> residual =
        bands::Network(model_->network->program(), *family.kernels).run(lr()).to_vector();
    double error = 0, square = 0;
    for_each_golden_pixel([&](size_t golden, size_t fine) {
      const double expected = double{sr[golden]} - double{bicubic[fine]};
      error += (residual[fine] - expected) * (residual[fine] - expected), square += expected * expected;
    });
    if (family.exact)
      EXPECT_LT(difference(residual), 2e-5) << family.name;
    else
      EXPECT_LT(std::sqrt(error / square), kBf16) << family.name;
  }
}

TEST_P(GoldenResult, ResultAgreesWithDoublePrecisionLoops) {
  const std::vector<float> both = read("lr", kImages * kSize * kSize);
  const Tensor first =
      Tensor::from({1, kSize, kSize, 1}, std::span(both).first(kSize * kSize));  // loops are slow
  const Array y = reference::network(reference::arrays_of(*model_->params), model_->options(), Array(first));
  EXPECT_LT(difference(y.values), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Factor, GoldenResult, golden_factors(), golden_name);

}  // namespace
}  // namespace sr

// The network with the authors' weights on a GPU, in each precision, against values computed independently in
// double precision.
#include <algorithm>
#include <span>

#include "tests/idn/cuda_precision.h"
#include "tests/support/golden.h"

namespace sr {
namespace {

using cuda::Precision;

class GoldenOnGpu : public Golden {
 protected:
  ~GoldenOnGpu() override { cuda::set_precision(Precision::fp32); }

  void expect_golden(Precision precision) {
    cuda::set_precision(precision);
    model_->to(Device::cuda);
    const std::vector<float> both = read("lr", kImages * kSize * kSize);  // the first is enough
    const Tensor first(Tensor::from({1, kSize, kSize, 1}, std::span(both).first(kSize * kSize)));
    const std::vector<float> residual = model_->residual(first).to_vector();
    const std::vector<float> sr = read("sr", golden_shape().size()),
                             bicubic = read("bicubic", fine_shape().size());
    std::vector<float> result, expected;
    for_each_golden_pixel([&](size_t golden, size_t fine) {
      if (fine >= residual.size()) return;
      result.push_back(residual[fine]);
      expected.push_back(sr[golden] - bicubic[fine]);
    });
    ASSERT_GT(result.size(), 300u);
    EXPECT_LT(relative_difference(result, expected), result_bound(precision, model_->options()))
        << cuda::name_of(precision);
    RecordProperty(cuda::name_of(precision), std::to_string(relative_difference(result, expected)));
  }
};

TEST_P(GoldenOnGpu, HalfPrecisionAgrees) {
  expect_golden(Precision::fp16);
}
INSTANTIATE_TEST_SUITE_P(Factor, GoldenOnGpu, golden_factors(), golden_name);

class GoldenX2OnGpu : public GoldenOnGpu {};
TEST_P(GoldenX2OnGpu, EveryOtherPrecisionAgrees) {
  for (const Precision precision : {Precision::bf16, Precision::tf32, Precision::fp32})
    expect_golden(precision);
}
INSTANTIATE_TEST_SUITE_P(Factor, GoldenX2OnGpu, testing::Values(2), golden_name);

}  // namespace
}  // namespace sr

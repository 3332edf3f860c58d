// Five steps of Adam on the authors' weights against values computed independently in double precision.
#include "optim/adam.h"
#include "tests/support/golden.h"

namespace sr {
namespace {

constexpr double kRate = 1e-4, kDecay = 1e-4;

class GoldenAdam : public Golden {
 protected:
  // The mean absolute error over the golden extent, and its gradient for the network's result.
  double absolute_error(const Tensor& residual, Tensor& dy) const {
    const std::vector<float> gt = read("gt", fine_shape().size()),
                             bicubic = read("bicubic", fine_shape().size());
    const double size = static_cast<double>(golden_shape().size());
    double sum = 0;
    dy = Tensor::zeros(fine_shape());
    for_each_golden_pixel([&](size_t, size_t fine) {
      const double error = double{residual.data()[fine]} + double{bicubic[fine]} - double{gt[fine]};
      sum += std::abs(error);
      dy.data()[fine] = static_cast<float>((error > 0) - (error < 0)) / static_cast<float>(size);
    });
    return sum / size;
  }
  double decay_term() const {
    double squares = 0;
    for (const Parameter& p : model_->params->list())
      if (p.decays)
        for (const float w : p.var.value().to_vector()) squares += double{w} * double{w};
    return kDecay * 0.5 * squares;
  }
};

TEST_P(GoldenAdam, FiveStepsFollowTheTrajectory) {
  Adam adam(*model_->params, {.weight_decay = kDecay});
  const std::vector<double> expected_losses = golden_numbers(folder_, "adam_losses");
  ASSERT_EQ(expected_losses.size(), 5u);
  for (const double expected : expected_losses) {
    const Var y = (*model_->network)(Var(lr()));
    Tensor dy;
    const double loss = absolute_error(y.value(), dy) + decay_term();
    EXPECT_NEAR(loss, expected, 2e-5);
    y.backward(dy);
    adam.step(kRate);
  }
  // Adam moves a parameter by about the rate, 1e-4, whatever the size of its gradient, so where a gradient is
  // next to nothing its rounding decides. For x4 one activation lies so near the kink that float32 takes its
  // other slope (tests/idn/golden_gradient_test.cpp), which the small gradients before it feel.
  const std::vector<float> all = read("params_after_adam", model_->params->count());
  size_t begin = 0, far = 0;
  double squares = 0;
  for (const Parameter& p : model_->params->list()) {
    const std::vector<float> expected = channels_last(&all[begin], p.var.shape()).to_vector();
    const std::vector<float> values = p.var.value().to_vector();
    for (size_t i = 0; i < values.size(); ++i) {
      const double d = double{values[i]} - double{expected[i]};
      squares += d * d;
      far += !(std::abs(d) <= 1e-5);
    }
    begin += values.size();
  }
  const double size = static_cast<double>(all.size());
  EXPECT_LT(std::sqrt(squares / size), factor_ == 4 ? 2e-5 : 5e-6);
  EXPECT_LT(static_cast<double>(far) / size, factor_ == 4 ? 0.2 : 1e-3) << "are off by more than 1e-5";
}

INSTANTIATE_TEST_SUITE_P(Factor, GoldenAdam, golden_factors(), golden_name);

}  // namespace
}  // namespace sr

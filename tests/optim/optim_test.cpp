// The optimizer, its schedules, and the average of the weights, against double-precision loops.
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>

#include "autograd/functions.h"
#include "optim/adam.h"
#include "optim/ema.h"
#include "optim/schedule.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using enum Error::Kind;

// Two parameters, a weight and a bias, and a gradient for each.
struct TwoParameters {
  Params params;
  Var weight, bias;

  explicit TwoParameters(int64_t size = 5) {
    weight = params.scope().create("weight", {1, 1, size, 3}, 0.5);
    bias = params.scope().create_bias("bias", size);
  }
  // The gradient of sum(dy * (p + p)) is 2 dy.
  void set_gradients(Random& random) {
    for (Parameter& p : params.list()) add(p.var, p.var).backward(random_normal(p.var.shape(), 1, random));
  }
};

// Algorithm 1 of the paper in double precision.
struct AdamLoop {
  AdamOptions o;
  std::vector<double> w, m, v;
  int t = 0;

  AdamLoop(const AdamOptions& options, const Tensor& start) : o(options) {
    for (const float value : start.to_vector()) w.push_back(double{value});
    m.resize(w.size()), v.resize(w.size());
  }
  void step(double rate, const std::vector<float>& gradient, double decay) {
    ++t;
    for (size_t i = 0; i < w.size(); ++i) {
      const double g = double{gradient[i]} + (o.decoupled ? 0 : decay * w[i]);
      m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
      v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(o.beta1, t)), v_hat = v[i] / (1 - std::pow(o.beta2, t));
      w[i] -= rate * m_hat / (std::sqrt(v_hat) + o.epsilon) + (o.decoupled ? rate * decay * w[i] : 0);
    }
  }
  double difference(const Tensor& values) const {
    double worst = 0;
    const std::vector<float> got = values.to_vector();
    for (size_t i = 0; i < w.size(); ++i) worst = std::max(worst, std::abs(double{got[i]} - w[i]));
    return worst;
  }
};

class AdamSteps : public testing::TestWithParam<bool> {};

TEST_P(AdamSteps, AgreeWithTheAlgorithmAndDecayWeightsOnly) {
  const AdamOptions options{.weight_decay = 0.3, .decoupled = GetParam()};
  TwoParameters two;
  Random random{7};
  AdamLoop weight(options, two.weight.value()), bias(options, two.bias.value());
  Adam adam(two.params, options);
  for (int step = 0; step < 20; ++step) {
    two.set_gradients(random);
    weight.step(0.01, two.weight.grad().to_vector(), options.weight_decay);
    bias.step(0.01, two.bias.grad().to_vector(), 0);
    adam.step(0.01);
    EXPECT_FALSE(two.weight.grad()) << "a step takes the gradients";
  }
  EXPECT_LT(weight.difference(two.weight.value()), 1e-6);
  EXPECT_LT(bias.difference(two.bias.value()), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Decay, AdamSteps, testing::Values(false, true),
                         [](const auto& decoupled) { return decoupled.param ? "decoupled" : "in_the_loss"; });

TEST(Adam, MultipliersScaleTheRateOnlyWhenAskedFor) {
  for (const bool use : {false, true}) {
    TwoParameters two;
    Random random{3};
    AdamLoop bias({.weight_decay = 0}, two.bias.value());
    Adam adam(two.params, {.weight_decay = 0});
    two.set_gradients(random);
    bias.step(use ? 0.1 * 0.01 : 0.01, two.bias.grad().to_vector(), 0);
    adam.step(0.01, 1, use);
    EXPECT_LT(bias.difference(two.bias.value()), 1e-7) << use;
  }
}

TEST(Adam, ClippedGradientsCountAsShortened) {
  TwoParameters two;
  Random random{4};
  AdamLoop weight({.weight_decay = 0}, two.weight.value());
  Adam adam(two.params, {.weight_decay = 0});
  for (int step = 0; step < 3; ++step) {
    two.set_gradients(random);
    std::vector<float> shortened = two.weight.grad().to_vector();
    const float scale = step == 1 ? 0.25f : 1.0f;
    for (float& g : shortened) g *= scale;
    weight.step(0.01, shortened, 0);
    adam.step(0.01, double{scale});
  }
  EXPECT_LT(weight.difference(two.weight.value()), 1e-6);
}

TEST(Adam, RestoredMomentsGoOnBitByBit) {
  TwoParameters straight, broken;
  Random random{5}, same{5};
  Adam one(straight.params, {});
  for (int step = 0; step < 6; ++step) straight.set_gradients(random), one.step(0.01);
  auto before = std::make_unique<Adam>(broken.params, AdamOptions{});
  for (int step = 0; step < 3; ++step) broken.set_gradients(same), before->step(0.01);
  Adam after(broken.params, {});
  after.restore(before->moments(), before->steps());
  before.reset();
  for (int step = 0; step < 3; ++step) broken.set_gradients(same), after.step(0.01);
  EXPECT_EQ(straight.weight.value().to_vector(), broken.weight.value().to_vector());
  EXPECT_EQ(after.steps(), 6);
}

TEST(Adam, RefusesAStateThatIsNotItsOwn) {
  TwoParameters five, six(6);
  Adam adam(five.params, {}), other(six.params, {});
  expect_error(format, "m/weight", [&] { adam.restore(other.moments(), 1); });
  expect_error(format, "missing", [&] { adam.restore({}, 1); });
  EXPECT_EQ(adam.steps(), 0);
  expect_error(usage, "beta", [&] { Adam(five.params, {.beta1 = 1}); });
}

TEST(Adam, ThreadsDoNotChangeABit) {
  std::vector<float> first;
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    TwoParameters two(1000);
    Random random{6};
    Adam adam(two.params, {});
    for (int step = 0; step < 3; ++step) two.set_gradients(random), adam.step(0.01);
    if (first.empty()) first = two.weight.value().to_vector();
    EXPECT_EQ(two.weight.value().to_vector(), first) << threads;
  }
  omp_set_num_threads(before);
}

TEST(GradientNorm, IsTheLengthOfAllGradientsTogether) {
  TwoParameters two(37);
  Random random{8};
  EXPECT_EQ(gradient_norm(two.params), 0);
  two.set_gradients(random);
  double squares = 0;
  for (const Var& v : {two.weight, two.bias})
    for (const float g : v.grad().to_vector()) squares += double{g} * double{g};
  EXPECT_NEAR(gradient_norm(two.params), std::sqrt(squares), 1e-12 * std::sqrt(squares));
}

TEST(Schedule, CosineFallsFromTheFullRateToZero) {
  const Schedule s{.kind = ScheduleKind::cosine, .rate = 0.4};
  EXPECT_DOUBLE_EQ(learning_rate(s, 0, 0), 0.4);
  EXPECT_NEAR(learning_rate(s, 100, 0.5), 0.2, 1e-15);
  EXPECT_NEAR(learning_rate(s, 100, 1), 0, 1e-15);
  EXPECT_NEAR(learning_rate(s, 100, 1.5), 0, 1e-15) << "beyond its end it does not rise again";
}

TEST(Schedule, StepMultipliesAfterEveryStepLength) {
  const Schedule s{.kind = ScheduleKind::step, .rate = 1, .step_length = 10, .step_factor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(s, 9, 0.9), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 10, 0), 0.1);
  EXPECT_NEAR(learning_rate(s, 25, 0), 0.01, 1e-15);
}

TEST(Schedule, WarmUpRisesInEqualSteps) {
  const Schedule s{.kind = ScheduleKind::constant, .rate = 2, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(learning_rate(s, 0, 0), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 3, 0), 2);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1000, 0), 2);
}

TEST(Ema, FollowsItsRecursion) {
  TwoParameters source, average(5);
  Ema ema(source.params, average.params, 0.9);
  std::vector<double> expected;
  for (const float v : source.weight.value().to_vector()) expected.push_back(double{v});
  Random random{9};
  for (int t = 0; t < 100; ++t) {
    source.weight.set_value(random_normal(source.weight.shape(), 1, random));
    const double keep = std::min(0.9, (1.0 + t) / (10.0 + t));
    const std::vector<float> now = source.weight.value().to_vector();
    for (size_t i = 0; i < expected.size(); ++i)
      expected[i] = keep * expected[i] + (1 - keep) * double{now[i]};
    ema.update(t);
  }
  const std::vector<float> got = average.weight.value().to_vector();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(double{got[i]}, expected[i], 1e-5);
}

TEST(Ema, RefusesADecayThatNeverForgets) {
  TwoParameters a, b;
  expect_error(usage, "decay", [&] { Ema(a.params, b.params, 1.0); });
}

}  // namespace
}  // namespace sr

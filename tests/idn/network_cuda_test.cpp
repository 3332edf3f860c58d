// The whole network on a CUDA device, emulated, against the same on the processor.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/functions.h"
#include "idn/layer_figures.h"
#include "idn/model.h"
#include "idn/stage_by_stage.h"
#include "tensor/cuda/device.h"
#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tests/idn/cuda_precision.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using cuda::Precision;

struct Case {
  Precision precision;
  int factor;
  bool span = false;
};

std::string name_of(const Case& c) {
  return std::string(c.span ? "span_" : "") + cuda::name_of(c.precision) + "_x" + std::to_string(c.factor);
}

NetworkOptions options_of(const Case& c) {
  if (c.span) return {.factor = c.factor, .span = SpanOptions{.channels = 16, .blocks = 2, .branches = true}};
  return {.factor = c.factor, .num_Dist_blocks = 2};
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << name_of(c);
}

std::vector<float> numbers(const Tensor& x) {
  return x.to(Device::cpu).to_vector();
}

class NetworkOnDevice : public testing::TestWithParam<Case> {
 protected:
  NetworkOnDevice() : model_(options_of(GetParam()), 5) {
    cuda::set_precision(GetParam().precision);
    Random random(3);
    image_ = random_normal(Shape{1, 13, 18, 1}, 0.3, random);
    const int64_t f = GetParam().factor;
    target_ = random_normal(Shape{1, 13 * f, 18 * f, 1}, 0.3, random);
  }
  ~NetworkOnDevice() override { cuda::set_precision(Precision::fp32); }

  Model model_;
  Tensor image_, target_;
};

TEST_P(NetworkOnDevice, ResultIsTheProcessors) {
  const Tensor expected = model_.residual(image_);
  model_.to(Device::cuda);
  EXPECT_EQ(model_.device(), Device::cuda);
  const Tensor result = model_.residual(image_);
  EXPECT_EQ(result.device(), Device::cpu);
  EXPECT_LT(relative_difference(numbers(result), numbers(expected)),
            result_bound(GetParam().precision, model_.options()));
}

TEST_P(NetworkOnDevice, StagesOneByOneAreTheNetworkAndCanBeTimed) {
  model_.to(Device::cuda);
  const bands::Program program = model_.network->program();
  const Tensor on_device = image_.to(Device::cuda);
  StageByStage stages(program, on_device);
  while (!stages.done()) stages.run_next();
  const std::vector<float> by_stages = numbers(stages.result()), at_once = numbers(model_.residual(image_));
  if (!GetParam().span) {
    EXPECT_EQ(by_stages, at_once);
  } else {  // whose stages have weights that are merged in double, and scaled
    EXPECT_LT(relative_difference(by_stages, at_once), result_bound(GetParam().precision, model_.options()));
  }
  const LayerTimes times = layer_times(model_, 18, 13, 1);
  EXPECT_EQ(times.layers.size(), program.stages().size());
  for (const double seconds : times.layers) EXPECT_GT(seconds, 0);
}

TEST_P(NetworkOnDevice, GradientsAreTheProcessors) {
  const auto run = [&](Device device) {
    const Var loss = l2_loss((*model_.network)(Var(image_.to(device))), target_.to(device));
    const float one = 1;
    loss.backward(Tensor::from({1, 1, 1, 1}, {&one, 1}));
    return loss.value().to(Device::cpu).to_vector()[0];
  };
  const float expected_loss = run(Device::cpu);
  std::vector<Tensor> expected;
  for (Parameter& p : model_.params->list()) {
    expected.push_back(p.var.grad());
    p.var.clear_grad();
  }
  model_.to(Device::cuda);
  EXPECT_NEAR(run(Device::cuda), expected_loss,
              result_bound(GetParam().precision, model_.options()) * expected_loss);
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const Parameter& p = model_.params->list()[i];
    const double off = relative_difference(numbers(p.var.grad()), numbers(expected[i]));
    EXPECT_LT(off, gradient_bound(GetParam().precision, model_.options())) << p.name;
    worst = std::max(worst, off);
  }
  RecordProperty("worst", std::to_string(worst));
}

INSTANTIATE_TEST_SUITE_P(Precisions, NetworkOnDevice,
                         testing::Values(Case{Precision::fp32, 2}, Case{Precision::tf32, 2},
                                         Case{Precision::bf16, 2}, Case{Precision::fp16, 2},
                                         Case{Precision::fp32, 3}, Case{Precision::fp16, 4},
                                         Case{Precision::fp32, 2, true}, Case{Precision::tf32, 3, true},
                                         Case{Precision::fp16, 2, true}),
                         [](const auto& c) { return name_of(c.param); });

TEST(OnDevice, PixelsFarFromTheEdgesHaveTheBitsOfASmallerImage) {
  cuda::set_precision(Precision::fp16);
  Model model({.num_FB_layers = 1, .num_Dist_blocks = 1}, 5);
  model.to(Device::cuda);
  const Reach reach = model.network->reach();
  Random random(4);
  const int64_t side = reach.before + reach.after + 3, f = model.factor();
  const Tensor large = random_normal(Shape{1, side + 5, side + 4, 1}, 0.3, random);
  Tensor small(Shape{1, side, side, 1});
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      small.data()[y * side + x] = large.data()[(y + 5) * (side + 4) + x + 4];
  const Tensor a = model.residual(large), b = model.residual(small);
  for (int64_t y = reach.before * f; y < (side - reach.after) * f; ++y)
    for (int64_t x = reach.before * f; x < (side - reach.after) * f; ++x)
      ASSERT_EQ(a.data()[(y + 5 * f) * (side + 4) * f + x + 4 * f], b.data()[y * side * f + x])
          << y << ' ' << x;
  cuda::set_precision(Precision::fp32);
}

TEST(OnDevice, TensorsOfTwoDevicesDoNotMeet) {
  const Tensor here = Tensor::zeros({1, 2, 2, 8}), there = here.to(Device::cuda);
  EXPECT_EQ(there.to(Device::cpu).to_vector(), here.to_vector());
  EXPECT_THROW(there.data(), Error);
  EXPECT_THROW(add(Var(here), Var(there)), Error);
}

}  // namespace
}  // namespace sr

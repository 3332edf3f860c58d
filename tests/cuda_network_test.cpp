// The whole network on a CUDA device, emulated, against the same on the processor.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/functions.h"
#include "idn/model.h"
#include "tensor/device_cuda.h"
#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tests/expect_error.h"

namespace sr {
namespace {

using cuda::Precision;

struct Case {
  Precision precision;
  int factor;
  double result, gradient;  // bounds, relative to the largest value
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
  constexpr const char* kNames[] = {"fp32", "tf32", "bf16", "fp16"};
  return std::string(kNames[static_cast<int>(info.param.precision)]) + "_x" + std::to_string(info.param.factor);
}

double largest(const Tensor& x) {
  double most = 0;
  for (const float v : x.to_vector()) most = std::max(most, std::abs(double{v}));
  return most;
}

// Largest difference relative to the largest expected value.
double difference(const Tensor& x, const Tensor& expected) {
  const std::vector<float> a = x.to(Device::cpu).to_vector(), b = expected.to_vector();
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double{a[i]} - double{b[i]});
    if (!(d <= most)) most = d;
  }
  return most / largest(expected);
}

class NetworkOnDevice : public testing::TestWithParam<Case> {
 protected:
  NetworkOnDevice() : model_({.factor = GetParam().factor, .num_Dist_blocks = 2}, 5) {
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
  EXPECT_LT(difference(result, expected), GetParam().result);
}

TEST_P(NetworkOnDevice, GradientsAreTheProcessors) {
  const auto run = [&](Device device) {
    const Var loss = l2_loss((*model_.network)(Var(image_.to(device))), target_.to(device));
    const float one = 1;
    loss.backward(Tensor::from({1, 1, 1, 1}, {&one, 1}));
    return loss.value().to_vector()[0];
  };
  const float expected_loss = run(Device::cpu);
  std::vector<Tensor> expected;
  for (Parameter& p : model_.params->list()) {
    expected.push_back(p.var.grad());
    p.var.clear_grad();
  }
  model_.to(Device::cuda);
  EXPECT_NEAR(run(Device::cuda), expected_loss, GetParam().result * expected_loss);
  for (size_t i = 0; i < expected.size(); ++i) {
    const Parameter& p = model_.params->list()[i];
    EXPECT_LT(difference(p.var.grad(), expected[i]), GetParam().gradient) << p.name;
  }
}

TEST_P(NetworkOnDevice, PixelsFarFromTheEdgesHaveTheBitsOfASmallerImage) {
  model_.to(Device::cuda);
  const Reach reach = model_.network->reach();
  Random random(4);
  const int64_t side = reach.before + reach.after + 3, f = GetParam().factor;
  const Tensor large = random_normal(Shape{1, side + 5, side + 4, 1}, 0.3, random);
  Tensor small(Shape{1, side, side, 1});
  for (int64_t y = 0; y < side; ++y)
    for (int64_t x = 0; x < side; ++x)
      small.data()[y * side + x] = large.data()[(y + 5) * (side + 4) + x + 4];
  const Tensor a = model_.residual(large), b = model_.residual(small);
  for (int64_t y = reach.before * f; y < (side - reach.after) * f; ++y)
    for (int64_t x = reach.before * f; x < (side - reach.after) * f; ++x)
      ASSERT_EQ(a.data()[(y + 5 * f) * (side + 4) * f + x + 4 * f], b.data()[y * side * f + x]) << y << ' ' << x;
}

INSTANTIATE_TEST_SUITE_P(Precisions, NetworkOnDevice,
                         testing::Values(Case{Precision::fp32, 2, 2e-6, 2e-5}, Case{Precision::tf32, 2, 2e-3, 2e-2},
                                         Case{Precision::bf16, 2, 2e-2, 0.1}, Case{Precision::fp16, 2, 2e-3, 2e-2},
                                         Case{Precision::fp32, 3, 2e-6, 2e-5}, Case{Precision::fp16, 4, 2e-3, 2e-2}),
                         name_of);

TEST(OnDevice, TensorsOfTwoDevicesDoNotMeet) {
  const Tensor here = Tensor::zeros({1, 2, 2, 8}), there = here.to(Device::cuda);
  EXPECT_EQ(there.to(Device::cpu).to_vector(), here.to_vector());
  EXPECT_THROW(there.data(), Error);
  EXPECT_THROW(add(Var(here), Var(there)), Error);
}

}  // namespace
}  // namespace sr

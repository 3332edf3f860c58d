// Every operation on Vars, on a GPU in float32, against the same on the processor.
#include <gtest/gtest.h>

#include <cmath>

#include "tensor/random.h"
#include "tests/autograd/op_cases.h"
#include "tests/support/cuda_schedules.h"

namespace sr {
namespace {

struct Outcome {
  std::vector<float> result;
  std::vector<std::vector<float>> gradients;
};

std::vector<float> numbers(const Tensor& x) {
  return x ? x.to(Device::cpu).to_vector() : std::vector<float>();
}

Outcome run(const OpCase& c, const std::vector<Tensor>& inputs, const Tensor& dy, Device device) {
  std::vector<Var> vars;
  for (const Tensor& x : inputs) vars.emplace_back(x.to(device), true);
  const Var y = c.op(vars);
  // A loss's gradient is asked for by a number of the processor's.
  y.backward(y.shape().size() == 1 ? dy : dy.to(device));
  Outcome outcome{numbers(y.value()), {}};
  for (const Var& v : vars) outcome.gradients.push_back(numbers(v.grad()));
  return outcome;
}

// Sums of so many float32 terms in two orders differ by a few units of the last place of the largest.
void expect_near(const std::vector<float>& a, const std::vector<float>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  double largest = 1e-30, off = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double{b[i]}));
    const double d = std::abs(double{a[i]} - double{b[i]});
    if (!(d <= off)) off = d;
  }
  EXPECT_LE(off, 4e-6 * largest) << what;
}

TEST(OpOnGpu, ResultAndGradientsOfEveryCaseAreTheProcessorsInEverySchedule) {
  for (const OpCase& c : op_cases()) {
    Random random(11);
    std::vector<Tensor> inputs;
    for (const OpInput& input : c.inputs)
      inputs.push_back(random_normal(input.shape, input.deviation, random));
    std::vector<Var> vars;
    for (const Tensor& x : inputs) vars.emplace_back(x, true);
    const Tensor dy = random_normal(c.op(vars).shape(), 1, random);
    const Outcome expected = run(c, inputs, dy, Device::cpu);
    in_every_schedule([&] {
      const Outcome there = run(c, inputs, dy, Device::cuda);
      expect_near(there.result, expected.result, c.name);
      for (size_t i = 0; i < expected.gradients.size(); ++i)
        expect_near(there.gradients[i], expected.gradients[i], c.name + ", gradient " + std::to_string(i));
    });
  }
}

}  // namespace
}  // namespace sr

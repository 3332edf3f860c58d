#include "tests/autograd/op_checks.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/allocator.h"
#include "tests/support/simd_sets.h"

namespace sr {
namespace {

using reference::Array;

constexpr double kForwardBound = 2e-6, kGradientBound = 1e-5;
constexpr double kKinkMargin = 3e-5;  // more than rounding and the step below move a value
constexpr double kStep = 1e-6;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Outcome {
  Tensor y;
  std::vector<Tensor> grads;  // one per input
};

// With dy = none, the result alone.
Outcome run(const OpCase& c, const std::vector<Tensor>& inputs, const Tensor& dy) {
  std::vector<Var> vars;
  for (const Tensor& t : inputs) vars.emplace_back(t, true);
  const Var y = c.op(vars);
  if (!dy) return {y.value(), {}};
  y.backward(dy);
  std::vector<Tensor> grads;
  for (const Var& v : vars) grads.push_back(v.grad());
  return {y.value(), grads};
}

std::vector<Tensor> random_inputs(const OpCase& c, Random& random) {
  std::vector<Tensor> inputs;
  for (const OpInput& input : c.inputs) inputs.push_back(random_normal(input.shape, input.deviation, random));
  return inputs;
}

std::vector<Array> arrays_of(const std::vector<Tensor>& tensors) {
  return {tensors.begin(), tensors.end()};
}

// Random inputs whose values in between lie clear of every kink, and the loops' result.
struct ClearInputs {
  std::vector<Tensor> inputs;
  Array expected{Shape{}};

  ClearInputs(const OpCase& c, Random& random) {
    for (int tries = 0; tries < 100; ++tries) {
      inputs = random_inputs(c, random);
      reference::nearest_kink = std::numeric_limits<double>::infinity();
      expected = c.loops(arrays_of(inputs));
      if (reference::nearest_kink > kKinkMargin) return;
    }
    ADD_FAILURE() << c.name << ": no inputs clear of kinks in 100 tries; use a smaller case";
  }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  const std::vector<float> x = a.to_vector(), y = b.to_vector();
  return a.shape() == b.shape() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(same_bits(a.y, b.y)) << "result";
  ASSERT_EQ(a.grads.size(), b.grads.size());
  for (size_t i = 0; i < a.grads.size(); ++i)
    EXPECT_TRUE(same_bits(a.grads[i], b.grads[i])) << "gradient of input " << i;
}

// A sum of products, and what it would typically come to if their signs were random.
struct Dot {
  double value = 0, scale = 0;
};
Dot dot(const Array& a, const Array& b) {
  Dot d;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double term = a.values[i] * b.values[i];
    d.value += term;
    d.scale += term * term;
  }
  d.scale = std::sqrt(d.scale);
  return d;
}

Tensor view_in_the_middle(const Tensor& t) {
  Shape wide = t.shape();
  wide.c += 7;
  Tensor all(wide);
  std::fill_n(all.data(), wide.size(), kNan);
  for (int64_t p = 0; p < wide.pixels(); ++p)
    std::copy_n(t.data() + p * t.shape().c, t.shape().c, all.data() + p * wide.c + 3);
  return all.channels(3, 3 + t.shape().c);
}

// Leaves NaN in what the pool hands out next: several blocks of every size class.
void poison_pool() {
  reset_pool_peak();
  {
    std::vector<Tensor> blocks;
    for (int64_t size = 16; size <= 1 << 17; size *= 2)
      for (int i = 0; i < 12; ++i) {
        blocks.emplace_back(Shape{1, 1, 1, size});
        std::fill_n(blocks.back().data(), size, kNan);
      }
  }
  for (const int64_t size : {1, 100, 30000})
    ASSERT_TRUE(std::isnan(Tensor(Shape{1, 1, 1, size}).data()[size - 1])) << "the pool gave other memory";
}

}  // namespace

void expect_forward(const OpCase& c) {
  Random random{1};
  const std::vector<Tensor> inputs = random_inputs(c, random);
  const Array expected = c.loops(arrays_of(inputs));
  for_each_simd([&] {
    const Tensor recorded = run(c, inputs, {}).y;
    EXPECT_EQ(recorded.shape(), expected.shape) << c.name;
    EXPECT_LT(reference::difference(recorded, expected), kForwardBound) << c.name;
    const NoGrad none;
    EXPECT_LT(reference::difference(run(c, inputs, {}).y, expected), kForwardBound)
        << c.name << " without recording";
  });
}

void expect_gradients(const OpCase& c) {
  Random random{2};
  const ClearInputs drawn(c, random);
  const std::vector<Array> arrays = arrays_of(drawn.inputs);
  const Tensor dy = random_normal(drawn.expected.shape, 1, random);
  std::vector<Array> directions;
  std::vector<double> expected;
  for (size_t i = 0; i < arrays.size(); ++i) {
    directions.emplace_back(random_normal(c.inputs[i].shape, c.inputs[i].deviation, random));
    const auto moved = [&](double step) {
      std::vector<Array> at = arrays;
      for (size_t k = 0; k < at[i].values.size(); ++k) at[i].values[k] += step * directions[i].values[k];
      return dot(Array(dy), c.loops(at)).value;
    };
    expected.push_back((moved(kStep) - moved(-kStep)) / (2 * kStep));
  }
  for_each_simd([&] {
    const Outcome outcome = run(c, drawn.inputs, dy);
    for (size_t i = 0; i < arrays.size(); ++i) {
      ASSERT_TRUE(outcome.grads[i]) << c.name << ": input " << i << " has no gradient";
      const Dot along = dot(Array(outcome.grads[i]), directions[i]);
      EXPECT_NEAR(along.value, expected[i], kGradientBound * along.scale) << c.name << ", input " << i;
    }
  });
}

void expect_adjoint(const OpCase& c) {
  Random random{3};
  const std::vector<Tensor> inputs = random_inputs(c, random);
  const Tensor dy = random_normal(run(c, inputs, {}).y.shape(), 1, random);
  for_each_simd([&] {
    const Outcome outcome = run(c, inputs, dy);
    for (const size_t i : c.linear) {
      std::vector<Tensor> without = inputs;
      without[i] = Tensor::zeros(inputs[i].shape());
      Array part(outcome.y);
      const Array constant(run(c, without, {}).y);
      for (size_t k = 0; k < part.values.size(); ++k) part.values[k] -= constant.values[k];
      const Dot forward = dot(Array(dy), part), backward = dot(Array(outcome.grads[i]), Array(inputs[i]));
      EXPECT_NEAR(forward.value, backward.value, kGradientBound * (forward.scale + backward.scale))
          << c.name << ", input " << i;
    }
  });
}

void expect_same_bits_for_any_threads(const OpCase& c) {
  Random random{4};
  const std::vector<Tensor> inputs = random_inputs(c, random);
  const Tensor dy = random_normal(run(c, inputs, {}).y.shape(), 1, random);
  const int before = omp_get_max_threads();
  for_each_simd([&] {
    omp_set_num_threads(1);
    const Outcome one = run(c, inputs, dy);
    for (const int threads : {2, 3}) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, c.name + ", threads: " + std::to_string(threads));
      omp_set_num_threads(threads);
      expect_same(one, run(c, inputs, dy));
    }
  });
  omp_set_num_threads(before);
}

void expect_fresh_memory_is_not_read(const OpCase& c) {
  const testing::ScopedTrace trace(__FILE__, __LINE__, c.name);
  Random random{5};
  const std::vector<Tensor> inputs = random_inputs(c, random);
  const Tensor dy = random_normal(run(c, inputs, {}).y.shape(), 1, random);
  for_each_simd([&] {
    const Outcome clean = run(c, inputs, dy);
    poison_pool();
    expect_same(clean, run(c, inputs, dy));
  });
}

void expect_views_are_taken(const OpCase& c) {
  const testing::ScopedTrace trace(__FILE__, __LINE__, c.name);
  Random random{6};
  const std::vector<Tensor> inputs = random_inputs(c, random);
  const Tensor dy = random_normal(run(c, inputs, {}).y.shape(), 1, random);
  std::vector<Tensor> views;
  for (const Tensor& t : inputs) views.push_back(view_in_the_middle(t));
  for_each_simd([&] { expect_same(run(c, inputs, dy), run(c, views, view_in_the_middle(dy))); });
}

void expect_all(const OpCase& c) {
  expect_forward(c);
  expect_gradients(c);
  expect_adjoint(c);
  expect_same_bits_for_any_threads(c);
  expect_fresh_memory_is_not_read(c);
  expect_views_are_taken(c);
}

}  // namespace sr

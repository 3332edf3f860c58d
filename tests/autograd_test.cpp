#include "autograd/var.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/functions.h"
#include "autograd/params.h"
#include "tensor/allocator.h"
#include "tests/expect_error.h"
#include "tests/reference.h"

namespace sr {
namespace {

using enum Error::Kind;
using reference::Array;

Tensor row(std::vector<float> values) {
  const auto size = static_cast<int64_t>(values.size());
  return Tensor::from({1, 1, 1, size}, values);
}

// 3 x, with its derivative.
Var tripled(const Var& x) {
  return add(x, add(x, x));
}

TEST(Autograd, TheTwoArmsOfADiamondAddUp) {
  const Var x(row({1, -2}), true);
  const Var left = tripled(x), right = add(x, x);
  add(left, right).backward(row({1, 10}));
  EXPECT_EQ(x.grad().to_vector(), (std::vector<float>{5, 50}));
}

TEST(Autograd, TheSameInputTwiceCountsTwice) {
  const Var x(row({1, 2}), true);
  const Var y = add(x, x);
  EXPECT_EQ(y.value().to_vector(), (std::vector<float>{2, 4}));
  const Tensor dy = row({1, 100});
  y.backward(dy);
  EXPECT_EQ(x.grad().to_vector(), (std::vector<float>{2, 200}));
  EXPECT_EQ(dy.to_vector(), (std::vector<float>{1, 100})) << "the caller's gradient is left alone";
}

TEST(Autograd, ANodeIsWalkedOnlyAfterAllThatUseIt) {
  // x feeds the result directly and through a long arm; a depth-first walk without order would take x too
  // soon.
  const Var x(row({1}), true);
  const Var middle = add(x, x);
  Var arm = middle;
  for (int i = 0; i < 50; ++i) arm = add(arm, middle);
  add(middle, arm).backward(row({1}));
  EXPECT_EQ(x.grad().to_vector(), std::vector<float>{2 * 52});
}

TEST(Autograd, AChainOfAHundredThousandStepsNeedsNoStack) {
  const Var x(row({1}), true), zero(row({0}));
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = add(y, zero);
  y.backward(row({3}));
  EXPECT_EQ(x.grad().to_vector(), std::vector<float>{3});
}

TEST(Autograd, GradientsOfSeveralGraphsAddUpUntilCleared) {
  Var x(row({1}), true);
  for (int i = 0; i < 2; ++i) add(x, x).backward(row({1}));
  EXPECT_EQ(x.grad().to_vector(), std::vector<float>{4});
  x.clear_grad();
  EXPECT_FALSE(x.grad());
}

TEST(Autograd, OnlyWhatNeedsAGradientGetsOne) {
  const Var data(row({1})), parameter(row({2}), true);
  add(data, parameter).backward(row({1}));
  EXPECT_FALSE(data.grad());
  EXPECT_TRUE(parameter.grad());
  EXPECT_FALSE(add(data, data).needs_grad());
}

TEST(Autograd, NoGradRecordsNothing) {
  const Var x(row({1}), true);
  {
    const NoGrad outer;
    {
      const NoGrad inner;
      EXPECT_FALSE(grad_enabled());
    }
    EXPECT_FALSE(grad_enabled()) << "the inner scope does not end the outer one";
    const Var y = add(x, x);
    EXPECT_FALSE(y.needs_grad());
    expect_error(usage, "nothing was recorded", [&] { y.backward(row({1})); });
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE(add(x, x).needs_grad());
}

TEST(Autograd, ASecondBackwardIsAnError) {
  const Var x(row({1}), true);
  const Var inner = add(x, x), y = add(inner, x);
  y.backward(row({1}));
  expect_error(usage, "walked before", [&] { y.backward(row({1})); });
  expect_error(usage, "walked before", [&] { add(inner, x).backward(row({1})); });
  EXPECT_EQ(x.grad().to_vector(), std::vector<float>{3}) << "the refused walks left nothing behind";
}

TEST(Autograd, MisuseIsAnError) {
  Var x(row({1, 2}), true);
  const Var y = add(x, x);
  expect_error(shape, "[1, 1, 1, 1]", [&] { y.backward(row({1})); });
  expect_error(shape, "[1, 1, 1, 3]", [&] { x.set_value(row({1, 2, 3})); });
  expect_error(usage, "leaf", [&] { Var(y).set_value(row({1, 2})); });
  expect_error(usage, "", [] { Var().value(); });
  expect_error(usage, "nothing was recorded", [&] { x.backward(row({1, 2})); });
  const Var short_list(row({1, 2}), {x, x}, [](const Tensor& dy) { return std::vector<Tensor>{dy}; });
  expect_error(shape, "1 gradients for 2 inputs", [&] { short_list.backward(row({1, 2})); });
  const Var wrong_shape(row({1, 2}), {x}, [](const Tensor&) { return std::vector<Tensor>{row({1})}; });
  expect_error(shape, "[1, 1, 1, 2]", [&] { wrong_shape.backward(row({1, 2})); });
}

TEST(Autograd, MemoryReturnsToWhereItStarted) {
  const int64_t before = pool_statistics().bytes_in_use;
  Random random{1};
  {
    const Var x(random_normal({1, 9, 9, 4}, 1, random), true),
        w(random_normal({4, 3, 3, 4}, 1, random), true);
    const int64_t leaves = pool_statistics().bytes_in_use;
    Var y = x;
    for (int i = 0; i < 5; ++i) y = conv2d(y, w, {}, {.pad_begin = 1, .pad_end = 1, .leak = 0.1f});
    const int64_t graph = pool_statistics().bytes_in_use;
    EXPECT_GE(graph - leaves, 5 * 81 * 4 * 4);
    y.backward(random_normal({1, 9, 9, 4}, 1, random));
    const int64_t gradients = 81 * 4 * 4 + 4 * 9 * 4 * 4, result = 81 * 4 * 4;
    EXPECT_LE(pool_statistics().bytes_in_use - leaves, gradients + result + 256) << "the graph is freed";
    const Var never_walked = conv2d(x, w, {}, {});
  }
  EXPECT_EQ(pool_statistics().bytes_in_use, before);
}

// ---- derivatives ------------------------------------------------------------------------------------------

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (size_t i = 0; i < a.values.size(); ++i) sum += a.values[i] * b.values[i];
  return sum;
}

// For f given twice, on Vars and as double-precision loops: the gradient of sum(dy * f) for each input, along
// a random direction, against the central difference of the loops. The inputs keep clear of the kink.
void check_derivative(const char* name, const std::vector<Shape>& shapes,
                      const std::function<Var(const std::vector<Var>&)>& f,
                      const std::function<Array(const std::vector<Array>&)>& loops) {
  constexpr double kStep = 1e-6;
  Random random{11};
  std::vector<Var> inputs;
  std::vector<Array> arrays;
  for (const Shape& s : shapes) {
    inputs.emplace_back(random_normal(s, 1, random), true);
    arrays.emplace_back(inputs.back().value());
  }
  const Var y = f(inputs);
  EXPECT_LT(reference::difference(y.value(), loops(arrays)), 1e-5) << name;
  const Tensor dy = random_normal(y.shape(), 1, random);
  y.backward(dy);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array direction(random_normal(shapes[i], 1, random));
    const auto moved = [&](double step) {
      std::vector<Array> at = arrays;
      for (size_t k = 0; k < at[i].values.size(); ++k) at[i].values[k] += step * direction.values[k];
      return dot(Array(dy), loops(at));
    };
    const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    const Array gradient(inputs[i].grad());
    const double scale = std::sqrt(dot(gradient, gradient) * dot(direction, direction));
    EXPECT_NEAR(dot(gradient, direction), expected, 1e-5 * scale) << name << ", input " << i;
  }
}

// The scale 1e-5 above is that of the two vectors, which a gradient in the wrong place misses by about 1.

TEST(Derivative, Conv2dForItsInputWeightAndBias) {
  struct Case {
    const char* name;
    Shape x, w;
    Conv2dOptions options;
  };
  for (const Case& c :
       {Case{"3x3", {2, 6, 7, 5}, {8, 3, 3, 5}, {.pad_begin = 1, .pad_end = 1}},
        Case{"leaky", {1, 6, 7, 5}, {8, 3, 3, 5}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
        Case{"no activation below 0", {1, 5, 5, 3}, {4, 1, 1, 3}, {.leak = 0}},
        Case{"groups", {1, 5, 6, 8}, {12, 3, 3, 4}, {.pad_begin = 1, .groups = 2, .leak = 0.3f}},
        Case{"stride", {1, 9, 8, 2}, {3, 3, 3, 2}, {.stride = 2, .pad_begin = 1, .leak = 0.5f}}})
    check_derivative(
        c.name, {c.x, c.w, {1, 1, 1, c.w.n}},
        [&](const std::vector<Var>& v) { return conv2d(v[0], v[1], v[2], c.options); },
        [&](const std::vector<Array>& a) { return reference::conv2d(a[0], a[1], &a[2], c.options); });
}

TEST(Derivative, Conv2dForTheAddedTensors) {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const std::vector<Shape> shapes{{1, 5, 6, 3}, {7, 3, 3, 3}, {1, 1, 1, 7}, {1, 5, 6, 4}, {1, 5, 6, 3}};
  check_derivative(
      "added", shapes,
      [&](const std::vector<Var>& v) {
        return conv2d(v[0], v[1], v[2], options, {v[3], v[4]});
      },
      [&](const std::vector<Array>& a) {
        return reference::conv2d(a[0], a[1], &a[2], options, {a[3], a[4]});
      });
}

TEST(Derivative, TransposedConvolution) {
  for (const int factor : {2, 3, 4}) {
    const Conv2dOptions options{.stride = factor, .pad_begin = 9 - factor, .pad_end = 8};
    const int64_t h = 4 * factor, w = 3 * factor;
    check_derivative(
        "transposed", {{1, 4, 3, 5}, {5, 17, 17, 2}, {1, 1, 1, 2}},
        [&](const std::vector<Var>& v) { return conv_transpose2d(v[0], v[1], v[2], h, w, options); },
        [&](const std::vector<Array>& a) {
          Array y = reference::conv2d_grad_input(a[0], a[1], {1, h, w, 2}, options);
          for (size_t i = 0; i < y.values.size(); ++i) y.values[i] += a[2].values[i % 2];
          return y;
        });
  }
}

TEST(Derivative, ChannelsAndSums) {
  check_derivative(
      "channels", {{2, 3, 4, 7}}, [](const std::vector<Var>& v) { return channels(v[0], 2, 5); },
      [](const std::vector<Array>& a) {
        Array y(Shape{2, 3, 4, 3});
        for (int64_t p = 0; p < 24; ++p)
          for (int64_t k = 0; k < 3; ++k) y.values[size_t(3 * p + k)] = a[0].values[size_t(7 * p + 2 + k)];
        return y;
      });
  check_derivative(
      "add", {{1, 3, 4, 2}, {1, 3, 4, 2}}, [](const std::vector<Var>& v) { return add(v[0], v[1]); },
      [](const std::vector<Array>& a) {
        Array y = a[0];
        for (size_t i = 0; i < y.values.size(); ++i) y.values[i] += a[1].values[i];
        return y;
      });
}

TEST(Derivative, Losses) {
  Random random{5};
  const Shape shape{2, 13, 14, 3};
  const Tensor target = random_normal(shape, 1, random);
  const Array t(target);
  const auto single = [](double value) {
    Array y(Shape{1, 1, 1, 1});
    y.values[0] = value;
    return y;
  };
  check_derivative(
      "l1", {shape}, [&](const std::vector<Var>& v) { return l1_loss(v[0], target); },
      [&](const std::vector<Array>& a) { return single(reference::l1_loss(a[0], t)); });
  check_derivative(
      "l2", {shape}, [&](const std::vector<Var>& v) { return l2_loss(v[0], target); },
      [&](const std::vector<Array>& a) { return single(reference::l2_loss(a[0], t)); });
  check_derivative(
      "ssim", {shape}, [&](const std::vector<Var>& v) { return ssim_loss(v[0], target, 2.5); },
      [&](const std::vector<Array>& a) { return single(-reference::ssim(a[0], t, 2.5)); });
}

TEST(Autograd, Conv2dWithAddedTensorsGivesTheSameBitsRecordingOrNot) {
  Random random{2};
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  const Var x(random_normal({1, 9, 21, 48}, 1, random), true), w(random_normal({80, 3, 3, 48}, 0.1, random));
  const Var b(random_normal({1, 1, 1, 80}, 1, random)), first(random_normal({1, 9, 21, 64}, 1, random));
  const Var second(channels(Var(random_normal({1, 9, 21, 64}, 1, random)), 0, 16));
  const Var recorded = conv2d(x, w, b, options, {first, second});
  EXPECT_TRUE(recorded.needs_grad());
  const NoGrad none;
  EXPECT_EQ(recorded.value().to_vector(), conv2d(x, w, b, options, {first, second}).value().to_vector());
}

TEST(Params, NamesMirrorTheStructureAndAreUnique) {
  Params params;
  const ParamScope scope = params.scope().sub("blocks").sub("0");
  const Var w = scope.create("weight", {2, 3, 3, 1}, 1);
  scope.create("bias", {1, 1, 1, 2}, 0, 0.1f);
  ASSERT_EQ(params.list().size(), 2u);
  EXPECT_EQ(params.list()[0].name, "blocks.0.weight");
  EXPECT_EQ(params.list()[1].name, "blocks.0.bias");
  EXPECT_EQ(params.list()[1].rate, 0.1f);
  EXPECT_EQ(params.list()[1].var.value().to_vector(), std::vector<float>(2, 0.0f));
  EXPECT_EQ(params.count(), 20);
  EXPECT_TRUE(w.needs_grad());
  expect_error(usage, "blocks.0.bias", [&] { scope.create("bias", {1, 1, 1, 2}, 0); });
}

TEST(Params, TheSeedDecidesTheInitialValues) {
  const auto first_weights = [](uint64_t seed) {
    Params params(seed);
    return params.scope().create("weight", {4, 3, 3, 4}, 1).value().to_vector();
  };
  EXPECT_EQ(first_weights(1), first_weights(1));
  EXPECT_NE(first_weights(1), first_weights(2));
}

}  // namespace
}  // namespace sr

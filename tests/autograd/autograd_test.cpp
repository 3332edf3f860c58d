#include "autograd/var.h"

#include <gtest/gtest.h>

#include "autograd/functions.h"
#include "autograd/params.h"
#include "tensor/allocator.h"
#include "tensor/ops/pointwise.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using enum Error::Kind;

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

// 2 x, whose gradient is a function that is told what is there already.
Var doubled(const Var& x, std::vector<size_t>& added) {
  return Var(scale(x.value(), 2), {x}, {}, [&added](const Tensor&, const Tensor& dy) {
    return std::vector<Var::Gradient>{[&added, dy](const Conv2dEnd& end) {
      added.push_back(end.added.size());
      return end.added.empty() ? scale(dy, 2) : add(end.added[0], scale(dy, 2));
    }};
  });
}

TEST(Autograd, AGradientThatIsAFunctionIsComputedLastAndAddsTheOthers) {
  const Var x(row({1, -2}), true);
  std::vector<size_t> added;
  const Var first = doubled(x, added), second = doubled(x, added);
  add(add(first, x), add(second, x)).backward(row({1, 10}));
  EXPECT_EQ(x.grad().to_vector(), (std::vector<float>{6, 60}));
  EXPECT_EQ(added, (std::vector<size_t>{1, 1}));
  const Var alone(row({3}), true);
  doubled(alone, added).backward(row({5}));
  EXPECT_EQ(alone.grad().to_vector(), std::vector<float>{10});
  EXPECT_EQ(added.back(), 0u);
}

TEST(Autograd, ViewsShareTheGradientOfTheWhole) {
  const Var x(row({1, 2, 3}), true);
  const Var y = add(x, x), low = y.channels(0, 2), middle = low.channels(1, 2);
  std::vector<size_t> added;
  add(add(doubled(middle, added), y.channels(1, 2)), low.channels(0, 1)).backward(row({1}));
  EXPECT_EQ(x.grad().to_vector(), (std::vector<float>{2, 6, 0}));
  expect_error(usage, "walked before", [&] { low.backward(row({1, 1})); });
  const Var z = add(x, x);
  z.channels(2, 3).backward(row({7}));
  EXPECT_EQ(x.grad().to_vector(), (std::vector<float>{2, 6, 14}));
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

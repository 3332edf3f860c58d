// What is asked of every layer: all that is asked of an operation, for its input and each of its parameters,
// and that it looks as far as it says.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/reach.h"
#include "tests/autograd/op_checks.h"

namespace sr {

/// A layer as an operation on its input and its parameters. `make` builds it from a ParamScope; `loops` takes
/// the input and the parameters by name.
template <class Make, class Loops>
OpCase layer_case(const std::string& name, const Shape& x, Make make, Loops loops) {
  OpCase c{.name = name, .inputs = {{x}}, .op = {}, .loops = {}};
  Params params;
  make(params.scope());
  std::vector<std::string> names;
  for (const Parameter& p : params.list()) {
    double sum = 0;
    for (const float v : p.var.value().to_vector()) sum += double{v} * double{v};
    // As they start; zeros would hide a missing bias.
    const double deviation = std::sqrt(sum / static_cast<double>(p.var.shape().size()));
    c.inputs.push_back({p.var.shape(), deviation == 0 ? 0.1 : deviation});
    names.push_back(p.name);
  }
  c.op = [make](const std::vector<Var>& v) {
    Params own;
    const auto layer = make(own.scope());
    std::vector<Var> leaves{Var(v[0].value(), true)};
    for (Parameter& p : own.list()) {
      p.var.set_value(v[leaves.size()].value());
      leaves.push_back(p.var);
    }
    const Var y = layer(leaves[0]);
    return Var(y.value(), v, [=](const Tensor& dy) {
      y.backward(dy);
      std::vector<Tensor> grads;
      for (const Var& leaf : leaves) grads.push_back(leaf.grad());
      return grads;
    });
  };
  c.loops = [loops, names](const std::vector<reference::Array>& a) {
    reference::Arrays parameters;
    for (size_t i = 0; i < names.size(); ++i) parameters.emplace(names[i], a[i + 1]);
    return loops(a[0], parameters);
  };
  return c;
}

/// From how far, in input pixels, a change of one input pixel is seen in layer(x), along the rows of an input
/// of `size` rows (or columns) and 3 columns (or rows).
template <class Layer>
Reach measured_reach(const Layer& layer, int64_t size, int64_t channels, bool rows) {
  const NoGrad none;
  const int64_t at = size / 2;
  Random random{2};
  Tensor x = random_normal(rows ? Shape{1, size, 3, channels} : Shape{1, 3, size, channels}, 0.3, random);
  const Tensor before = layer(Var(x.clone())).value();
  for (int64_t k = 0; k < channels; ++k) x.data()[(rows ? at * 3 + 1 : size + at) * channels + k] += 100;
  const Tensor after = layer(Var(x)).value();
  const Shape& y = before.shape();
  const int64_t factor = (rows ? y.h : y.w) / size;
  Reach reach{-1, -1};
  for (int64_t i = 0; i < y.h; ++i)
    for (int64_t j = 0; j < y.w; ++j) {
      const int64_t first = (i * y.w + j) * y.c, seen_from = (rows ? i : j) / factor;
      if (std::equal(before.data() + first, before.data() + first + y.c, after.data() + first)) continue;
      reach.before = std::max(reach.before, seen_from - at);
      reach.after = std::max(reach.after, at - seen_from);
    }
  return reach;
}

template <class Layer>
void expect_stated_reach(const Layer& layer, int64_t channels) {
  const Reach stated = layer.reach();
  const int64_t size = 2 * std::max(stated.before, stated.after) + 9;
  EXPECT_EQ(measured_reach(layer, size, channels, true), stated) << "along the rows";
  EXPECT_EQ(measured_reach(layer, size, channels, false), stated) << "along the columns";
}

/// `parameters` is the number of its trainable values, x the shape of an input.
template <class Make, class Loops>
void check_layer(const Shape& x, int64_t parameters, Make make, Loops loops) {
  Params params;
  const auto layer = make(params.scope());
  EXPECT_EQ(params.count(), parameters);
  expect_stated_reach(layer, x.c);
  expect_all(layer_case("layer", x, make, loops));
}

}  // namespace sr

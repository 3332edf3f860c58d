// A layer of one's own, with an operation of its own: its gradients are held against finite differences.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <vector>

#include "autograd/params.h"
#include "tensor/ops/reduce.h"

using namespace sr;

// y = gain[c] * x / sqrt(1 + x^2): a soft limit with a learned height for each channel.
struct SoftLimit {
  Var gain;

  // Creating a parameter is registering it; it starts with normal values of this deviation.
  SoftLimit(const ParamScope& p, int64_t channels) : gain(p.create("gain", {1, 1, 1, channels}, 1)) {}

  Var operator()(const Var& x) const {
    // An operation is a value and a closure that turns the value's gradient into one gradient per input.
    return Var(limited(x.value(), gain.value()), {x, gain},
               [x = x.value(), g = gain.value()](const Tensor& dy) {
                 return std::vector<Tensor>{x_gradient(x, g, dy), gain_gradient(x, dy)};
               });
  }

 private:
  // A new tensor of x's shape from f(index, channel).
  template <class F>
  static Tensor each(const Tensor& x, F f) {
    Tensor y(x.shape());
    for (int64_t i = 0; i < y.shape().size(); ++i) y.data()[i] = f(i, i % y.shape().c);
    return y;
  }
  static float below(float x) { return std::sqrt(1 + x * x); }

  static Tensor limited(const Tensor& x, const Tensor& gain) {
    return each(x, [&](int64_t i, int64_t c) { return gain.data()[c] * x.data()[i] / below(x.data()[i]); });
  }
  static Tensor x_gradient(const Tensor& x, const Tensor& gain, const Tensor& dy) {
    return each(x, [&](int64_t i, int64_t c) {
      return dy.data()[i] * gain.data()[c] / std::pow(below(x.data()[i]), 3.0f);
    });
  }
  static Tensor gain_gradient(const Tensor& x, const Tensor& dy) {
    return sum_per_channel(
        each(x, [&](int64_t i, int64_t) { return dy.data()[i] * x.data()[i] / below(x.data()[i]); }));
  }
};

// The largest difference between the gradient of sum(layer(x)) for `of`, a leaf, and (f(+h) - f(-h)) / 2h.
double check(const SoftLimit& layer, const Var& x, Var of) {
  constexpr float kStep = 1e-2f;
  const auto value = [&] {
    const NoGrad nothing_is_recorded;
    return sum(layer(x).value());
  };
  double worst = 0;
  const Tensor gradient = of.grad(), before = of.value();
  for (int64_t i = 0; i < before.shape().size(); ++i) {
    const auto moved = [&](float step) {
      Tensor other = before.clone();
      other.data()[i] += step;
      of.set_value(other);
      return value();
    };
    const double difference = (moved(kStep) - moved(-kStep)) / (2 * kStep);
    of.set_value(before);
    worst = std::max(worst, std::abs(difference - double{gradient.data()[i]}));
  }
  return worst;
}

int main() {
  Params params(7);  // a network's parameters; the number decides the first values
  const SoftLimit layer(params.scope(), 3);
  Random random{1};
  const Var x(random_normal({1, 4, 5, 3}, 1, random), true);

  const Var y = layer(x);
  Tensor ones(y.shape());
  for (int64_t i = 0; i < ones.shape().size(); ++i) ones.data()[i] = 1;
  y.backward(ones);  // the gradient of the sum of all values

  const double of_x = check(layer, x, x), of_gain = check(layer, x, layer.gain);
  const bool right = of_x < 1e-3 && of_gain < 1e-3;
  std::cout << params.count() << " parameters\n"
            << "gradients and finite differences " << (right ? "agree" : "differ") << '\n';
  return right ? 0 : 1;
}

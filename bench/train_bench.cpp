// A training step of the whole network: forward, L1 loss, backward, Adam.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "autograd/functions.h"
#include "bench/measure.h"
#include "idn/network.h"
#include "optim/adam.h"
#include "tensor/bands/kernels.h"
#include "tests/support/reference.h"

namespace sr::bench {
namespace {

using reference::Array;

constexpr int kFactor = 2;

Tensor repeated(const Tensor& one, int64_t times) {
  Shape shape = one.shape();
  shape.n = times;
  Tensor all(shape);
  for (int64_t n = 0; n < times; ++n)
    std::copy_n(one.data(), one.shape().size(), all.data() + n * one.shape().size());
  return all;
}

// A batch of one image again and again: its loss and gradients are the one image's, for which the loops do
// not take long.
struct Training {
  Params params{3};
  Network network{params.scope(), NetworkOptions{.factor = kFactor}};
  Adam adam{params, AdamOptions{}};
  Tensor image, target;
  Var batch;
  Tensor targets;

  Training(int64_t n, int64_t size) {
    Random random{1};
    image = random_normal({1, size, size, 1}, 0.3, random);
    target = random_normal({1, kFactor * size, kFactor * size, 1}, 0.3, random);
    batch = Var(repeated(image, n));
    targets = repeated(target, n);
  }
  Tensor backward() const {  // returns the batch's result
    const Var y = network(batch);
    l1_loss(y, targets).backward(Tensor::from({1, 1, 1, 1}, std::vector<float>{1}));
    return y.value();
  }
  void step() {
    backward();
    adam.step(1e-4);
  }
};

// By the double-precision loops: the result, and the loss's derivative along a random direction of all
// parameters.
struct Expected {
  Array result{Shape{}};
  std::map<std::string, Array> direction;
  double derivative = 0;
};

const Expected& expected_for(const Training& t) {
  static std::map<int64_t, Expected> known;  // by size
  const int64_t size = t.image.shape().h;
  const auto found = known.find(size);
  if (found != known.end()) return found->second;
  const NetworkOptions& o = t.network.options();
  const reference::Arrays arrays = reference::arrays_of(t.params);
  Expected e;
  e.result = reference::network(arrays, o, Array(t.image));
  Random random{2};
  for (const Parameter& p : t.params.list())
    e.direction.emplace(p.name, Array(random_normal(p.var.shape(), 1, random)));
  constexpr double kStep = 1e-8;
  double losses[2];
  for (const int side : {0, 1}) {
    reference::Arrays at = arrays;
    for (auto& [name, array] : at)
      for (size_t i = 0; i < array.values.size(); ++i)
        array.values[i] += (side == 0 ? -kStep : kStep) * e.direction.at(name).values[i];
    losses[side] = reference::l1_loss(reference::network(at, o, Array(t.image)), Array(t.target));
  }
  e.derivative = (losses[1] - losses[0]) / (2 * kStep);
  return known.emplace(size, e).first->second;
}

double difference(Training& t) {
  const Expected& e = expected_for(t);
  const Tensor all = t.backward();
  const Tensor first =
      Tensor::from(t.target.shape(), {all.data(), static_cast<size_t>(t.target.shape().size())});
  double derivative = 0, scale = 0;
  for (Parameter& p : t.params.list()) {
    const std::vector<float> gradient = p.var.grad().to_vector();
    const Array& direction = e.direction.at(p.name);
    for (size_t i = 0; i < gradient.size(); ++i) {
      const double term = double{gradient[i]} * direction.values[i];
      derivative += term;
      scale += term * term;
    }
    p.var.clear_grad();
  }
  // Some of the million activations lie so near the leaky ReLU's kink that rounding decides their slope; each
  // is 1e-3 of a derivative's typical size, a wrong gradient all of it. So that counts as a hundredth.
  return std::max(reference::difference(first, e.result),
                  0.01 * std::abs(derivative - e.derivative) / std::sqrt(scale));
}

// The processor's precision as long as it lives.
class Within {
 public:
  explicit Within(bands::Precision precision) { bands::set_precision(precision); }
  ~Within() { bands::set_precision(before_); }
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  bands::Precision before_ = bands::precision();
};

// What a result in bf16 may differ by: four times the bound of the root mean square (docs/numerics.md), for
// of some thousand values the worst lies as many deviations out.
constexpr double kBf16Bound = 4 * 1.8e-2;

Work training_step(int64_t n, int64_t size, bands::Precision precision) {
  const auto training = std::make_shared<Training>(n, size);
  Work work;
  work.run = [=] {
    const Within within(precision);
    training->step();
  };
  work.pixels = static_cast<double>(n * size * size);
  // Forward and the gradients for inputs and for weights.
  int64_t weights = 0;
  for (const Parameter& p : training->params.list())
    if (p.name.ends_with("weight")) weights += p.var.shape().size();
  work.multiply_adds = 3 * work.pixels * static_cast<double>(weights);
  if (precision == bands::Precision::bf16) work.allowed = kBf16Bound;
  work.difference = [=] {
    const Within within(precision);
    return difference(*training);
  };
  return work;
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  using sr::bands::Precision;
  for (const auto& [n, size] : {std::pair<int64_t, int64_t>{16, 24}, {16, 29}, {64, 29}}) {
    const std::string name =
        "/x2/" + std::to_string(n) + "_of_" + std::to_string(size) + 'x' + std::to_string(size);
    const auto step = [n = n, size = size](Precision precision) {
      return [=] { return sr::bench::training_step(n, size, precision); };
    };
    sr::bench::add_benchmark("train_step" + name, step(Precision::fp32));
    if (sr::bands::has_bf16())
      sr::bench::add_benchmark("train_step_bf16" + name, step(Precision::bf16), {sr::best_simd()});
  }
  return sr::bench::run_benchmarks(argc, argv);
}

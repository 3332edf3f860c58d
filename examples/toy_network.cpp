// A network of two layers that learns how steep an image is: |pixel - its left neighbour|.
#include <cmath>
#include <iostream>

#include "layers/conv2d.h"
#include "optim/adam.h"

using namespace sr;

struct SteepnessNetwork {
  Conv2d features, output;

  explicit SteepnessNetwork(const ParamScope& p)
      : features(p.sub("features"), 1, 8, 3, 0.1f),  // 1 channel to 8, 3x3, leaky ReLU of slope 0.1
        output(p.sub("output"), 8, 1, 3, 1) {}       // slope 1: no activation

  Var operator()(const Var& image) const { return output(features(image)); }
};

// What the network is to find.
Tensor steepness(const Tensor& images) {
  Tensor y(images.shape());
  for (int64_t i = 0; i < y.shape().size(); ++i) {
    const float left = i % y.shape().w == 0 ? 0 : images.data()[i - 1];  // outside there are zeros
    y.data()[i] = std::abs(images.data()[i] - left);
  }
  return y;
}

int main() {
  constexpr int kSteps = 400;
  Params params(1);
  const SteepnessNetwork network(params.scope());
  Adam adam(params, {.weight_decay = 0});
  const Tensor one = Tensor::from({1, 1, 1, 1}, std::vector<float>{1});
  Random random{2};

  float loss = 0;
  for (int step = 0; step < kSteps; ++step) {
    const Tensor images = random_normal({4, 16, 16, 1}, 1, random);  // new ones for every step
    const Var error = l1_loss(network(Var(images)), steepness(images));
    error.backward(one);
    adam.step(0.02 * (1 - static_cast<double>(step) / kSteps));  // the rate falls to zero
    loss = error.value().data()[0];
    if (step == 0) std::cout << "mean error at first " << loss << '\n';
  }
  std::cout << "after " << kSteps << " steps " << loss << ", want at most 0.01\n";
  return loss <= 0.01f ? 0 : 1;
}

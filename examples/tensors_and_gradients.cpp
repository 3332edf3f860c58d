// Tensors, and gradients of what is computed from them.
#include <iostream>
#include <vector>

#include "autograd/functions.h"

int main() {
  using namespace sr;
  // A tensor's four dimensions are images, rows, columns, channels: one image of 1 x 4 pixels.
  const Tensor image = Tensor::from({1, 1, 4, 1}, std::vector<float>{1, 2, 4, 8});
  const Tensor wanted = Tensor::from({1, 1, 4, 1}, std::vector<float>{3, 6, 12, 8});

  // A Var is a value that remembers how it was made; `true`: its gradient is wanted. The weights of a
  // convolution are [outputs, rows, columns, inputs], here 1 x 3 taps.
  const Var weight(Tensor::from({1, 1, 3, 1}, std::vector<float>{0, 1, 0}), true);
  const Var bias(Tensor::zeros({1, 1, 1, 1}), true);

  // Without padding there are two outputs less than pixels.
  const Var result = conv2d(Var(image), weight, bias, {});
  std::cout << result.shape() << ": " << result.value().data()[0] << ' ' << result.value().data()[1] << '\n';

  // Mean of the squared differences, ((2 - 6)^2 + (4 - 12)^2) / 2, and what it changes with.
  const Var loss = l2_loss(result, wanted.part(1, {1, 1, 2, 1}));
  loss.backward(Tensor::from({1, 1, 1, 1}, std::vector<float>{1}));
  std::cout << "loss " << loss.value().data()[0] << '\n';

  // The gradient of a tap is the mean of 2 * (difference) * (the pixel under it).
  std::cout << "d loss / d bias " << bias.grad().data()[0] << '\n' << "d loss / d weight";
  for (const float g : weight.grad().to_vector()) std::cout << ' ' << g;
  std::cout << '\n';
}

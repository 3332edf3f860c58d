#include "tensor/bands/first_layer.h"

#include <algorithm>
#include <vector>

#include "tensor/error.h"

namespace sr::bands {
namespace {

/// The view comes first, so that a pointer to it is one to this.
struct Packed {
  FirstLayer view;
  std::vector<float> weights, bias;
};

}  // namespace

PackedStage pack_first(const Stage& stage, void (*run)(const void* layer, const Job& job), int64_t columns) {
  if (stage.kind != Stage::Kind::convolution || stage.groups != 1 || stage.pointwise_weight ||
      stage.activation != Activation::leaky || stage.to.size() != 1)
    throw Error(Error::Kind::unsupported, "bands: the first layer is not a plain convolution");
  const auto p = std::make_shared<Packed>();
  const auto [outputs, kernel, width, inputs] = stage.weight.shape();
  const int64_t taps = kernel * width * inputs;
  p->weights.resize(static_cast<size_t>(outputs * taps));
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < taps; ++i)
      p->weights[static_cast<size_t>(i * outputs + o)] = stage.weight.data()[o * taps + i];
  p->bias.assign(static_cast<size_t>(outputs), 0.0f);
  if (stage.bias) std::copy_n(stage.bias.data(), outputs, p->bias.data());
  p->view = {inputs, outputs, kernel, p->weights.data(), p->bias.data(), stage.leak};
  return {std::shared_ptr<const void>(p, &p->view), run,
          kernel * (columns + kernel - 1 + kMostTogether) * inputs * 4};
}

void check_channels(const Stage& stage) {
  for (const Rows& rows : stage.to)
    if (rows.channels % 16 != 0)
      throw Error(Error::Kind::unsupported, "bands: ", rows.channels,
                  " channels between layers; want a multiple of 16");
}

}  // namespace sr::bands

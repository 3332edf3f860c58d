#include "tensor/bands/winograd_packing.h"

#include <algorithm>
#include <vector>

#include "tensor/bands/first_layer.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/error.h"

namespace sr::bands {
namespace {

using winograd::kPlaces;
using winograd::kTiles;
using winograd::Layer;
using winograd::Upsampling;
using winograd::Weights;

/// The memory of Weights.
struct PackedWeights {
  Weights view;
  std::vector<int64_t> first_output;
  Tensor values;  // elements
  std::vector<float> bias;
};

/// Memory and view of a stage; the view comes first, so that a pointer to it is one to this.
struct PackedLayer {
  Layer view;
  PackedWeights convolution, pointwise;
};

struct PackedUpsampling {
  Upsampling view;
  Tensor weights;  // elements
  std::vector<float> bias;
};

// A tensor's memory begins with a cache line: a vector that crosses two takes twice as long.
Tensor to_elements(const Tensor& floats, const winograd::Functions& functions) {
  return functions.element_bytes == sizeof(float) ? floats : convert(floats, DType::bf16);
}

std::vector<float> packed_bias(const Tensor& bias, int64_t outputs) {
  std::vector<float> packed(static_cast<size_t>(outputs), 0.0f);
  if (bias) std::copy_n(bias.data(), outputs, packed.data());
  return packed;
}

int64_t parts(int64_t all, int64_t most) {
  return (all + most - 1) / most;
}

// A group's outputs in as few blocks as have no more vectors than the largest, all of the same size; in
// vectors of eight if they fit one.
void plan_blocks(PackedWeights& p, int64_t largest_vectors) {
  Weights& w = p.view;
  const int64_t lanes = w.group_outputs <= 8 ? 8 : 16, vectors = parts(w.group_outputs, lanes);
  const int64_t groups = w.outputs / w.group_outputs;
  w.group_blocks = parts(vectors, largest_vectors);
  w.vectors = static_cast<int>(parts(vectors, w.group_blocks));
  w.blocks = groups * w.group_blocks;
  w.block_elements = w.inputs * w.vectors * lanes;
  for (int64_t b = 0; b < w.blocks; ++b)
    p.first_output.push_back(b / w.group_blocks * w.group_outputs + b % w.group_blocks * w.vectors * lanes);
  w.first_output = p.first_output.data();
  w.result_floats = parts(p.first_output.back() + w.vectors * lanes, 16) * 16;
}

/// What winograd.h transforms: weights in double precision, rounded once.
struct Number {
  double value;
  static Number zero() { return {0}; }
  static Number all(float value) { return {value}; }
  void add_product(Number a, Number b) { value += a.value * b.value; }
  Number operator+(Number b) const { return {value + b.value}; }
  Number operator-(Number b) const { return {value - b.value}; }
};

// One input's weights of one output -> store(place, its value in each). taps are `step` apart.
template <class Store>
void transform(const float* taps, int64_t kernel, int64_t step, const Store& store) {
  if (kernel == 1) return store(0, *taps);
  transform_square<Number, WeightTransform>(
      [&](int u, int v) { return Number{taps[(u * 3 + v) * step]}; },
      [&](int u, int v, Number n) { store(u * kWinogradInputs + v, static_cast<float>(n.value)); });
}

// weight [o, kernel, kernel, c]
const Weights& pack(PackedWeights& p, const Tensor& weight, const Tensor& bias, float leak, int64_t groups,
                    const winograd::Functions& functions) {
  const auto [outputs, kernel, columns, inputs] = weight.shape();
  Weights& w = p.view;
  w.inputs = inputs, w.outputs = outputs, w.group_outputs = outputs / groups, w.leak = leak;
  plan_blocks(p, functions.largest_vectors);
  const int64_t together = 4 / functions.element_bytes;  // inputs side by side
  if (inputs % together != 0)
    throw Error(Error::Kind::unsupported, "bands in bf16: a group of ", inputs,
                " channels; want an even number");
  const int64_t width = w.block_elements / inputs, place = w.blocks * w.block_elements;
  Tensor values = Tensor::zeros({1, 1, 1, (kernel == 1 ? 1 : kPlaces) * place});
  for (int64_t b = 0; b < w.blocks; ++b) {
    const int64_t begin = w.first_output[b], end = (b / w.group_blocks + 1) * w.group_outputs;
    for (int64_t o = begin; o < std::min(begin + width, end); ++o)
      for (int64_t k = 0; k < inputs; ++k) {
        const int64_t at =
            b * w.block_elements + (k / together * width + o - begin) * together + k % together;
        transform(weight.data() + o * kernel * columns * inputs + k, kernel, inputs,
                  [&](int64_t f, float v) { values.data()[f * place + at] = v; });
      }
  }
  p.values = to_elements(values, functions), p.bias = packed_bias(bias, outputs);
  w.values = p.values.address(), w.bias = p.bias.data();
  return w;
}

// An odd number of cache lines, which spreads the places over all of a cache's sets.
int64_t place_elements(int64_t of_tile, int64_t bytes_each) {
  const int64_t line = 64 / bytes_each;
  return (parts(kTiles * of_tile, line) | 1) * line;
}

PackedStage pack_layer(const Stage& stage, const winograd::Functions& functions) {
  const auto p = std::make_shared<PackedLayer>();
  if (stage.weight.shape().h != 3)
    throw Error(Error::Kind::unsupported, "bands: a kernel of ", stage.weight.shape(),
                " between layers; want 3x3");
  Layer& l = p->view;
  l.convolution = pack(p->convolution, stage.weight, stage.bias, stage.leak, stage.groups, functions);
  l.activation = stage.activation, l.joins = stage.joins;
  l.split = stage.to[0].channels;
  l.input_place = place_elements(stage.from.channels, functions.element_bytes);
  l.product_place = place_elements(l.convolution.result_floats, sizeof(float));
  l.product_bytes = kPlaces * l.input_place * functions.element_bytes;
  l.between_bytes = l.product_bytes + kPlaces * l.product_place * static_cast<int64_t>(sizeof(float));
  int64_t bytes = l.between_bytes;
  if (stage.pointwise_weight) {
    l.pointwise =
        pack(p->pointwise, stage.pointwise_weight, stage.pointwise_bias, stage.pointwise_leak, 1, functions);
    bytes += kTiles * winograd::kTile * winograd::kTile * l.pointwise.inputs * functions.element_bytes;
  }
  return {std::shared_ptr<const void>(p, &p->view), functions.layer, bytes, true};
}

PackedStage pack_upsampling(const Stage& stage, const winograd::Functions& functions) {
  const auto p = std::make_shared<PackedUpsampling>();
  const Tensor taps = subpixel_weights(stage.weight, stage.stride, stage.crop);
  const auto [filters, kernel, columns, inputs] = taps.shape();
  const int64_t terms = columns * inputs, lanes_take = 16 * 4 / functions.element_bytes;
  const int64_t row_terms = parts(terms, lanes_take) * lanes_take;
  Tensor weights = Tensor::zeros({1, 1, 1, filters * kernel * row_terms});
  for (int64_t row = 0; row < filters * kernel; ++row)
    std::copy_n(taps.data() + row * terms, terms, weights.data() + row * row_terms);
  p->weights = to_elements(weights, functions);
  p->bias = packed_bias(stage.bias, stage.weight.shape().c);
  p->view = {inputs,
             kernel,
             stage.before,
             stage.stride,
             stage.weight.shape().c,
             row_terms,
             p->weights.address(),
             p->bias.data()};
  return {std::shared_ptr<const void>(p, &p->view), functions.upsampling, 0};
}

}  // namespace

PackedStage pack_winograd(const Stage& stage, bool first, const winograd::Functions& functions) {
  check_channels(stage);
  if (first) return pack_first(stage, functions.first, winograd::kColumns);
  return stage.kind == Stage::Kind::upsampling ? pack_upsampling(stage, functions)
                                               : pack_layer(stage, functions);
}

}  // namespace sr::bands

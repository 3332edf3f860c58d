#include "tensor/bands/fp32_packing.h"

#include <algorithm>
#include <vector>

#include "tensor/allocator.h"
#include "tensor/bands/first_layer.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/error.h"

namespace sr::bands {
namespace {

using fp32::kPlaces;
using fp32::kTiles;
using fp32::Layer;
using fp32::Upsampling;
using fp32::Weights;

/// The memory of Weights.
struct PackedWeights {
  Weights view;
  std::vector<int64_t> first_output;
  std::shared_ptr<float> values;  // whole cache lines: a vector that crosses two takes twice as long
  std::vector<float> bias;
};

/// Memory and view of a stage; the view comes first, so that a pointer to it is one to this.
struct PackedLayer {
  Layer view;
  PackedWeights convolution, pointwise;
};

struct PackedUpsampling {
  Upsampling view;
  std::shared_ptr<float> weights;
  std::vector<float> bias;
};

std::shared_ptr<float> zeros(int64_t floats) {
  const std::shared_ptr<void> memory = allocate_cpu(floats * 4);
  std::fill_n(static_cast<float*>(memory.get()), floats, 0.0f);
  return {memory, static_cast<float*>(memory.get())};
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
  w.block_floats = w.inputs * w.vectors * lanes;
  for (int64_t b = 0; b < w.blocks; ++b)
    p.first_output.push_back(b / w.group_blocks * w.group_outputs + b % w.group_blocks * w.vectors * lanes);
  w.first_output = p.first_output.data();
  w.result_floats = parts(p.first_output.back() + w.vectors * lanes, 16) * 16;
}

/// What winograd.h transforms: weights in double precision, rounded once.
struct Number {
  double value;
  static Number zero() { return {0}; }
  static Number broadcast(const float* p) { return {*p}; }
  void add_product(Number a, Number b) { value += a.value * b.value; }
  Number operator+(Number b) const { return {value + b.value}; }
  Number operator-(Number b) const { return {value - b.value}; }
};

// One input's weights of one output -> its value in each place. taps are `step` apart.
void transform(const float* taps, int64_t kernel, int64_t step, float* to, int64_t place) {
  if (kernel == 1) {
    *to = *taps;
    return;
  }
  transform_square<Number, WeightTransform>(
      [&](int u, int v) { return Number{taps[(u * 3 + v) * step]}; },
      [&](int u, int v, Number n) { to[(u * 6 + v) * place] = static_cast<float>(n.value); });
}

// weight [o, kernel, kernel, c]
const Weights& pack(PackedWeights& p, const Tensor& weight, const Tensor& bias, float leak, int64_t groups,
                    int64_t largest_vectors) {
  const auto [outputs, kernel, columns, inputs] = weight.shape();
  Weights& w = p.view;
  w.inputs = inputs, w.outputs = outputs, w.group_outputs = outputs / groups, w.leak = leak;
  plan_blocks(p, largest_vectors);
  const int64_t width = w.block_floats / inputs, place = w.blocks * w.block_floats;
  p.values = zeros((kernel == 1 ? 1 : kPlaces) * place);
  for (int64_t b = 0; b < w.blocks; ++b) {
    const int64_t begin = w.first_output[b], end = (b / w.group_blocks + 1) * w.group_outputs;
    for (int64_t o = begin; o < std::min(begin + width, end); ++o)
      for (int64_t k = 0; k < inputs; ++k)
        transform(weight.data() + o * kernel * columns * inputs + k, kernel, inputs,
                  p.values.get() + b * w.block_floats + k * width + o - begin, place);
  }
  p.bias = packed_bias(bias, outputs);
  w.values = p.values.get(), w.bias = p.bias.data();
  return w;
}

// An odd number of cache lines, which spreads the places over all of a cache's sets.
int64_t place_floats(int64_t of_tile) {
  return (parts(kTiles * of_tile, 16) | 1) * 16;
}

PackedStage pack_layer(const Stage& stage, const fp32::Functions& functions) {
  const auto p = std::make_shared<PackedLayer>();
  if (stage.weight.shape().h != 3)
    throw Error(Error::Kind::unsupported, "bands in fp32: a kernel of ", stage.weight.shape(),
                " between layers; want 3x3");
  Layer& l = p->view;
  l.convolution =
      pack(p->convolution, stage.weight, stage.bias, stage.leak, stage.groups, functions.largest_vectors);
  l.activation = stage.activation, l.joins = stage.joins;
  l.split = stage.to[0].channels;
  l.input_place = place_floats(stage.from.channels);
  l.product_place = place_floats(l.convolution.result_floats);
  int64_t floats = kPlaces * (l.input_place + l.product_place);
  if (stage.pointwise_weight) {
    l.pointwise = pack(p->pointwise, stage.pointwise_weight, stage.pointwise_bias, stage.pointwise_leak, 1,
                       functions.largest_vectors);
    floats += kTiles * fp32::kTile * fp32::kTile * l.pointwise.inputs;
  }
  return {std::shared_ptr<const void>(p, &p->view), functions.layer, floats * 4, true};
}

PackedStage pack_upsampling(const Stage& stage, const fp32::Functions& functions) {
  const auto p = std::make_shared<PackedUpsampling>();
  const Tensor taps = subpixel_weights(stage.weight, stage.stride, stage.crop);
  p->weights = zeros(taps.shape().size());
  std::copy_n(taps.data(), taps.shape().size(), p->weights.get());
  p->bias = packed_bias(stage.bias, stage.weight.shape().c);
  p->view = {taps.shape().c,         taps.shape().h,   stage.before,  stage.stride,
             stage.weight.shape().c, p->weights.get(), p->bias.data()};
  return {std::shared_ptr<const void>(p, &p->view), functions.upsampling, 0};
}

}  // namespace

PackedStage pack_fp32(const Stage& stage, bool first, const fp32::Functions& functions) {
  check_channels(stage);
  if (first) return pack_first(stage, functions.first, fp32::kColumns);
  return stage.kind == Stage::Kind::upsampling ? pack_upsampling(stage, functions)
                                               : pack_layer(stage, functions);
}

}  // namespace sr::bands

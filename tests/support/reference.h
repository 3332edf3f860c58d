// The definitions as plain loops in double precision: what the kernels are judged against.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "idn/network.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/tensor.h"

namespace sr::reference {

struct Array {
  Shape shape;
  std::vector<double> values;
  explicit Array(Shape s) : shape(s), values(static_cast<size_t>(s.size()), 0.0) {}
  explicit Array(const Tensor& t) : shape(t.shape()) {
    const std::vector<float> v = t.to_vector();
    values.assign(v.begin(), v.end());
  }
  double& at(int64_t n, int64_t h, int64_t w, int64_t c) {
    return values[static_cast<size_t>(((n * shape.h + h) * shape.w + w) * shape.c + c)];
  }
  double at(int64_t n, int64_t h, int64_t w, int64_t c) const {
    return values[static_cast<size_t>(((n * shape.h + h) * shape.w + w) * shape.c + c)];
  }
};

/// How near the loops came to a place without a derivative since this was set: a derivative there is nobody's
/// fault, so the checks draw other inputs.
extern double nearest_kink;

void note_kink(double distance);

/// y + the parts side by side along the channels.
Array add_joined(Array y, const std::vector<Array>& parts);

Array conv2d(const Array& x, const Array& w, const Array* bias, const Conv2dOptions& o,
             const std::vector<Array>& added = {});

Array conv2d_grad_input(const Array& dy, const Array& w, const Shape& x, const Conv2dOptions& o);

Array conv2d_grad_weight(const Array& dy, const Array& x, const Shape& w, const Conv2dOptions& o);

Array conv_transpose2d(const Array& x, const Array& w, const Array* bias, int64_t fine_h, int64_t fine_w,
                       const Conv2dOptions& o);

Array add(const Array& a, const Array& b);

template <class F>
Array map(Array x, const F& f) {
  for (double& v : x.values) v = f(v);
  return x;
}

Array silu(const Array& x);

Array gate(const Array& z, const Array& x);

/// The weight of convolutions 1x1, 3x3 and 1x1 one after the other, and of a 1x1 beside them.
Array merged_branches(const Array& expand, const Array& middle, const Array& reduce, const Array& beside);

using Arrays = std::map<std::string, Array>;

Arrays arrays_of(const Params& params);

/// One layer of the network, by the name of its parameters.
Array layer(const Arrays& p, const std::string& name, const Array& x, int groups = 1, float leak = kLeak,
            const std::vector<Array>& added = {});

Array channels(const Array& x, int64_t begin, int64_t end);

/// The layers of the functions below: layer(name, x, groups, leak, added).
struct PlainLayers {
  const Arrays& parameters;
  Array operator()(const std::string& name, const Array& x, int groups = 1, float leak = kLeak,
                   const std::vector<Array>& added = {}) const {
    return layer(parameters, name, x, groups, leak, added);
  }
};

/// `prefix` as in the parameters' names: "features.", "blocks.0." or nothing. Values are Arrays, or what else
/// `layer` takes and returns.
template <class Layers, class Value>
Value features(const Layers& layer, const std::string& prefix, int layers, Value x) {
  for (int i = 0; i < layers; ++i) x = layer(prefix + std::to_string(i), x);
  return x;
}

template <class Layers, class Value>
Value distillation_block(const Layers& layer, const std::string& prefix, const Value& x,
                         bool compression_activation = true) {
  const Value t = layer(prefix + "conv3", layer(prefix + "conv2", layer(prefix + "conv1", x), 4));
  const Value r = layer(prefix + "conv5", layer(prefix + "conv4", channels(t, 16, 64)), 4);
  const Value y = layer(prefix + "conv6", r, 1, kLeak, {x, channels(t, 0, 16)});
  return layer(prefix + "compress", y, 1, compression_activation ? kLeak : 1);
}

/// All that comes before the upsampler.
template <class Layers, class Value>
Value coarse_part(const Layers& layer, const NetworkOptions& o, const Value& image) {
  Value x = features(layer, "features.", o.num_FB_layers, image);
  for (int i = 0; i < o.num_Dist_blocks; ++i)
    x = distillation_block(layer, "blocks." + std::to_string(i) + '.', x, o.compression_activation);
  return x;
}

/// A block of SPAN, without branches: its result, and that of its first SiLU.
struct SpanResults {
  Array out, first;
};
SpanResults span_block(const Arrays& p, const std::string& prefix, const Array& x);

/// The network as its paper describes it: [n, h, w, nchan] -> residual [n, factor*h, factor*w, nchan].
Array network(const Arrays& p, const NetworkOptions& o, const Array& image);

double l1_loss(const Array& x, const Array& target);

double l2_loss(const Array& x, const Array& target);

/// Mean angle between the pixels' channels, by the arc cosine.
double spectral_angle(const Array& x, const Array& target);

/// The definition, window by window with the two-dimensional kernel and centred moments; mean over n, windows
/// and channels.
double ssim(const Array& a, const Array& b, double peak);

/// Largest difference, relative to the largest value of the reference (or 1 if that is larger).
double difference(const Tensor& result, const Array& expected);

}  // namespace sr::reference

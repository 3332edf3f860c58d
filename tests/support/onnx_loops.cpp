#include "tests/support/onnx_loops.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace sr {
namespace {

using Ints = std::vector<int64_t>;

// [n, c, h, w], or a constant of fewer sides.
struct Array {
  Ints shape;
  std::vector<double> values;

  explicit Array(Ints sides = {})
      : shape(std::move(sides)), values(static_cast<size_t>(count_of(shape)), 0.0) {}
  double& at(int64_t n, int64_t c, int64_t y, int64_t x) {
    return values[static_cast<size_t>(((n * shape[1] + c) * shape[2] + y) * shape[3] + x)];
  }
  double at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return const_cast<Array*>(this)->at(n, c, y, x);
  }
};

template <class F>
void for_each_place(const Ints& s, F&& f) {
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t y = 0; y < s[2]; ++y)
        for (int64_t x = 0; x < s[3]; ++x) f(n, c, y, x);
}

class Run {
 public:
  explicit Run(const OnnxModel& graph) : graph_(graph) {
    for (const NamedArray& w : graph.weights) {
      Array array(w.shape);
      std::ranges::copy(w.values, array.values.begin());
      values_[w.name] = array;
    }
  }

  Array operator()(const Array& image) {
    values_[graph_.inputs.at(0).name] = image;
    for (const OnnxNode& node : graph_.nodes) compute(node);
    return values_.at(graph_.outputs.at(0).name);
  }

 private:
  const Array& in(const OnnxNode& node, size_t i) const { return values_.at(node.inputs.at(i)); }
  const Ints& ints_in(const OnnxNode& node, size_t i) const { return graph_.integers.at(node.inputs.at(i)); }
  static Ints ints(const OnnxNode& node, const std::string& name, const Ints& otherwise) {
    const auto found = node.attributes.find(name);
    return found == node.attributes.end() ? otherwise : std::get<Ints>(found->second);
  }
  static int64_t number(const OnnxNode& node, const std::string& name, int64_t otherwise) {
    const auto found = node.attributes.find(name);
    return found == node.attributes.end() ? otherwise : std::get<int64_t>(found->second);
  }

  void compute(const OnnxNode& node) {
    Array& out = values_[node.outputs.at(0)];
    if (node.type == "Conv")
      out = convolution(node);
    else if (node.type == "ConvTranspose")
      out = transposed(node);
    else if (node.type == "LeakyRelu")
      out = leaky(node);
    else if (node.type == "Sigmoid")
      out = sigmoid(node);
    else if (node.type == "Concat")
      out = concat(node);
    else if (node.type == "Slice")
      out = slice(node);
    else if (node.type == "Pad")
      out = pad(node);
    else if (node.type == "Split")
      split(node);
    else if (node.type == "Add")
      out = pairwise(node, [](double a, double b) { return a + b; });
    else if (node.type == "Sub")
      out = pairwise(node, [](double a, double b) { return a - b; });
    else if (node.type == "Mul")
      out = pairwise(node, [](double a, double b) { return a * b; });
    else
      throw std::runtime_error("no loops for " + node.type);
  }

  Array convolution(const OnnxNode& node) const {
    const Array &x = in(node, 0), &w = in(node, 1), &b = in(node, 2);
    const Ints pads = ints(node, "pads", {0, 0, 0, 0});
    const int64_t outs = w.shape[0] / number(node, "group", 1), ins = w.shape[1];
    Array y({x.shape[0], w.shape[0], x.shape[2] + pads[0] + pads[2] - w.shape[2] + 1,
             x.shape[3] + pads[1] + pads[3] - w.shape[3] + 1});
    for_each_place(y.shape, [&](int64_t n, int64_t o, int64_t row, int64_t column) {
      double sum = b.values[static_cast<size_t>(o)];
      for (int64_t k = 0; k < w.shape[2]; ++k)
        for (int64_t l = 0; l < w.shape[3]; ++l) {
          const int64_t r = row + k - pads[0], s = column + l - pads[1];
          if (r < 0 || r >= x.shape[2] || s < 0 || s >= x.shape[3]) continue;
          for (int64_t c = 0; c < ins; ++c) sum += x.at(n, o / outs * ins + c, r, s) * w.at(o, c, k, l);
        }
      y.at(n, o, row, column) = sum;
    });
    return y;
  }

  Array transposed(const OnnxNode& node) const {
    const Array &x = in(node, 0), &w = in(node, 1);
    const Ints pads = ints(node, "pads", {0, 0, 0, 0}), strides = ints(node, "strides", {1, 1}),
               more = ints(node, "output_padding", {0, 0});
    const int64_t group = number(node, "group", 1), ins = x.shape[1] / group, outs = w.shape[1];
    const auto side = [&](size_t i) {
      return strides[i] * (x.shape[i + 2] - 1) + more[i] + w.shape[i + 2] - pads[i] - pads[i + 2];
    };
    Array y({x.shape[0], outs * group, side(0), side(1)});
    for_each_place(x.shape, [&](int64_t n, int64_t c, int64_t row, int64_t column) {
      for (int64_t o = 0; o < outs; ++o)
        for (int64_t k = 0; k < w.shape[2]; ++k)
          for (int64_t l = 0; l < w.shape[3]; ++l) {
            const int64_t r = row * strides[0] + k - pads[0], s = column * strides[1] + l - pads[1];
            if (r < 0 || r >= y.shape[2] || s < 0 || s >= y.shape[3]) continue;
            y.at(n, c / ins * outs + o, r, s) += x.at(n, c, row, column) * w.at(c, o, k, l);
          }
    });
    if (node.inputs.size() > 2)
      for_each_place(y.shape, [&](int64_t n, int64_t o, int64_t r, int64_t s) {
        y.at(n, o, r, s) += in(node, 2).values[static_cast<size_t>(o)];
      });
    return y;
  }

  Array leaky(const OnnxNode& node) const {
    Array y = in(node, 0);
    const double alpha = double{std::get<float>(node.attributes.at("alpha"))};
    for (double& v : y.values) v = v < 0 ? alpha * v : v;
    return y;
  }

  Array sigmoid(const OnnxNode& node) const {
    Array y = in(node, 0);
    for (double& v : y.values) v = 1 / (1 + std::exp(-v));
    return y;
  }

  // The second may have sides of 1.
  template <class F>
  Array pairwise(const OnnxNode& node, F&& f) const {
    Array y = in(node, 0);
    const Array& b = in(node, 1);
    for_each_place(y.shape, [&](int64_t n, int64_t c, int64_t r, int64_t s) {
      y.at(n, c, r, s) = f(y.at(n, c, r, s), b.at(std::min(n, b.shape[0] - 1), std::min(c, b.shape[1] - 1),
                                                  std::min(r, b.shape[2] - 1), std::min(s, b.shape[3] - 1)));
    });
    return y;
  }

  // The part of an array from `begin` on along an axis.
  static Array part(const Array& x, size_t axis, int64_t begin, int64_t size) {
    Ints shape = x.shape;
    shape[axis] = size;
    Array y(shape);
    for_each_place(shape, [&](int64_t n, int64_t c, int64_t r, int64_t s) {
      Ints at{n, c, r, s};
      at[axis] += begin;
      y.at(n, c, r, s) = x.at(at[0], at[1], at[2], at[3]);
    });
    return y;
  }

  Array slice(const OnnxNode& node) const {
    Array x = in(node, 0);
    for (size_t i = 0; i < ints_in(node, 3).size(); ++i) {
      const auto axis = static_cast<size_t>(ints_in(node, 3)[i]);
      const int64_t side = x.shape[axis];
      const auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + side : at, 0, side); };
      const int64_t begin = place(ints_in(node, 1)[i]), end = place(ints_in(node, 2)[i]);
      x = part(x, axis, begin, std::max<int64_t>(end - begin, 0));
    }
    return x;
  }

  void split(const OnnxNode& node) {
    const auto axis = static_cast<size_t>(number(node, "axis", 0));
    int64_t begin = 0;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const int64_t size = ints_in(node, 1)[i];
      values_[node.outputs[i]] = part(in(node, 0), axis, begin, size);
      begin += size;
    }
  }

  Array concat(const OnnxNode& node) const {
    const auto axis = static_cast<size_t>(number(node, "axis", 0));
    Array y;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Array& x = in(node, i);
      if (i == 0) {
        y = x;
        continue;
      }
      Ints shape = y.shape;
      const int64_t begin = shape[axis];
      shape[axis] += x.shape[axis];
      Array joined(shape);
      for_each_place(shape, [&](int64_t n, int64_t c, int64_t r, int64_t s) {
        Ints at{n, c, r, s};
        const bool first = at[axis] < begin;
        if (!first) at[axis] -= begin;
        joined.at(n, c, r, s) = (first ? y : x).at(at[0], at[1], at[2], at[3]);
      });
      y = joined;
    }
    return y;
  }

  Array pad(const OnnxNode& node) const {
    if (std::get<std::string>(node.attributes.at("mode")) != "edge")
      throw std::runtime_error("no loops for this Pad");
    const Array& x = in(node, 0);
    const Ints& pads = ints_in(node, 1);
    Ints shape = x.shape;
    for (size_t i = 0; i < 4; ++i) shape[i] += pads[i] + pads[i + 4];
    Array y(shape);
    for_each_place(shape, [&](int64_t n, int64_t c, int64_t r, int64_t s) {
      Ints at{n, c, r, s};
      for (size_t i = 0; i < 4; ++i) at[i] = std::clamp<int64_t>(at[i] - pads[i], 0, x.shape[i] - 1);
      y.at(n, c, r, s) = x.at(at[0], at[1], at[2], at[3]);
    });
    return y;
  }

  const OnnxModel& graph_;
  std::map<std::string, Array> values_;
};

}  // namespace

Tensor run_onnx(const OnnxModel& graph, const Tensor& image) {
  const Shape& s = image.shape();
  Array x({s.n, s.c, s.h, s.w});
  for_each_place(x.shape, [&](int64_t n, int64_t c, int64_t y, int64_t column) {
    x.at(n, c, y, column) = double{image.data()[((n * s.h + y) * s.w + column) * s.c + c]};
  });
  const Array result = Run(graph)(x);
  Tensor back({result.shape[0], result.shape[2], result.shape[3], result.shape[1]});
  const Shape& t = back.shape();
  for_each_place(result.shape, [&](int64_t n, int64_t c, int64_t y, int64_t column) {
    back.data()[((n * t.h + y) * t.w + column) * t.c + c] = static_cast<float>(result.at(n, c, y, column));
  });
  return back;
}

}  // namespace sr

#include "tests/support/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sr::reference {
namespace {

// Calls visit(n, i, j, o, row, column, channel, u, v, k) for every term of a convolution: output (n, i, j,
// o), input (n, row, column, channel), weight (o, u, v, k).
template <class Visit>
void for_each_term(const Shape& x, const Shape& w, const Shape& y, const Conv2dOptions& o, Visit visit) {
  const int64_t og = w.n / o.groups;
  for (int64_t n = 0; n < y.n; ++n)
    for (int64_t i = 0; i < y.h; ++i)
      for (int64_t j = 0; j < y.w; ++j)
        for (int64_t q = 0; q < y.c; ++q)
          for (int64_t u = 0; u < w.h; ++u)
            for (int64_t v = 0; v < w.w; ++v) {
              const int64_t row = i * o.stride + u - o.pad_begin, column = j * o.stride + v - o.pad_begin;
              if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
              for (int64_t k = 0; k < w.c; ++k) visit(n, i, j, q, row, column, q / og * w.c + k, u, v, k);
            }
}

}  // namespace

double nearest_kink = std::numeric_limits<double>::infinity();

void note_kink(double distance) {
  nearest_kink = std::min(nearest_kink, std::abs(distance));
}

Array add_joined(Array y, const std::vector<Array>& parts) {
  int64_t begin = 0;
  for (const Array& part : parts) {
    for (int64_t p = 0; p < y.shape.pixels(); ++p)
      for (int64_t k = 0; k < part.shape.c; ++k)
        y.values[static_cast<size_t>(p * y.shape.c + begin + k)] +=
            part.values[static_cast<size_t>(p * part.shape.c + k)];
    begin += part.shape.c;
  }
  return y;
}

Array conv2d(const Array& x, const Array& w, const Array* bias, const Conv2dOptions& o,
             const std::vector<Array>& added) {
  Array y(conv2d_shape(x.shape, w.shape, o));
  for_each_term(x.shape, w.shape, y.shape, o,
                [&](auto n, auto i, auto j, auto q, auto row, auto column, auto c, auto u, auto v, auto k) {
                  y.at(n, i, j, q) += x.at(n, row, column, c) * w.at(q, u, v, k);
                });
  const Shape& s = y.shape;
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t i = 0; i < s.h; ++i)
      for (int64_t j = 0; j < s.w; ++j)
        for (int64_t q = 0; q < s.c; ++q) {
          double& value = y.at(n, i, j, q);
          if (bias) value += bias->at(0, 0, 0, q);
          if (o.leak != 1) note_kink(value);
          if (value < 0) value *= static_cast<double>(o.leak);
        }
  return add_joined(y, added);
}

Array conv2d_grad_input(const Array& dy, const Array& w, const Shape& x, const Conv2dOptions& o) {
  Array dx(x);
  for_each_term(x, w.shape, dy.shape, o,
                [&](auto n, auto i, auto j, auto q, auto row, auto column, auto c, auto u, auto v, auto k) {
                  dx.at(n, row, column, c) += dy.at(n, i, j, q) * w.at(q, u, v, k);
                });
  return dx;
}

Array conv2d_grad_weight(const Array& dy, const Array& x, const Shape& w, const Conv2dOptions& o) {
  Array dw(w);
  for_each_term(x.shape, w, dy.shape, o,
                [&](auto n, auto i, auto j, auto q, auto row, auto column, auto c, auto u, auto v, auto k) {
                  dw.at(q, u, v, k) += dy.at(n, i, j, q) * x.at(n, row, column, c);
                });
  return dw;
}

Array conv_transpose2d(const Array& x, const Array& w, const Array* bias, int64_t fine_h, int64_t fine_w,
                       const Conv2dOptions& o) {
  Array y = conv2d_grad_input(x, w, {x.shape.n, fine_h, fine_w, w.shape.c}, o);
  for (size_t i = 0; bias && i < y.values.size(); ++i) y.values[i] += bias->values[i % bias->values.size()];
  return y;
}

Array add(const Array& a, const Array& b) {
  return add_joined(a, {b});
}

Arrays arrays_of(const Params& params) {
  Arrays arrays;
  for (const Parameter& p : params.list()) arrays.emplace(p.name, p.var.value());
  return arrays;
}

Array layer(const Arrays& p, const std::string& name, const Array& x, int groups, float leak,
            const std::vector<Array>& added) {
  const Array& w = p.at(name + ".weight");
  const int pad = static_cast<int>(w.shape.h / 2);
  return conv2d(x, w, &p.at(name + ".bias"),
                {.pad_begin = pad, .pad_end = pad, .groups = groups, .leak = leak}, added);
}

Array channels(const Array& x, int64_t begin, int64_t end) {
  Array y({x.shape.n, x.shape.h, x.shape.w, end - begin});
  for (int64_t p = 0; p < x.shape.pixels(); ++p)
    for (int64_t k = begin; k < end; ++k)
      y.values[static_cast<size_t>(p * y.shape.c + k - begin)] =
          x.values[static_cast<size_t>(p * x.shape.c + k)];
  return y;
}

Array silu(const Array& x) {
  return map(x, [](double v) { return v / (1 + std::exp(-v)); });
}

Array gate(const Array& z, const Array& x) {
  Array y(z.shape);
  for (size_t i = 0; i < y.values.size(); ++i)
    y.values[i] = (z.values[i] + x.values[i]) * (1 / (1 + std::exp(-z.values[i])) - 0.5);
  return y;
}

Array merged_branches(const Array& expand, const Array& middle, const Array& reduce, const Array& beside) {
  const auto [outputs, h, w, inputs] = beside.shape;
  Array y({outputs, 3, 3, inputs});
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < inputs; ++i) {
      y.at(o, 1, 1, i) = beside.at(o, 0, 0, i);
      for (int64_t u = 0; u < 3; ++u)
        for (int64_t v = 0; v < 3; ++v)
          for (int64_t n = 0; n < middle.shape.n; ++n)
            for (int64_t m = 0; m < middle.shape.c; ++m)
              y.at(o, u, v, i) += reduce.at(o, 0, 0, n) * middle.at(n, u, v, m) * expand.at(m, 0, 0, i);
    }
  return y;
}

SpanResults span_block(const Arrays& p, const std::string& prefix, const Array& x) {
  const auto conv = [&](const char* name, const Array& y) { return layer(p, prefix + name, y, 1, 1); };
  const Array first = silu(conv("conv1", x));
  return {gate(conv("conv3", silu(conv("conv2", first))), x), first};
}

namespace {

// Without branches, in steps of 1/256.
Array span(const Arrays& p, const NetworkOptions& o, const Array& image) {
  const auto conv = [&](const std::string& name, const Array& x) { return layer(p, name, x, 1, 1); };
  const Array features = conv("features", map(image, [](double v) { return 256 * v; }));
  SpanResults block = span_block(p, "blocks.0.", features);
  const Array first = block.out;
  for (int i = 1; i < o.span->blocks; ++i)
    block = span_block(p, "blocks." + std::to_string(i) + '.', block.out);
  const int64_t c = o.span->channels;
  Array all({image.shape.n, image.shape.h, image.shape.w, 4 * c});
  const Array parts[] = {conv("last", block.out), features, first, block.first};
  for (int64_t q = 0; q < all.shape.pixels(); ++q)
    for (int64_t k = 0; k < 4 * c; ++k)
      all.values[static_cast<size_t>(q * 4 * c + k)] =
          parts[k / c].values[static_cast<size_t>(q * c + k % c)];
  const Array y = conv_transpose2d(conv("join", all), p.at("upsample.weight"), &p.at("upsample.bias"),
                                   o.factor * image.shape.h, o.factor * image.shape.w,
                                   {.stride = o.factor, .pad_begin = o.factor});
  return map(y, [](double v) { return v / 256; });
}

}  // namespace

Array network(const Arrays& p, const NetworkOptions& o, const Array& image) {
  if (o.span) return span(p, o, image);
  return conv_transpose2d(coarse_part(PlainLayers{p}, o, image), p.at("upsample.weight"),
                          &p.at("upsample.bias"), o.factor * image.shape.h, o.factor * image.shape.w,
                          {.stride = o.factor, .pad_begin = o.crop_begin});
}

double l1_loss(const Array& x, const Array& target) {
  double sum = 0;
  for (size_t i = 0; i < x.values.size(); ++i) {
    note_kink(x.values[i] - target.values[i]);
    sum += std::abs(x.values[i] - target.values[i]);
  }
  return sum / static_cast<double>(x.values.size());
}

double l2_loss(const Array& x, const Array& target) {
  double sum = 0;
  for (size_t i = 0; i < x.values.size(); ++i) sum += std::pow(x.values[i] - target.values[i], 2);
  return sum / static_cast<double>(x.values.size());
}

double spectral_angle(const Array& x, const Array& target) {
  const auto c = static_cast<size_t>(x.shape.c);
  double sum = 0;
  for (size_t first = 0; first < x.values.size(); first += c) {
    double xx = 0, tt = 0, xt = 0;
    for (size_t k = first; k < first + c; ++k) {
      xx += x.values[k] * x.values[k], tt += target.values[k] * target.values[k];
      xt += x.values[k] * target.values[k];
    }
    sum += std::acos(xt / std::sqrt(xx * tt));
  }
  return sum / static_cast<double>(x.values.size() / c);
}

double ssim(const Array& a, const Array& b, double peak) {
  const Shape& s = a.shape;
  double total = 0;
  int64_t windows = 0;
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t i = 5; i + 5 < s.h; ++i)
      for (int64_t j = 5; j + 5 < s.w; ++j)
        for (int64_t c = 0; c < s.c; ++c, ++windows) {
          const auto mean = [&](auto f) {
            double sum = 0, weights = 0;
            for (int64_t u = -5; u <= 5; ++u)
              for (int64_t v = -5; v <= 5; ++v) {
                const double weight = std::exp(-static_cast<double>(u * u + v * v) / (2 * 1.5 * 1.5));
                sum += weight * f(a.at(n, i + u, j + v, c), b.at(n, i + u, j + v, c));
                weights += weight;
              }
            return sum / weights;
          };
          const double ma = mean([](double p, double) { return p; }),
                       mb = mean([](double, double q) { return q; });
          const double va = mean([&](double p, double) { return (p - ma) * (p - ma); });
          const double vb = mean([&](double, double q) { return (q - mb) * (q - mb); });
          const double cov = mean([&](double p, double q) { return (p - ma) * (q - mb); });
          const double c1 = std::pow(0.01 * peak, 2), c2 = std::pow(0.03 * peak, 2);
          total += (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
        }
  return total / static_cast<double>(windows);
}

double difference(const Tensor& result, const Array& expected) {
  const std::vector<float> values = result.to_vector();
  if (values.size() != expected.values.size()) return 1e30;
  double largest = 1, worst = 0;
  for (const double v : expected.values) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < values.size(); ++i) {
    const double d = std::abs(static_cast<double>(values[i]) - expected.values[i]);
    if (!(d <= worst)) worst = d;  // a NaN counts
  }
  return worst / largest;
}

}  // namespace sr::reference

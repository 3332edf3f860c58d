#include "tests/autograd/op_cases.h"

#include <cmath>

#include "autograd/functions.h"
#include "tests/tensor/conv2d/cases.h"

namespace sr {
namespace {

using reference::Array;

// So that the results are near 1.
OpInput weights(const Shape& shape, double terms) {
  return {shape, 1 / std::sqrt(terms)};
}

OpCase conv2d_case(const Conv2dCase& c) {
  const auto terms = static_cast<double>(c.weight.size() / c.weight.n);
  OpCase result{
      c.name,
      {{c.x}, weights(c.weight, terms), {{1, 1, 1, c.weight.n}, 0.5}},
      [o = c.options](const std::vector<Var>& v) { return conv2d(v[0], v[1], v[2], o); },
      [o = c.options](const std::vector<Array>& a) { return reference::conv2d(a[0], a[1], &a[2], o); }};
  if (c.options.leak == 1) result.linear = {0, 1, 2};
  return result;
}

OpCase conv2d_without_bias() {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1};
  return {"conv2d without bias",
          {{{1, 5, 6, 21}}, weights({18, 3, 3, 21}, 9 * 21)},
          [=](const std::vector<Var>& v) { return conv2d(v[0], v[1], {}, options); },
          [=](const std::vector<Array>& a) { return reference::conv2d(a[0], a[1], nullptr, options); },
          {0, 1}};
}

// One or two tensors whose channels make up the output's, added after the activation.
OpCase conv2d_with_added(const char* name, int64_t in, const std::vector<int64_t>& added, float leak) {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = leak};
  int64_t out = 0;
  for (const int64_t channels : added) out += channels;
  OpCase result{
      name,
      {{{1, 6, 13, in}}, weights({out, 3, 3, in}, static_cast<double>(9 * in)), {{1, 1, 1, out}, 0.5}},
      [=](const std::vector<Var>& v) {
        return conv2d(v[0], v[1], v[2], options, {v.begin() + 3, v.end()});
      },
      [=](const std::vector<Array>& a) {
        return reference::conv2d(a[0], a[1], &a[2], options, {a.begin() + 3, a.end()});
      }};
  for (const int64_t channels : added) {
    result.linear.push_back(result.inputs.size());
    result.inputs.push_back({{1, 6, 13, channels}});
  }
  if (leak == 1) result.linear.insert(result.linear.end(), {0, 1, 2});
  return result;
}

// To `h` x `w` pixels.
OpCase conv_transpose2d_case(const char* name, const Shape& x, const Shape& weight, int64_t h, int64_t w,
                             const Conv2dOptions& options) {
  const double taps = static_cast<double>(weight.h * weight.w) / (options.stride * options.stride);
  return {name,
          {{x}, weights(weight, taps * static_cast<double>(x.c)), {{1, 1, 1, weight.c}, 0.5}},
          [=](const std::vector<Var>& v) { return conv_transpose2d(v[0], v[1], v[2], h, w, options); },
          [=](const std::vector<Array>& a) {
            return reference::conv_transpose2d(a[0], a[1], &a[2], h, w, options);
          },
          {0, 1, 2}};
}

OpCase conv_transpose2d_without_bias() {
  const Conv2dOptions options{.stride = 2, .pad_begin = 1, .pad_end = 2};
  return {"transposed without bias",
          {{{1, 3, 4, 7}}, weights({7, 5, 5, 2}, 7 * 25 / 4.0)},
          [=](const std::vector<Var>& v) { return conv_transpose2d(v[0], v[1], {}, 6, 8, options); },
          [=](const std::vector<Array>& a) {
            return reference::conv_transpose2d(a[0], a[1], nullptr, 6, 8, options);
          },
          {0, 1}};
}

OpCase channels_case(int64_t begin, int64_t end) {
  return {"channels " + std::to_string(begin) + " to " + std::to_string(end),
          {{{2, 3, 4, 7}}},
          [=](const std::vector<Var>& v) { return channels(v[0], begin, end); },
          [=](const std::vector<Array>& a) { return reference::channels(a[0], begin, end); },
          {0}};
}

OpCase add_case(const Shape& shape) {
  return {"add",
          {{shape}, {shape}},
          [](const std::vector<Var>& v) { return add(v[0], v[1]); },
          [](const std::vector<Array>& a) { return reference::add(a[0], a[1]); },
          {0, 1}};
}

OpCase scale_case() {
  return {
      "scale",
      {{{2, 3, 5, 7}}},
      [](const std::vector<Var>& v) { return scale(v[0], -0.75f); },
      [](const std::vector<Array>& a) { return reference::map(a[0], [](double x) { return -0.75 * x; }); },
      {0}};
}

OpCase silu_case(const Shape& shape) {
  return {"silu",
          {{shape, 3}},
          [](const std::vector<Var>& v) { return silu(v[0]); },
          [](const std::vector<Array>& a) { return reference::silu(a[0]); }};
}

OpCase gate_case(const Shape& shape) {
  return {"gate",
          {{shape, 2}, {shape}},
          [](const std::vector<Var>& v) { return gate(v[0], v[1]); },
          [](const std::vector<Array>& a) { return reference::gate(a[0], a[1]); },
          {1}};
}

// Weights of `in` channels to `out` by way of `first` and `second`.
OpCase merged_branches_case(int64_t in, int64_t first, int64_t second, int64_t out) {
  return {"merged branches to " + std::to_string(out),
          {weights({first, 1, 1, in}, static_cast<double>(in)),
           weights({second, 3, 3, first}, static_cast<double>(first)),
           weights({out, 1, 1, second}, static_cast<double>(second)),
           {{out, 1, 1, in}}},
          [](const std::vector<Var>& v) { return merged_branches(v[0], v[1], v[2], v[3]); },
          [](const std::vector<Array>& a) { return reference::merged_branches(a[0], a[1], a[2], a[3]); },
          {0, 1, 2, 3}};
}

// Loss and loops take an input and a target.
template <class Loss, class Loops>
OpCase loss_case(const char* name, const Shape& shape, Loss loss, Loops loops) {
  Random random{7};
  const Tensor target = random_normal(shape, 1, random);
  return {name,
          {{shape}},
          [=](const std::vector<Var>& v) { return loss(v[0], target.to(v[0].value().device())); },
          [=, t = Array(target)](const std::vector<Array>& a) {
            Array y(Shape{1, 1, 1, 1});
            y.values[0] = loops(a[0], t);
            return y;
          }};
}

OpCase ssim_case(const char* name, const Shape& shape) {
  constexpr double kPeak = 2.5;
  return loss_case(
      name, shape, [](const Var& x, const Tensor& target) { return ssim_loss(x, target, kPeak); },
      [](const Array& x, const Array& target) { return -reference::ssim(x, target, kPeak); });
}

constexpr Conv2dOptions kLeaky{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};

// One value used twice, views and joined sums: what a distillation block does.
OpCase graph_case() {
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.05f};
  return {"graph",
          {{{1, 5, 7, 12}}, weights({16, 3, 3, 12}, 108), weights({16, 3, 3, 12}, 108)},
          [=](const std::vector<Var>& v) {
            const Var t = conv2d(v[0], v[1], {}, options);
            return add(conv2d(channels(t, 4, 16), v[2], {}, options, {v[0], channels(t, 0, 4)}), t);
          },
          [=](const std::vector<Array>& a) {
            const Array t = reference::conv2d(a[0], a[1], nullptr, options);
            return reference::add(reference::conv2d(reference::channels(t, 4, 16), a[2], nullptr, options,
                                                    {a[0], reference::channels(t, 0, 4)}),
                                  t);
          }};
}

// A leaky convolution's result t in all the ways in which its gradient may come: by convolutions whose
// epilogue can add what was there and take t's slope, by others, as a whole and by views that overlap or make
// it up. The last user in the backward pass is the first here.
OpCase gradient_sum_case(const char* name, std::function<Var(const Var& t, const Var& w)> uses,
                         std::function<Array(const Array& t, const Array& w)> loops) {
  return {
      name,
      {{{1, 5, 7, 12}}, weights({16, 3, 3, 12}, 108), weights({16, 3, 3, 16}, 144), {{1, 1, 1, 16}, 0.5}},
      [=](const std::vector<Var>& v) { return uses(conv2d(v[0], v[1], v[3], kLeaky), v[2]); },
      [=](const std::vector<Array>& a) { return loops(reference::conv2d(a[0], a[1], &a[3], kLeaky), a[2]); }};
}

std::vector<OpCase> gradient_sum_cases() {
  using reference::add;
  const auto conv = [](const Array& x, const Array& w, const std::vector<Array>& added = {}) {
    return reference::conv2d(x, w, nullptr, kLeaky, added);
  };
  std::vector<OpCase> cases;
  cases.push_back(gradient_sum_case(
      "t twice, by two convolutions",
      [](const Var& t, const Var& w) { return conv2d(conv2d(t, w, {}, kLeaky), w, {}, kLeaky, {t}); },
      [=](const Array& t, const Array& w) { return conv(conv(t, w), w, {t}); }));
  cases.push_back(gradient_sum_case(
      "t thrice, first by a convolution",
      [](const Var& t, const Var& w) { return add(add(conv2d(t, w, {}, kLeaky), t), t); },
      [=](const Array& t, const Array& w) { return add(add(conv(t, w), t), t); }));
  cases.push_back(gradient_sum_case(
      "t by sums alone",
      [](const Var& t, const Var& w) { return conv2d(add(t, channels(t, 0, 16)), w, {}, kLeaky); },
      [=](const Array& t, const Array& w) { return conv(add(t, t), w); }));
  cases.push_back(gradient_sum_case(
      "t by two parts, of which one is used twice",
      [](const Var& t, const Var& w) {
        const Var high = channels(t, 6, 16), wide = conv2d(high, channels(w, 0, 10), {}, kLeaky);
        return conv2d(wide, w, {}, kLeaky, {high, channels(t, 0, 6)});
      },
      [=](const Array& t, const Array& w) {
        const Array high = reference::channels(t, 6, 16);
        return conv(conv(high, reference::channels(w, 0, 10)), w, {high, reference::channels(t, 0, 6)});
      }));
  cases.push_back(gradient_sum_case(
      "views of t that overlap, one of a view",
      [](const Var& t, const Var& w) {
        const Var most = channels(t, 4, 16);
        return conv2d(conv2d(most, channels(w, 0, 12), {}, kLeaky), w, {}, kLeaky,
                      {channels(most, 4, 12), channels(t, 0, 8)});
      },
      [=](const Array& t, const Array& w) {
        const Array most = reference::channels(t, 4, 16);
        return conv(conv(most, reference::channels(w, 0, 12)), w,
                    {reference::channels(most, 4, 12), reference::channels(t, 0, 8)});
      }));
  cases.push_back(gradient_sum_case(
      "some channels of t alone",
      [](const Var& t, const Var& w) {
        return conv2d(channels(t, 0, 8), channels(w, 0, 8), {}, kLeaky, {t});
      },
      [=](const Array& t, const Array& w) {
        return conv(reference::channels(t, 0, 8), reference::channels(w, 0, 8), {t});
      }));
  cases.push_back(gradient_sum_case(
      "a sum whose own result is used by none",
      [](const Var& t, const Var& w) { return add(conv2d(t, w, {}, kLeaky, {t}), t); },
      [=](const Array& t, const Array& w) { return add(conv(t, w, {t}), t); }));
  cases.push_back(gradient_sum_case(
      "t by a transposed convolution",
      [](const Var& t, const Var& w) {
        return conv_transpose2d(t, w, {}, 5, 7, {.pad_begin = 1, .pad_end = 1});
      },
      [](const Array& t, const Array& w) {
        return reference::conv_transpose2d(t, w, nullptr, 5, 7, {.pad_begin = 1, .pad_end = 1});
      }));
  return cases;
}

}  // namespace

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const Conv2dCase& c : kConv2dCases) cases.push_back(conv2d_case(c));
  cases.push_back(conv2d_without_bias());
  cases.push_back(conv2d_with_added("one tensor added", 9, {21}, 1));
  cases.push_back(conv2d_with_added("concat(64, 16) added", 48, {64, 16}, 0.05f));
  cases.push_back(conv2d_with_added("concat(3, 34) added", 20, {3, 34}, 0.2f));
  for (const int s : {2, 3, 4})  // the network's upsampler
    cases.push_back(conv_transpose2d_case("transposed 17x17, the paper's phase", {1, 4, 3, 64},
                                          {64, 17, 17, 1}, 4 * s, 3 * s,
                                          {.stride = s, .pad_begin = 9 - s, .pad_end = 8}));
  cases.push_back(conv_transpose2d_case("transposed, two channels", {2, 5, 3, 10}, {10, 17, 17, 2}, 15, 9,
                                        {.stride = 3, .pad_begin = 6, .pad_end = 8}));
  cases.push_back(conv_transpose2d_case("transposed, stride 1", {1, 5, 7, 6}, {6, 3, 3, 20}, 5, 7,
                                        {.pad_begin = 1, .pad_end = 1}));
  cases.push_back(conv_transpose2d_case("transposed, fine size no multiple of the stride", {1, 4, 5, 3},
                                        {3, 4, 4, 5}, 7, 9, {.stride = 2, .pad_begin = 2, .pad_end = 1}));
  cases.push_back(conv_transpose2d_without_bias());
  cases.push_back(channels_case(0, 7));
  cases.push_back(channels_case(2, 5));
  cases.push_back(add_case({2, 3, 5, 7}));
  cases.push_back(add_case({1, 31, 33, 19}));  // large enough for threads
  cases.push_back(scale_case());
  cases.push_back(silu_case({2, 3, 5, 7}));
  cases.push_back(silu_case({1, 31, 33, 19}));
  cases.push_back(gate_case({2, 3, 5, 7}));
  cases.push_back(gate_case({1, 31, 33, 19}));
  cases.push_back(merged_branches_case(1, 2, 6, 3));
  cases.push_back(merged_branches_case(19, 38, 34, 17));
  cases.push_back(loss_case(
      "l1_loss", {2, 53, 47, 5}, [](const Var& x, const Tensor& t) { return l1_loss(x, t); },
      reference::l1_loss));
  cases.push_back(loss_case(
      "l2_loss", {2, 53, 47, 5}, [](const Var& x, const Tensor& t) { return l2_loss(x, t); },
      reference::l2_loss));
  cases.push_back(loss_case(
      "spectral_angle_loss", {2, 23, 17, 4},
      [](const Var& x, const Tensor& t) { return spectral_angle_loss(x, t, 0.3f); },
      [](const Array& x, const Array& t) { return double{0.3f} * reference::spectral_angle(x, t); }));
  cases.push_back(ssim_case("ssim_loss of one window", {1, 11, 11, 1}));
  cases.push_back(ssim_case("ssim_loss", {2, 13, 17, 3}));
  cases.push_back(graph_case());
  for (OpCase& c : gradient_sum_cases()) cases.push_back(std::move(c));
  return cases;
}

}  // namespace sr

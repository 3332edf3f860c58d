#include "idn/published_span.h"

#include <algorithm>
#include <map>

#include "idn/weight_layout.h"
#include "tensor/error.h"

namespace sr {
namespace {

using Sides = std::vector<int64_t>;

constexpr double kOurUnits = 256;  // that ours counts in, span.h
constexpr double kRange = 255;     // that theirs multiplies images by
constexpr double kMeans[] = {0.4488, 0.4371, 0.4040};
constexpr int64_t kWhole = 16;  // of which our channels are a multiple
constexpr const char* kLast = "upsampler.0.weight";
constexpr const char* kNoNorm = "no_norm";

// The arrays by their names without what stands before all of them.
std::map<std::string, NamedArray> by_name(const std::vector<NamedArray>& arrays) {
  const auto begins = [&](const std::string& prefix) {
    return std::ranges::any_of(arrays, [&](const NamedArray& a) { return a.name.starts_with(prefix); });
  };
  std::string prefix;
  for (const std::string known : {"params.", "params_ema."})
    if (begins(known)) prefix = known;
  std::map<std::string, NamedArray> found;
  for (const NamedArray& array : arrays)
    if (array.name.starts_with(prefix)) found[array.name.substr(prefix.size())] = array;
  return found;
}

// Arrays that are taken one by one, until none is left.
class Arrays {
 public:
  explicit Arrays(std::map<std::string, NamedArray> arrays) : arrays_(std::move(arrays)) {}

  bool has(const std::string& name) const { return arrays_.contains(name); }
  bool has_part(const std::string& part) const {
    const auto next = arrays_.lower_bound(part);
    return next != arrays_.end() && next->first.starts_with(part);
  }
  void leave(const std::string& name) { arrays_.erase(name); }

  const Sides& shape(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) throw Error(Error::Kind::format, "\"", name, "\" is missing");
    return found->second.shape;
  }

  // With sides of our order.
  Tensor take(const std::string& name, const Sides& wanted) {
    if (shape(name) != wanted)
      throw Error(Error::Kind::format, "\"", name, "\" is ", text_of(shape(name)), ", want ",
                  text_of(wanted));
    const Tensor tensor = channels_last(arrays_.at(name));
    leave(name);
    return tensor;
  }

  void check_none_left() const {
    if (!arrays_.empty())
      throw Error(Error::Kind::format, "\"", arrays_.begin()->first, "\" is no part of the published SPAN");
  }

 private:
  std::map<std::string, NamedArray> arrays_;
};

struct Convolution {
  Tensor weight;  // [o, h, w, i]
  Tensor bias;    // [1, 1, 1, o]
};

Convolution plain(Arrays& arrays, const std::string& part, int64_t out, int64_t in, int64_t kernel) {
  return {arrays.take(part + ".weight", {out, in, kernel, kernel}), arrays.take(part + ".bias", {out})};
}

// to[o] += what the values that `conv` sees on all its taps come to.
void add_sums(const Convolution& conv, const std::vector<double>& values, std::vector<double>& to) {
  const Shape& s = conv.weight.shape();
  const float* w = conv.weight.data();
  for (int64_t o = 0; o < s.n; ++o)
    for (int64_t i = 0; i < s.h * s.w * s.c; ++i)
      to[static_cast<size_t>(o)] += double{*w++} * values[static_cast<size_t>(i % s.c)];
}

std::vector<double> biases(const Convolution& conv) {
  const std::vector<float> values = conv.bias.to_vector();
  return {values.begin(), values.end()};
}

// A 1x1, a 3x3 and a 1x1 convolution one after the other, and a 1x1 convolution beside them, as one.
Convolution of_branches(Arrays& arrays, const std::string& part, int64_t out, int64_t in) {
  const auto width = [&](const char* name) {
    const Sides& sides = arrays.shape(part + name);
    return sides.empty() ? 0 : sides[0];
  };
  const int64_t wide = width(".conv.0.weight"), late = width(".conv.1.weight");
  const Convolution expand = plain(arrays, part + ".conv.0", wide, in, 1),
                    middle = plain(arrays, part + ".conv.1", late, wide, 3),
                    reduce = plain(arrays, part + ".conv.2", out, late, 1),
                    beside = plain(arrays, part + ".sk", out, in, 1);
  std::vector<double> inner = biases(middle), bias = biases(reduce);
  add_sums(middle, biases(expand), inner);
  add_sums(reduce, inner, bias);
  const std::vector<double> more = biases(beside);
  Convolution one{merged_branches_exactly({expand.weight, middle.weight, reduce.weight, beside.weight}),
                  Tensor(beside.bias.shape())};
  for (size_t o = 0; o < bias.size(); ++o) one.bias.data()[o] = static_cast<float>(bias[o] + more[o]);
  return one;
}

// In whichever form the file has it. With branches `eval_conv` is as old as the last image that was made.
Convolution conv3x3(Arrays& arrays, const std::string& part, int64_t out, int64_t in) {
  const std::string one = part + ".eval_conv";
  if (!arrays.has(part + ".conv.0.weight"))
    return plain(arrays, arrays.has(one + ".weight") ? one : part, out, in, 3);
  arrays.leave(one + ".weight"), arrays.leave(one + ".bias");
  return of_branches(arrays, part, out, in);
}

Tensor scaled(Tensor x, double factor) {
  for (int64_t i = 0; i < x.shape().size(); ++i)
    x.data()[i] = static_cast<float>(factor * double{x.data()[i]});
  return x;
}

// The network's parameters, which are zero but for what is set.
class Parameters {
 public:
  explicit Parameters(Params& params) : params_(params) {
    for (Parameter& p : params.list()) p.var.set_value(Tensor::zeros(p.var.shape()));
  }

  Tensor of(const std::string& name) const {
    return std::ranges::find(params_.list(), name, &Parameter::name)->var.value();  // the same memory
  }

  void set(const std::string& part, const Convolution& conv) {
    put(of(part + ".weight"), conv.weight, 0, 0, conv.weight.shape().c);
    put(of(part + ".bias"), conv.bias, 0, 0, conv.bias.shape().c);
  }

  // `count` channels of `from`, from `first` on, become those of `to` from `at` on.
  static void put(Tensor to, const Tensor& from, int64_t at, int64_t first, int64_t count) {
    const Shape &s = from.shape(), &t = to.shape();
    for (int64_t p = 0; p < s.pixels(); ++p)
      std::copy_n(from.data() + p * s.c + first, count, to.data() + p * t.c + at);
  }

 private:
  Params& params_;
};

// Theirs joins the features, the last convolution's, the first block's and the last one's first.
void set_join(Parameters& to, const Convolution& join, int64_t theirs) {
  constexpr int64_t kFrom[] = {1, 0, 2, 3};
  const Tensor weight = to.of("join.weight");
  for (int64_t group = 0; group < 4; ++group)
    Parameters::put(weight, join.weight, group * weight.shape().c / 4, kFrom[group] * theirs, theirs);
  Parameters::put(to.of("join.bias"), join.bias, 0, 0, theirs);
}

// Output c f f + f i + j of the convolution lands on row i and column j of the f x f fine pixels: as tap
// f (1 - d) + i of a transposed one, for the row of coarse pixels d = -1, 0, 1 away.
void set_upsampler(Parameters& to, const Convolution& conv, int64_t nchan, int64_t f) {
  Tensor weight = to.of("upsample.weight");
  const int64_t in = conv.weight.shape().c, side = 3 * f;
  const float* from = conv.weight.data();
  for (int64_t o = 0; o < nchan * f * f; ++o)
    for (int64_t tap = 0; tap < 9; ++tap)
      for (int64_t k = 0; k < in; ++k) {
        const int64_t row = f * (2 - tap / 3) + o / f % f, column = f * (2 - tap % 3) + o % f;
        weight.data()[((k * side + row) * side + column) * nchan + o / (f * f)] =
            static_cast<float>(kOurUnits) * *from++;
      }
}

// Theirs has a bias for each of the f x f fine pixels, ours their mean for all of a channel. What a fine
// pixel's own has beyond it comes from a channel more before the upsampler, which is 1 all over.
void set_upsampler_bias(Parameters& to, const Tensor& bias, int64_t nchan, int64_t f, int64_t spare) {
  Tensor weight = to.of("upsample.weight"), mean = to.of("upsample.bias");
  if (spare < weight.shape().n) to.of("join.bias").data()[spare] = 1;
  for (int64_t c = 0; c < nchan; ++c) {
    const float* own = bias.data() + c * f * f;
    double sum = 0;
    for (int64_t i = 0; i < f * f; ++i) sum += double{own[i]};
    const double middle = sum / static_cast<double>(f * f);
    mean.data()[c] = static_cast<float>(kOurUnits * middle);
    for (int64_t i = 0; i < f * f && spare < weight.shape().n; ++i)
      weight.data()[((spare * 3 * f + f + i / f) * 3 * f + f + i % f) * nchan + c] =
          static_cast<float>(kOurUnits * (double{own[i]} - middle));
  }
}

int64_t whole(int64_t channels) {
  return (channels + kWhole - 1) / kWhole * kWhole;
}

// The number of blocks, of channels in the image and of features, and the factor.
struct Form {
  int64_t blocks = 0, nchan = 0, channels = 0, factor = 0;
};

int64_t side_of(const Arrays& arrays, const std::string& name, size_t side) {
  const Sides& sides = arrays.shape(name);
  if (sides.size() != 4)
    throw Error(Error::Kind::format, "\"", name, "\" is ", text_of(sides), ", no convolution's weight");
  return sides[side];
}

Form form_of(const Arrays& arrays) {
  Form form;
  while (form.blocks < 64 && arrays.has_part("block_" + std::to_string(form.blocks + 1) + ".")) ++form.blocks;
  std::string first = "conv_1.weight";
  for (const std::string known : {"conv_1.eval_conv.weight", "conv_1.sk.weight"})
    if (arrays.has(known)) first = known;
  form.channels = side_of(arrays, first, 0), form.nchan = side_of(arrays, first, 1);
  const int64_t outputs = side_of(arrays, kLast, 0);
  for (int64_t f = 2; f <= 4; ++f)
    if (outputs == form.nchan * f * f) form.factor = f;
  if (form.factor == 0 || form.blocks == 0)
    throw Error(Error::Kind::format, "it has ", form.blocks, " blocks, and \"", kLast, "\" is ",
                text_of(arrays.shape(kLast)), ", which enlarges ", form.nchan,
                " channels neither by 2, 3 nor 4");
  return form;
}

NetworkOptions options_of(const Form& form, bool own_biases) {
  const auto small = [](int64_t count) { return static_cast<int>(std::min<int64_t>(count, 1 << 20)); };
  const int channels = small(whole(form.channels)), joined = small(whole(form.channels + own_biases));
  NetworkOptions options;
  options.factor = small(form.factor), options.nchan = small(form.nchan), options.base = Base::none;
  options.span = SpanOptions{channels, small(form.blocks), false, joined == channels ? 0 : joined};
  check(options);
  return options;
}

bool differ(const Tensor& bias, int64_t count) {
  for (int64_t i = 0; i < bias.shape().c; ++i)
    if (bias.data()[i] != bias.data()[i / count * count]) return true;
  return false;
}

}  // namespace

bool has_published_span_names(const std::vector<NamedArray>& arrays) {
  return Arrays(by_name(arrays)).has_part("conv_1.") && Arrays(by_name(arrays)).has_part("block_1.");
}

Model model_of_published_span(const std::vector<NamedArray>& all, const std::string& name) {
  Arrays arrays(by_name(all));
  const Form form = form_of(arrays);
  const int64_t n = form.channels, f2 = form.factor * form.factor;
  const Convolution last = plain(arrays, "upsampler.0", form.nchan * f2, n, 3);
  Model model(options_of(form, differ(last.bias, f2)));
  Parameters to(*model.params);
  const bool normed = !arrays.has(kNoNorm);
  arrays.leave(kNoNorm);
  if (normed && form.nchan != std::ssize(kMeans))
    throw Error(Error::Kind::format, "it takes ", form.nchan, " channels, and without a \"", kNoNorm,
                "\" the means of red, green and blue are taken off");
  Convolution first = conv3x3(arrays, "conv_1", n, form.nchan);
  first.weight = scaled(first.weight, (normed ? kRange : 1) / kOurUnits);
  to.set("features", first);
  for (int64_t block = 0; block < form.blocks; ++block)
    for (const std::string k : {"1", "2", "3"})
      to.set("blocks." + std::to_string(block) + ".conv" + k,
             conv3x3(arrays, "block_" + std::to_string(block + 1) + ".c" + k + "_r", n, n));
  to.set("last", conv3x3(arrays, "conv_2", n, n));
  set_join(to, plain(arrays, "conv_cat", n, 4 * n, 1), n);
  set_upsampler(to, last, form.nchan, form.factor);
  set_upsampler_bias(to, last.bias, form.nchan, form.factor, n);
  arrays.check_none_left();
  if (normed) model.means.down.assign(std::begin(kMeans), std::end(kMeans));
  model.origin = "imported from " + name + " (SPAN as its authors publish it)";
  return Model::from_checkpoint(model.to_checkpoint(), name);  // which looks for NaN
}

}  // namespace sr

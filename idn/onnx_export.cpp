#include "idn/onnx_export.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <sstream>

#include "idn/weight_layout.h"
#include "tensor/error.h"
#include "tensor/ops/bicubic_phases.h"

namespace sr {
namespace {

constexpr const char* kInput = "input";
constexpr const char* kOutput = "output";

// Far enough for the network and for the four taps of the enlargement.
int64_t margin_of(const Model& model) {
  const Reach reach = model.network->reach();
  return std::max({reach.before, reach.after, int64_t{2}});
}

// Writes the graph node by node; values are called as what they are.
class Graph {
 public:
  Graph(const Model& model, const OnnxOptions& options) : model_(model), options_(options) {}

  OnnxModel build() {
    const std::string residual = scaled_back(network(scaled(kInput)));
    if (model_.has_base() && options_.with_bicubic) add("Add", {enlarged(), residual}, "sum");
    onnx_.nodes.back().outputs = {kOutput};
    set_frame();
    return std::move(onnx_);
  }

 private:
  std::string add(const std::string& type, std::vector<std::string> inputs, const std::string& output,
                  std::map<std::string, OnnxAttribute> attributes = {}) {
    onnx_.nodes.push_back({type, std::move(inputs), {output}, std::move(attributes)});
    return output;
  }

  std::string numbers(const std::string& name, std::vector<int64_t> values) {
    onnx_.integers[name] = std::move(values);
    return name;
  }

  // One number for each channel, of the same for all pixels.
  std::string per_channel(const std::string& name, const std::vector<double>& values) {
    onnx_.weights.push_back({name, {1, nchan(), 1, 1}, {values.begin(), values.end()}});
    return name;
  }

  // The constants of a weight and its bias, under the parameters' own names; what is made of several is
  // called by its place. Returns the name that both begin with.
  std::string weights(const Tensor& weight, const Tensor& bias) {
    const Parameter* parameter = source_of(*model_.params, weight).parameter;
    const std::string part = parameter ? parameter->name.substr(0, parameter->name.rfind('.'))
                                       : "layer" + std::to_string(onnx_.nodes.size());
    onnx_.weights.push_back(channels_first(part + ".weight", weight));
    onnx_.weights.push_back(channels_first(part + ".bias", bias));
    return part;
  }

  int64_t nchan() const { return model_.nchan(); }
  double width(size_t channel) const {
    return options_.range.empty() ? 1 : range_of(options_.range, static_cast<int64_t>(channel)).width();
  }

  double low(size_t channel) const {
    return options_.range.empty() ? 0 : range_of(options_.range, static_cast<int64_t>(channel)).low;
  }

  // (x - low) / width - mean_down
  std::string scaled(std::string x) {
    std::vector<double> shift, scale;
    for (size_t k = 0; k < model_.means.down.size(); ++k) {
      shift.push_back(low(k) + model_.means.down[k] * width(k));
      scale.push_back(1 / width(k));
    }
    if (std::ranges::count(shift, 0.0) < nchan()) x = add("Sub", {x, per_channel("shift", shift)}, "shifted");
    if (!options_.range.empty()) x = add("Mul", {x, per_channel("scale", scale)}, "scaled");
    return x;
  }

  // Whether the graph's result is the image, or what is added to it.
  bool gives_image() const { return options_.with_bicubic || !model_.has_base(); }

  // width * (x + mean_gt - mean_bic_up), or without a base low + width * (x + mean_gt)
  std::string scaled_back(std::string x) {
    std::vector<double> scale, shift;
    for (size_t k = 0; k < model_.means.gt.size(); ++k) {
      scale.push_back(width(k));
      shift.push_back(model_.has_base() ? (model_.means.gt[k] - model_.means.bic_up[k]) * width(k)
                                        : low(k) + model_.means.gt[k] * width(k));
    }
    if (!options_.range.empty()) x = add("Mul", {x, per_channel("scale_back", scale)}, "scaled_back");
    if (std::ranges::count(shift, 0.0) < nchan())
      x = add("Add", {x, per_channel("shift_back", shift)}, "shifted_back");
    return x;
  }

  std::string network(const std::string& image) {
    const bands::Program program = model_.network->program();
    rows_.resize(program.channels().size());
    rows_[0] = image;
    for (const bands::Stage& stage : program.stages())
      stage.kind == bands::Stage::Kind::upsampling ? upsampling(stage) : convolution(stage, program);
    return result_;
  }

  // conv(x), called as the weight is.
  std::string convolved(const std::string& x, const std::string& part, int64_t kernel, int64_t groups,
                        const std::string& output) {
    return add("Conv", {x, part + ".weight", part + ".bias"}, output,
               {{"group", groups},
                {"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                {"pads", std::vector<int64_t>(4, kernel / 2)}});
  }

  std::string leaky_relu(const std::string& x, const std::string& output, float leak) {
    return leak == 1 ? x : add("LeakyRelu", {x}, output, {{"alpha", leak}});
  }

  std::string joined(const std::vector<std::string>& values, const std::string& output) {
    return values.size() == 1 ? values[0] : add("Concat", values, output, {{"axis", int64_t{1}}});
  }

  // What a stage makes of its sums z.
  std::string activated(const std::string& z, const bands::Stage& s, const std::string& part) {
    using enum bands::Activation;
    if (s.activation == leaky) return leaky_relu(z, part, s.leak);
    const std::string sigmoid = add("Sigmoid", {z}, part + ".sigmoid");
    if (s.activation == silu) return add("Mul", {z, sigmoid}, part);
    if (std::ranges::count(onnx_.weights, "half", &NamedArray::name) == 0)
      onnx_.weights.push_back({"half", {1, 1, 1, 1}, {0.5f}});
    const std::string sum = add("Add", {z, at(s.added[0])}, part + ".added");
    return add("Mul", {sum, add("Sub", {sigmoid, "half"}, part + ".gate")}, part);
  }

  void convolution(const bands::Stage& s, const bands::Program& program) {
    using enum bands::Activation;
    const std::string part = weights(s.weight, s.bias);
    const bool plain = s.activation == leaky && s.leak == 1;
    std::string y = activated(
        convolved(at(s.from), part, s.weight.shape().h, s.groups, plain ? part : part + ".sum"), s, part);
    std::vector<std::string> others;
    for (const bands::Rows& rows : s.added) others.push_back(at(rows));
    if (s.joins) {
      others.insert(others.begin(), y);
      y = joined(others, part + ".joined");
    } else if (!others.empty() && s.activation != gate) {
      y = add("Add", {y, joined(others, part + ".joined")}, part + ".added");
    }
    if (s.pointwise_weight) {
      const std::string last = weights(s.pointwise_weight, s.pointwise_bias);
      y = leaky_relu(convolved(y, last, 1, 1, s.pointwise_leak == 1 ? last : last + ".sum"), last,
                     s.pointwise_leak);
    }
    if (s.to.size() == 1) {
      rows_[static_cast<size_t>(s.to[0].index)] = y;
      return;
    }
    std::vector<int64_t> sizes;
    for (const bands::Rows& rows : s.to) sizes.push_back(program.channels()[static_cast<size_t>(rows.index)]);
    add("Split", {y, numbers(part + ".sizes", sizes)}, "", {{"axis", int64_t{1}}});
    onnx_.nodes.back().outputs = {part + ".first", part + ".rest"};
    for (size_t i = 0; i < 2; ++i) rows_[static_cast<size_t>(s.to[i].index)] = onnx_.nodes.back().outputs[i];
  }

  // ncnn's converter wants the same padding on both sides: what is then missing at the end is added there,
  // what is too much is cut off.
  void upsampling(const bands::Stage& s) {
    const std::string part = weights(s.weight, s.bias);
    const int64_t kernel = s.weight.shape().h, surplus = kernel - s.stride - 2 * s.crop;
    if (surplus <= -s.stride)
      throw Error(Error::Kind::unsupported, "an upsampler that crops ", s.crop, " of ", kernel,
                  " taps at the beginning has no ONNX operator");
    result_ = add("ConvTranspose", {at(s.from), part + ".weight", part + ".bias"},
                  surplus > 0 ? part + ".whole" : part,
                  {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                   {"output_padding", std::vector<int64_t>(2, std::max<int64_t>(-surplus, 0))},
                   {"pads", std::vector<int64_t>(4, s.crop)},
                   {"strides", std::vector<int64_t>{s.stride, s.stride}}});
    if (surplus > 0)
      result_ = add("Slice",
                    {result_, numbers(part + ".begin", {0, 0}), numbers(part + ".end", {-surplus, -surplus}),
                     numbers(part + ".axes", {2, 3})},
                    part);
  }

  std::string at(const bands::Rows& rows) const { return rows_[static_cast<size_t>(rows.index)]; }

  // One line more on either side of an axis, the second from the image's border: ... 1 0 | 0 1 ..., after Pad
  // repeated the first. ONNX's own "reflect" leaves the border's line out.
  std::string mirrored(const std::string& x, int64_t axis) {
    const std::string name = "mirrored_" + std::to_string(axis), axes = numbers(name + ".axis", {axis});
    const auto line = [&](const std::string& where, int64_t first) {
      return add(
          "Slice",
          {x, numbers(name + where + ".begin", {first}), numbers(name + where + ".end", {first + 1}), axes},
          name + where);
    };
    const std::string before = line(".before", 2), after = line(".after", -3);
    return add("Concat", {before, x, after}, name, {{"axis", axis}});
  }

  // bicubic_enlarge() as a transposed convolution of each channel by itself: input j adds its value times tap
  // k to output factor * j + k - crop.
  std::string enlarged() {
    const int64_t f = model_.factor(), kernel = 4 * f - f % 2, crop = 3 * f / 2;
    const Phases phases(1, f);
    std::vector<float> line(static_cast<size_t>(kernel), 0.0f);
    for (int64_t p = 0; p < f; ++p)
      for (int64_t t = 0; t < 4; ++t) {
        const int64_t k = p - f * (phases.first[static_cast<size_t>(p)] + t) + crop;
        const float w = phases.weight[static_cast<size_t>(4 * p + t)];
        if (w != 0) line.at(static_cast<size_t>(k)) = w;
      }
    NamedArray taps{"enlarged.taps", {nchan(), 1, kernel, kernel}, {}};
    for (int64_t channel = 0; channel < nchan(); ++channel)
      for (const float down : line)
        for (const float across : line) taps.values.push_back(down * across);
    onnx_.weights.push_back(std::move(taps));
    const std::string padded = add("Pad", {kInput, numbers("repeated.pads", {0, 0, 1, 1, 0, 0, 1, 1})},
                                   "repeated", {{"mode", std::string("edge")}});
    // The image begins two pixels, and ends two, within what is mirrored.
    return add("ConvTranspose", {mirrored(mirrored(padded, 2), 3), "enlarged.taps"}, "enlarged",
               {{"group", nchan()},
                {"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                {"pads", std::vector<int64_t>(4, crop + 2 * f)},
                {"strides", std::vector<int64_t>{f, f}}});
  }

  void set_frame() {
    const std::string f = std::to_string(model_.factor()), c = std::to_string(nchan());
    const std::string side = std::to_string(options_.tile),
                      fine = std::to_string(options_.tile * model_.factor());
    const bool any = options_.tile == 0;
    onnx_.inputs = {{kInput, any ? std::vector<std::string>{"batch", c, "height", "width"}
                                 : std::vector<std::string>{"1", c, side, side}}};
    onnx_.outputs = {{kOutput, any ? std::vector<std::string>{"batch", c, "fine_height", "fine_width"}
                                   : std::vector<std::string>{"1", c, fine, fine}}};
    onnx_.name = "x" + f;
    onnx_.producer = "superres";
    set_metadata();
  }

  void set_metadata() {
    auto& to = onnx_.metadata;
    to[kModelMetadata] = model_.to_checkpoint().meta;
    to["factor"] = std::to_string(model_.factor());
    to["margin"] = std::to_string(margin_of(model_));
    to["output"] = gives_image() ? "enlarged image" : "what is added to the enlarged image";
    to["values"] = options_.range.empty() ? "0..1" : text_of(options_.range);
    if (gives_image()) set_deepness(to);
  }

  // What the QGIS plugin Deepness reads. It divides samples by 255, then subtracts a mean and divides by a
  // deviation; and puts whole tiles side by side, so that they must not overlap.
  void set_deepness(std::map<std::string, std::string>& to) const {
    std::ostringstream means, deviations;
    for (int64_t k = 0; k < nchan(); ++k) {
      means << (k > 0 ? ", " : "[") << 0;
      deviations << (k > 0 ? ", " : "[") << (options_.range.empty() ? "1" : "0.00392156862745098");
    }
    to["model_type"] = "\"Superresolution\"";
    to["standardization_mean"] = means.str() + "]";
    to["standardization_std"] = deviations.str() + "]";
    to["tiles_overlap"] = "0";
    if (options_.tile > 0) to["tile_size"] = std::to_string(options_.tile);
  }

  const Model& model_;
  const OnnxOptions& options_;
  OnnxModel onnx_;
  std::vector<std::string> rows_;  // the value of each Rows
  std::string result_;
};

}  // namespace

OnnxModel onnx_model(const Model& model, const OnnxOptions& options) {
  const size_t ranges = options.range.size();
  if (ranges > 1 && ranges != static_cast<size_t>(model.nchan()))
    throw Error(Error::Kind::usage, ranges, " value ranges for a network of ", model.nchan(), " channels");
  if (options.tile < 0) throw Error(Error::Kind::usage, "a tile of ", options.tile, " pixels");
  return Graph(model, options).build();
}

std::string evoland_yaml(const Model& model, const std::string& onnx_path,
                         const std::vector<std::string>& bands) {
  if (bands.size() != static_cast<size_t>(model.nchan()))
    throw Error(Error::Kind::usage, bands.size(), " names of bands for a network of ", model.nchan(),
                " channels");
  std::ostringstream yaml;
  yaml << "bands:\n";
  for (const std::string& band : bands) {
    if (band.empty() || !std::ranges::all_of(band, [](unsigned char c) { return std::isalnum(c) != 0; }))
      throw Error(Error::Kind::usage, "\"", band, "\" is no name of a band; want letters and digits, as B8A");
    if (std::ranges::count(bands, band) > 1)
      throw Error(Error::Kind::usage, "the band ", band, " is named twice; name each channel's own");
    yaml << "- " << band << "\n";
  }
  yaml << "factor: " << model.factor() << ".0\nmargin: " << margin_of(model) * model.factor() << "\nmodel: '";
  for (const char c : std::filesystem::path(onnx_path).filename().string())
    yaml << (c == '\'' ? "''" : std::string(1, c));
  yaml << "'\n";
  return yaml.str();
}

}  // namespace sr

#include "idn/onnx_import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "idn/weight_layout.h"
#include "io/formats/onnx.h"
#include "tensor/error.h"

namespace sr {
namespace {

using Numbers = std::vector<int64_t>;

template <class... Parts>
[[noreturn]] void throw_other_network(const Parts&... parts) {
  throw Error(Error::Kind::format, parts..., "; a network as this program computes it was expected");
}

// What a node was told, or `otherwise`.
template <class T>
T attribute(const OnnxNode& node, const std::string& name, const T& otherwise) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return otherwise;
  const T* value = std::get_if<T>(&found->second);
  if (!value) throw_other_network("\"", name, "\" of a ", node.type, " is of another type");
  return *value;
}

// The graph, looked at from its values.
class Graph {
 public:
  explicit Graph(const OnnxModel& onnx) : onnx_(onnx) {}

  // Those that read the value as their input `place`, or as any.
  std::vector<const OnnxNode*> readers(const std::string& value, const std::string& type) const {
    std::vector<const OnnxNode*> found;
    for (const OnnxNode& node : onnx_.nodes)
      if (node.type == type && !node.outputs.empty() && std::ranges::count(node.inputs, value) > 0)
        found.push_back(&node);
    return found;
  }

  const OnnxNode& only_reader(const std::string& value, const std::string& type) const {
    const auto found = readers(value, type);
    if (found.size() != 1) throw_other_network(found.size(), " nodes ", type, " read \"", value, "\"");
    return *found[0];
  }

  const OnnxNode* writer(const std::string& value) const {
    for (const OnnxNode& node : onnx_.nodes)
      if (std::ranges::count(node.outputs, value) > 0) return &node;
    return nullptr;
  }

  const NamedArray& weight(const OnnxNode& node, size_t input) const {
    if (input < node.inputs.size()) {
      const auto found = std::ranges::find(onnx_.weights, node.inputs[input], &NamedArray::name);
      if (found != onnx_.weights.end()) return *found;
    }
    throw_other_network("a ", node.type, " has no ", input == 1 ? "weight" : "bias",
                        " that is a constant of float32");
  }

  // Of an input that operators took as an attribute once.
  Numbers integers(const OnnxNode& node, size_t input, const std::string& name) const {
    if (input < node.inputs.size()) {
      const auto found = onnx_.integers.find(node.inputs[input]);
      if (found != onnx_.integers.end()) return found->second;
    }
    return attribute(node, name, Numbers{});
  }

  // The part of the channels that a Slice takes of `channels`.
  std::pair<int64_t, int64_t> slice(const OnnxNode& node, int64_t channels) const {
    const Numbers begin = integers(node, 1, "starts"), end = integers(node, 2, "ends");
    const Numbers axis = integers(node, 3, "axes"), step = integers(node, 4, "steps");
    if (begin.size() != 1 || end.size() != 1 || axis != Numbers{1} || (!step.empty() && step != Numbers{1}))
      throw_other_network("a Slice does not take a range of channels");
    const auto place = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + channels : i, 0, channels); };
    return {place(begin[0]), place(end[0])};
  }

 private:
  const OnnxModel& onnx_;
};

bool all_are(const Numbers& numbers, int64_t value) {
  return std::ranges::all_of(numbers, [&](int64_t n) { return n == value; });
}

// Finds a program's stages in a graph, and puts the graph's weights into the parameters.
class Matcher {
 public:
  Matcher(const OnnxModel& onnx, Model& model) : graph_(onnx), model_(model) {}

  void match(const std::string& image) {
    const bands::Program program = model_.network->program();
    rows_.assign(program.channels().size(), "");
    rows_[0] = image;
    for (const bands::Stage& stage : program.stages())
      stage.kind == bands::Stage::Kind::upsampling ? upsampling(stage) : convolution(stage, program);
  }

 private:
  std::string& at(const bands::Rows& rows) { return rows_[static_cast<size_t>(rows.index)]; }

  // Takes a node's weight and bias for the parameters that those of a stage come from. `turned` outputs at
  // the end come to the beginning.
  void take(const OnnxNode& node, const Tensor& weight, const Tensor& bias, int64_t turned) {
    const WeightSource source = source_of(*model_.params, weight);
    if (!source.parameter) throw_other_network("a layer is made of several");
    const std::string part = source.parameter->name.substr(0, source.parameter->name.rfind('.'));
    Parameter* const own_bias = parameter_of(*model_.params, bias);
    Parameter& its_bias =
        own_bias ? *own_bias : *std::ranges::find(model_.params->list(), part + ".bias", &Parameter::name);
    put(node, 1, *source.parameter, source.scale, turned);
    put(node, 2, its_bias, own_bias ? 1 : source.scale, turned);
  }

  void put(const OnnxNode& node, size_t input, Parameter& parameter, float scale, int64_t turned) {
    NamedArray array = graph_.weight(node, input);
    const Numbers wanted = channels_first(parameter.name, parameter.var.value()).shape;
    if (array.shape != wanted)
      throw_other_network("\"", array.name, "\" is ", text_of(array.shape), " where ", parameter.name, " is ",
                          text_of(wanted));
    const auto each = static_cast<int64_t>(array.values.size()) / wanted[0];
    std::ranges::rotate(array.values, array.values.end() - each * turned);
    for (float& value : array.values) value /= scale;
    array.name = parameter.name;
    parameter.var.set_value(channels_last(array));
  }

  // The convolution's sums.
  std::string sums(const OnnxNode& conv, const Tensor& w, int64_t groups) const {
    const int64_t pad = w.shape().h / 2;
    if (attribute<int64_t>(conv, "group", 1) != groups ||
        attribute(conv, "pads", Numbers{0, 0, 0, 0}) != Numbers(4, pad) ||
        !all_are(attribute(conv, "strides", Numbers{}), 1) ||
        !all_are(attribute(conv, "dilations", Numbers{}), 1) ||
        attribute<std::string>(conv, "auto_pad", "NOTSET") != "NOTSET")
      throw_other_network("the groups, padding or strides of the convolution to \"", conv.outputs[0],
                          "\" are others");
    return conv.outputs[0];
  }

  std::string leaky_relu(const std::string& z, float leak) const {
    if (leak == 1) return z;
    const OnnxNode& relu = graph_.only_reader(z, "LeakyRelu");
    if (std::abs(attribute(relu, "alpha", 0.01f) - leak) > 1e-6f)
      throw_other_network("the slope of the LeakyRelu to \"", relu.outputs[0], "\" is not ", leak);
    return relu.outputs[0];
  }

  // What a stage makes of its sums.
  std::string activated(const std::string& z, const bands::Stage& s) {
    using enum bands::Activation;
    if (s.activation == leaky) return leaky_relu(z, s.leak);
    const std::string sigmoid = graph_.only_reader(z, "Sigmoid").outputs[0];
    if (s.activation == silu) return product(z, sigmoid);
    const OnnxNode& half = graph_.only_reader(sigmoid, "Sub");
    if (half.inputs.at(0) != sigmoid || graph_.weight(half, 1).values != std::vector{0.5f})
      throw_other_network("1/2 is not subtracted from \"", sigmoid, "\"");
    return product(added(z, s), half.outputs[0]);
  }

  std::string product(const std::string& a, const std::string& b) const {
    const OnnxNode& node = graph_.only_reader(b, "Mul");
    if (std::ranges::count(node.inputs, a) != 1 || node.inputs.size() != 2)
      throw_other_network("\"", b, "\" is not multiplied by \"", a, "\"");
    return node.outputs[0];
  }

  std::string joined(const std::string& value, const bands::Stage& s) {
    std::vector<std::string> wanted{value};
    for (const bands::Rows& rows : s.added) wanted.push_back(at(rows));
    const OnnxNode& join = graph_.only_reader(value, "Concat");
    if (join.inputs != wanted || attribute<int64_t>(join, "axis", 0) != 1)
      throw_other_network("\"", value, "\" is joined with something else");
    return join.outputs[0];
  }

  std::string added(const std::string& value, const bands::Stage& s) {
    const OnnxNode& sum = graph_.only_reader(value, "Add");
    std::vector<std::string> wanted;
    for (const bands::Rows& rows : s.added) wanted.push_back(at(rows));
    const std::string other = sum.inputs.at(0) == value ? sum.inputs.at(1) : sum.inputs.at(0);
    const OnnxNode* join = graph_.writer(other);
    const bool joined =
        join && join->type == "Concat" && attribute<int64_t>(*join, "axis", 0) == 1 && join->inputs == wanted;
    if (!joined && wanted != std::vector{other})
      throw_other_network("something else is added to \"", value, "\"");
    return sum.outputs[0];
  }

  void convolution(const bands::Stage& s, const bands::Program& program) {
    const OnnxNode& conv = graph_.only_reader(at(s.from), "Conv");
    std::string value = activated(sums(conv, s.weight, s.groups), s);
    if (s.joins)
      value = joined(value, s);
    else if (!s.added.empty() && s.activation != bands::Activation::gate)
      value = added(value, s);
    if (s.pointwise_weight) {
      const OnnxNode& last = graph_.only_reader(value, "Conv");
      value = leaky_relu(sums(last, s.pointwise_weight, 1), s.pointwise_leak);
      take(last, s.pointwise_weight, s.pointwise_bias, 0);
    }
    int64_t turned = 0;
    if (s.to.size() == 1)
      at(s.to[0]) = value;
    else
      turned = split(value, s, program);
    take(conv, s.weight, s.bias, turned);
  }

  // The two parts of a value, in either order. Returns how many channels at its end are the first part's.
  int64_t split(const std::string& value, const bands::Stage& s, const bands::Program& program) {
    const auto size = [&](size_t i) { return program.channels()[static_cast<size_t>(s.to[i].index)]; };
    const int64_t all = size(0) + size(1);
    std::map<std::pair<int64_t, int64_t>, std::string> parts;
    for (const OnnxNode* node : graph_.readers(value, "Slice"))
      parts[graph_.slice(*node, all)] = node->outputs[0];
    for (const OnnxNode* node : graph_.readers(value, "Split")) {
      const Numbers sizes = graph_.integers(*node, 1, "split");
      if (attribute<int64_t>(*node, "axis", 0) != 1 || sizes.size() != 2 || node->outputs.size() != 2)
        continue;
      parts[{0, sizes[0]}] = node->outputs[0];
      parts[{sizes[0], sizes[0] + sizes[1]}] = node->outputs[1];
    }
    const auto take_parts = [&](std::pair<int64_t, int64_t> first, std::pair<int64_t, int64_t> rest) {
      if (!parts.contains(first) || !parts.contains(rest)) return false;
      at(s.to[0]) = parts[first], at(s.to[1]) = parts[rest];
      return true;
    };
    if (take_parts({0, size(0)}, {size(0), all})) return 0;
    if (!take_parts({size(1), all}, {0, size(1)}))
      throw_other_network("\"", value, "\" is not split into ", size(0), " and ", size(1), " channels");
    return size(0);
  }

  // The padding at the end is that of the beginning, more by what is added there, less by what is cut off.
  void upsampling(const bands::Stage& s) {
    const OnnxNode& up = graph_.only_reader(at(s.from), "ConvTranspose");
    const Numbers pads = attribute(up, "pads", Numbers{0, 0, 0, 0}),
                  more = attribute(up, "output_padding", Numbers{0, 0});
    const int64_t surplus = cut_off(up.outputs[0]), end = s.weight.shape().h - s.stride - s.crop;
    if (attribute(up, "strides", Numbers{}) != Numbers(2, s.stride) || pads.size() != 4 || more.size() != 2 ||
        pads[0] != s.crop || pads[1] != s.crop || pads[2] - more[0] + surplus != end ||
        pads[3] - more[1] + surplus != end || attribute<int64_t>(up, "group", 1) != 1 ||
        !all_are(attribute(up, "dilations", Numbers{}), 1))
      throw_other_network("its result is not ", s.stride, " times the image's size");
    take(up, s.weight, s.bias, 0);
  }

  // Rows and columns that a Slice takes off a value's end.
  int64_t cut_off(const std::string& value) const {
    const auto slices = graph_.readers(value, "Slice");
    if (slices.size() != 1) return 0;
    const Numbers begin = graph_.integers(*slices[0], 1, "starts"),
                  end = graph_.integers(*slices[0], 2, "ends");
    const bool sides = graph_.integers(*slices[0], 3, "axes") == Numbers{2, 3} && begin == Numbers{0, 0};
    return sides && end.size() == 2 && end[0] == end[1] && end[0] < 0 ? -end[0] : 0;
  }

  Graph graph_;
  Model& model_;
  std::vector<std::string> rows_;  // the value of each Rows
};

// The number of layers, channels and the factor, as shapes tell them; whether they are connected so is the
// Matcher's.
NetworkOptions options_of(const OnnxModel& onnx) {
  const Graph graph(onnx);
  std::vector<const OnnxNode*> convs;
  std::vector<const OnnxNode*> ups;
  for (const OnnxNode& node : onnx.nodes) {
    if (node.type == "Conv" && !node.outputs.empty()) convs.push_back(&node);
    const bool with_bias = node.inputs.size() > 2;  // the enlargement's has none
    if (node.type == "ConvTranspose" && with_bias) ups.push_back(&node);
  }
  if (convs.empty() || ups.size() != 1)
    throw_other_network("it has ", convs.size(), " convolutions and ", ups.size(), " transposed ones");
  const auto shape = [&](const OnnxNode& node) { return graph.weight(node, 1).shape; };
  NetworkOptions options;
  const Numbers first = shape(*convs[0]), strides = attribute(*ups[0], "strides", Numbers{1, 1});
  if (first.size() != 4 || strides.size() != 2 || strides[0] != strides[1] || strides[0] < 2 ||
      strides[0] > 4)
    throw_other_network("the first convolution is no image's, or the last enlarges neither by 2, 3 nor 4");
  const auto few = [](int64_t number) { return static_cast<int>(std::clamp<int64_t>(number, 0, 2000)); };
  options.factor = few(strides[0]);
  options.nchan = few(first[1]);
  options.num_FB_layers = 1;
  while (options.num_FB_layers < 64 && static_cast<size_t>(options.num_FB_layers) < convs.size() &&
         shape(*convs[static_cast<size_t>(options.num_FB_layers)]) == Numbers{64, 64, 3, 3})
    ++options.num_FB_layers;
  const size_t rest = convs.size() - static_cast<size_t>(options.num_FB_layers);
  if (rest % 7 != 0) throw_other_network(rest, " convolutions are not whole blocks of seven");
  options.num_Dist_blocks = few(static_cast<int64_t>(rest / 7));
  options.crop_begin = few(attribute(*ups[0], "pads", Numbers{0}).at(0));
  options.compression_activation = rest == 0 || !graph.readers(convs.back()->outputs[0], "LeakyRelu").empty();
  check(options);
  return options;
}

// The network that metadata of ours tell of, whose weights are called as in a checkpoint.
NetworkOptions options_told(const OnnxModel& onnx, const std::string& meta) {
  Checkpoint checkpoint{meta, {}};
  for (const NamedArray& w : onnx.weights)
    if (w.name.ends_with(".weight") || w.name.ends_with(".bias"))
      checkpoint.tensors.emplace_back(w.name, channels_last(w));
  return Model::from_checkpoint(checkpoint, "metadata").options();
}

Model model_from(const OnnxModel& onnx, const std::string& path) {
  const auto meta = onnx.metadata.find(kModelMetadata);
  const bool told = meta != onnx.metadata.end();
  Model model(told ? options_told(onnx, meta->second) : options_of(onnx));
  const auto first = std::ranges::find(onnx.nodes, "Conv", &OnnxNode::type);
  if (first == onnx.nodes.end() || first->inputs.empty())
    throw_other_network("there is no convolution of an image");
  const std::string image = first->inputs[0];
  Matcher(onnx, model).match(image);
  if (told) {
    Checkpoint checkpoint = model.to_checkpoint();
    checkpoint.meta = meta->second;
    return Model::from_checkpoint(checkpoint, "metadata");
  }
  if (onnx.inputs.empty() || image != onnx.inputs[0].name)
    throw_other_network("something is done to the image before the first convolution");
  model.origin = "imported from " + std::filesystem::path(path).filename().string();
  return model;
}

}  // namespace

Model model_of_onnx(const std::string& path) {
  const OnnxModel onnx = load_onnx(path);
  try {
    return model_from(onnx, path);
  } catch (const Error& error) {
    throw Error(error.kind(), path, ": ", error.what());
  } catch (const std::out_of_range&) {
    throw Error(Error::Kind::format, path, ": a node has fewer inputs or numbers than its operator takes");
  }
}

}  // namespace sr

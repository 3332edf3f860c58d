#include "io/formats/onnx.h"

#include <io/formats/onnx.pb.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr size_t kMaxWrittenBytes = size_t{1} << 30;
constexpr int64_t kIrVersion = 7;  // that of the releases that brought operator set 13
constexpr int32_t kFloat32 = 1, kInt64 = 7;
constexpr int32_t kIsFloat = 1, kIsInt = 2, kIsString = 3, kIsTensor = 4, kIsInts = 7;

// ---- writing ----

template <class T>
void set_raw(sr_onnx::TensorProto& to, const std::string& name, const std::vector<int64_t>& shape,
             int32_t type, const std::vector<T>& values) {
  to.set_name(name);
  to.set_data_type(type);
  for (const int64_t side : shape) to.add_dims(side);
  to.set_raw_data(values.data(), values.size() * sizeof(T));
}

void set_value(sr_onnx::AttributeProto& to, int64_t value) {
  to.set_i(value), to.set_type(kIsInt);
}
void set_value(sr_onnx::AttributeProto& to, float value) {
  to.set_f(value), to.set_type(kIsFloat);
}
void set_value(sr_onnx::AttributeProto& to, const std::string& value) {
  to.set_s(value), to.set_type(kIsString);
}
void set_value(sr_onnx::AttributeProto& to, const std::vector<int64_t>& values) {
  for (const int64_t value : values) to.add_ints(value);
  to.set_type(kIsInts);
}

void set_node(sr_onnx::NodeProto& to, const OnnxNode& node) {
  to.set_op_type(node.type);
  to.set_name(node.outputs.front());
  for (const std::string& input : node.inputs) to.add_input(input);
  for (const std::string& output : node.outputs) to.add_output(output);
  for (const auto& [name, value] : node.attributes) {
    sr_onnx::AttributeProto& attribute = *to.add_attribute();
    attribute.set_name(name);
    std::visit([&](const auto& v) { set_value(attribute, v); }, value);
  }
}

void set_value_info(sr_onnx::ValueInfoProto& to, const OnnxValue& value) {
  to.set_name(value.name);
  sr_onnx::TensorTypeProto& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(kFloat32);
  for (const std::string& side : value.shape) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(side.data(), side.data() + side.size(), number);
    if (error == std::errc() && end == side.data() + side.size())
      type.mutable_shape()->add_dim()->set_dim_value(number);
    else
      type.mutable_shape()->add_dim()->set_dim_param(side);
  }
}

// ---- reading ----

bool is_constant_node(const sr_onnx::NodeProto& node) {
  return node.op_type() == "Constant" && node.output_size() == 1;
}

// The values of a constant, which lie in `raw` or in a field of their type.
template <class T, class Field>
std::vector<T> values_of(const sr_onnx::TensorProto& from, const Field& field, const std::string& name) {
  const std::vector<int64_t> shape(from.dims().begin(), from.dims().end());
  const std::string& raw = from.raw_data();
  std::vector<T> values(field.begin(), field.end());
  if (from.has_raw_data()) {
    values.resize(raw.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  }
  if (count_of(shape) != static_cast<int64_t>(values.size()) ||
      (from.has_raw_data() && raw.size() % sizeof(T) != 0))
    throw Error(Error::Kind::format, "the constant \"", name, "\" of shape ", text_of(shape), " has ",
                from.has_raw_data() ? raw.size() / sizeof(T) : values.size(), " values; the file is damaged");
  return values;
}

void add_constant(OnnxModel& model, const sr_onnx::TensorProto& from, const std::string& name) {
  if (from.data_location() != 0)
    throw Error(Error::Kind::unsupported,
                "its constants are in a file of their own; save it as one file "
                "(PyTorch: torch.onnx.export(..., external_data=False))");
  if (from.data_type() == kFloat32)
    model.weights.push_back(
        {name, {from.dims().begin(), from.dims().end()}, values_of<float>(from, from.float_data(), name)});
  else if (from.data_type() == kInt64 && from.dims_size() <= 1)
    model.integers[name] = values_of<int64_t>(from, from.int64_data(), name);
}

void add_attribute(OnnxNode& node, const sr_onnx::AttributeProto& from) {
  switch (from.type()) {
    case kIsFloat:
      node.attributes[from.name()] = from.f();
      break;
    case kIsInt:
      node.attributes[from.name()] = from.i();
      break;
    case kIsString:
      node.attributes[from.name()] = from.s();
      break;
    case kIsInts:
      node.attributes[from.name()] = std::vector<int64_t>(from.ints().begin(), from.ints().end());
      break;
    default:
      break;
  }
}

void add_node(OnnxModel& model, const sr_onnx::NodeProto& from) {
  if (is_constant_node(from)) {
    for (const auto& attribute : from.attribute()) {
      if (attribute.type() == kIsTensor) add_constant(model, attribute.t(), from.output(0));
      if (attribute.type() == kIsInts)
        model.integers[from.output(0)] = {attribute.ints().begin(), attribute.ints().end()};
    }
    return;
  }
  OnnxNode node{from.op_type(),
                {from.input().begin(), from.input().end()},
                {from.output().begin(), from.output().end()},
                {}};
  for (const auto& attribute : from.attribute()) add_attribute(node, attribute);
  model.nodes.push_back(std::move(node));
}

OnnxValue value_from(const sr_onnx::ValueInfoProto& from) {
  OnnxValue value{from.name(), {}};
  for (const auto& side : from.type().tensor_type().shape().dim())
    value.shape.push_back(side.has_dim_value() ? std::to_string(side.dim_value()) : side.dim_param());
  return value;
}

OnnxModel model_from(const sr_onnx::ModelProto& from) {
  OnnxModel model;
  model.producer = from.producer_name();
  model.name = from.graph().name();
  for (const auto& set : from.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx") model.opset = set.version();
  for (const auto& constant : from.graph().initializer()) add_constant(model, constant, constant.name());
  for (const auto& node : from.graph().node()) add_node(model, node);
  for (const auto& value : from.graph().input()) model.inputs.push_back(value_from(value));
  for (const auto& value : from.graph().output()) model.outputs.push_back(value_from(value));
  for (const auto& entry : from.metadata_props()) model.metadata[entry.key()] = entry.value();
  return model;
}

}  // namespace

void save_onnx(const std::string& path, const OnnxModel& model) {
  sr_onnx::ModelProto to;
  to.set_ir_version(kIrVersion);
  to.set_producer_name(model.producer);
  to.add_opset_import()->set_version(model.opset);
  sr_onnx::GraphProto& graph = *to.mutable_graph();
  graph.set_name(model.name);
  for (const OnnxNode& node : model.nodes) set_node(*graph.add_node(), node);
  for (const NamedArray& w : model.weights)
    set_raw(*graph.add_initializer(), w.name, w.shape, kFloat32, w.values);
  for (const auto& [name, numbers] : model.integers)
    set_raw(*graph.add_initializer(), name, {static_cast<int64_t>(numbers.size())}, kInt64, numbers);
  for (const OnnxValue& value : model.inputs) set_value_info(*graph.add_input(), value);
  for (const OnnxValue& value : model.outputs) set_value_info(*graph.add_output(), value);
  for (const auto& [key, value] : model.metadata) {
    sr_onnx::StringStringEntryProto& entry = *to.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  if (to.ByteSizeLong() > kMaxWrittenBytes)
    throw Error(Error::Kind::limit, path, ": the network takes more than 1 GiB");
  write_file(path, to.SerializeAsString());
}

OnnxModel load_onnx(const std::string& path) {
  const std::string bytes = read_file(path, kMaxFileBytes);
  sr_onnx::ModelProto from;
  if (bytes.empty() || !from.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      from.graph().node_size() == 0)
    throw Error(Error::Kind::format, path, ": no ONNX model, or a damaged one; copy it again");
  try {
    return model_from(from);
  } catch (const Error& error) {
    throw Error(error.kind(), path, ": ", error.what());
  }
}

}  // namespace sr

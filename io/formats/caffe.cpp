#include "io/formats/caffe.h"

#include <io/formats/caffe.pb.h>

#include "io/formats/named_array.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr size_t kMaxFileBytes = size_t{64} << 20;

[[noreturn]] void throw_foreign(const std::string& path, const std::string& why) {
  throw Error(Error::Kind::format, path, ": ", why, "; a binary caffemodel was expected");
}

// The sizes that stood in four fields before 2015 hold a bias as 1 x 1 x 1 x n.
std::vector<int64_t> shape_of(const sr_caffe::BlobProto& blob, bool bias) {
  if (blob.has_shape()) return {blob.shape().dim().begin(), blob.shape().dim().end()};
  if (!blob.has_num() && !blob.has_channels() && !blob.has_height() && !blob.has_width()) return {};
  std::vector<int64_t> shape{blob.num(), blob.channels(), blob.height(), blob.width()};
  while (bias && shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
  return shape;
}

CaffeLayer layer_from(const sr_caffe::LayerParameter& from, const std::string& path) {
  CaffeLayer layer;
  layer.name = from.name();
  layer.type = from.type();
  if (from.convolution_param().stride_size() > 0) layer.stride = from.convolution_param().stride(0);
  for (const auto& blob : from.blobs()) {
    std::vector<int64_t> shape = shape_of(blob, !layer.blobs.empty());
    if (count_of(shape) != blob.data_size()) {
      throw Error(Error::Kind::format, path, ": layer \"", layer.name, "\" has a blob of shape ",
                  text_of(shape), " with ", blob.data_size(), " values; the file is damaged");
    }
    layer.shapes.push_back(std::move(shape));
    layer.blobs.emplace_back(blob.data().begin(), blob.data().end());
  }
  return layer;
}

}  // namespace

std::vector<CaffeLayer> load_caffemodel(const std::string& path) {
  const std::string bytes = read_file(path, kMaxFileBytes);
  if (bytes.empty()) throw_foreign(path, "the file is empty");
  sr_caffe::NetParameter net;
  if (!net.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw_foreign(path, "truncated, damaged or of another kind: it is no protobuf message");
  if (net.layers_size() > 0)
    throw Error(Error::Kind::format, path,
                ": its layers are in an old format (V1 or V0); Caffe's tool resaves it: "
                "upgrade_net_proto_binary OLD.caffemodel NEW.caffemodel");
  std::vector<CaffeLayer> layers;
  for (const auto& layer : net.layer())
    if (layer.blobs_size() > 0) layers.push_back(layer_from(layer, path));
  if (layers.empty()) throw_foreign(path, "no layer in it has weights");
  return layers;
}

}  // namespace sr

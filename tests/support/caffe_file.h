// Caffemodels written by hand, so that the tests do not rest on the reader's own schema.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sr {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
  return bytes + static_cast<char>(value);
}

inline std::string field(int number, std::string_view content) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(content.size()) + std::string(content);
}

inline std::string field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}

/// Field `blobs` of a layer.
inline std::string blob(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  std::string dimensions;
  for (const int64_t d : shape) dimensions += varint(static_cast<uint64_t>(d));
  const std::string_view data(reinterpret_cast<const char*>(values.data()), 4 * values.size());
  return field(7, field(5, data) + field(7, field(1, dimensions)));
}

/// The same with the four sizes (num, channels, height, width) that stood in the place of the shape before.
inline std::string old_blob(const std::vector<int64_t>& four, const std::vector<float>& values) {
  std::string sizes;
  for (int i = 0; i < 4; ++i) sizes += field(i + 1, static_cast<uint64_t>(four.at(static_cast<size_t>(i))));
  const std::string_view data(reinterpret_cast<const char*>(values.data()), 4 * values.size());
  return field(7, sizes + field(5, data));
}

/// Field `layer` of the network.
inline std::string layer(const std::string& name, const std::string& type, const std::string& rest) {
  return field(100, field(1, name) + field(2, type) + rest);
}

/// A layer of a network file to be made.
struct LayerText {
  std::string name, type;
  std::vector<int64_t> shape;  // out, in/groups, kh, kw
  uint64_t stride = 1;
};

/// The layers of the authors' network that have weights.
inline std::vector<LayerText> idn_layers(uint64_t factor) {
  std::vector<LayerText> layers{{"conv1", "Convolution", {64, 1, 3, 3}},
                                {"conv2", "Convolution", {64, 64, 3, 3}}};
  for (const int block : {1, 2, 3, 4}) {
    const std::string conv = "conv" + std::to_string(block + 2) + "_";
    const std::vector<std::vector<int64_t>> shapes{{48, 64, 3, 3}, {32, 12, 3, 3}, {64, 32, 3, 3},
                                                   {64, 48, 3, 3}, {48, 16, 3, 3}, {80, 48, 3, 3}};
    for (size_t i = 0; i < 6; ++i) layers.push_back({conv + std::to_string(i + 1), "Convolution", shapes[i]});
    layers.push_back({"down" + std::to_string(block), "Convolution", {64, 80, 1, 1}});
  }
  layers.push_back({"upsample", "Deconvolution", {64, 1, 17, 17}, factor});
  return layers;
}

/// A value that tells the layer and Caffe's index within the blob.
inline float caffe_value(size_t layer, int64_t index) {
  return static_cast<float>(layer) * 65536 + static_cast<float>(index);
}

/// Weights are caffe_value(), biases its negative.
inline std::string caffemodel_of(const std::vector<LayerText>& layers) {
  std::string file = field(1, "IDN");
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerText& l = layers[i];
    int64_t count = 1;
    for (const int64_t d : l.shape) count *= d;
    std::vector<float> weight, bias;
    for (int64_t k = 0; k < count; ++k) weight.push_back(caffe_value(i, k));
    const int64_t out = l.type == "Deconvolution" ? l.shape[1] : l.shape[0];
    for (int64_t k = 0; k < out; ++k) bias.push_back(-caffe_value(i, k));
    file += layer(l.name, l.type, blob(l.shape, weight) + blob({out}, bias) + field(106, field(6, l.stride)));
  }
  return file;
}

}  // namespace sr

#include "idn/caffe_import.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "idn/weight_layout.h"
#include "io/formats/caffe.h"
#include "tensor/error.h"

namespace sr {
namespace {

// The authors' names of the layers with weights, in the order in which Network creates its own.
std::vector<std::string> layer_names(const NetworkOptions& options) {
  std::vector<std::string> names;
  for (int i = 1; i <= options.num_FB_layers; ++i) names.push_back("conv" + std::to_string(i));
  for (int block = 1; block <= options.num_Dist_blocks; ++block) {
    const std::string number = std::to_string(options.num_FB_layers + block);
    for (int i = 1; i <= 6; ++i) names.push_back("conv" + number + "_" + std::to_string(i));
    names.push_back("down" + std::to_string(block));
  }
  names.push_back("upsample");
  return names;
}

template <class... Parts>
[[noreturn]] void throw_other_network(const Parts&... parts) {
  throw Error(Error::Kind::format, parts..., "; the authors' IDN network was expected");
}

void import_layer(const CaffeLayer& layer, Var& weight, Var& bias) {
  const Shape& w = weight.shape();
  const Shape& b = bias.shape();
  const std::vector<std::vector<int64_t>> expected = {{w.n, w.c, w.h, w.w}, {b.c}};
  if (layer.shapes != expected)
    throw_other_network("layer ", layer.name, " does not have weights for ", w, " and a bias of ", b.c);
  for (const std::vector<float>& blob : layer.blobs)
    if (!std::ranges::all_of(blob, [](float x) { return std::isfinite(x); }))
      throw Error(Error::Kind::format, "layer ", layer.name,
                  " holds NaN or infinity; such weights make no image");
  weight.set_value(channels_last({layer.name, layer.shapes[0], layer.blobs[0]}));
  bias.set_value(channels_last({layer.name, layer.shapes[1], layer.blobs[1]}));
}

void check_names(const std::vector<CaffeLayer>& layers, const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (i >= layers.size()) throw_other_network("layer ", names[i], " is missing");
    if (layers[i].name != names[i])
      throw_other_network("layer \"", layers[i].name, "\" stands where ", names[i], " should");
  }
  if (layers.size() > names.size())
    throw_other_network("layer \"", layers[names.size()].name, "\" is one too many");
}

Model model_from(const std::vector<CaffeLayer>& layers, int factor) {
  NetworkOptions options;
  options.factor = factor;
  options.crop_begin = 9 - factor;
  check_names(layers, layer_names(options));
  // The upsampler's weights have one shape for all factors; only its stride tells them apart.
  const int64_t stride = layers.back().stride;
  if (stride != factor)
    throw Error(Error::Kind::format, "the weights are for factor ", stride, ", not ", factor,
                "; give --upsampling_factor ", stride);
  Model model(options);
  for (size_t i = 0; i < layers.size(); ++i)
    import_layer(layers[i], model.params->list()[2 * i].var, model.params->list()[2 * i + 1].var);
  model.luma = LumaConvention::studio;
  return model;
}

}  // namespace

Model import_caffemodel(const std::string& path, int factor) {
  const std::vector<CaffeLayer> layers = load_caffemodel(path);
  try {
    Model model = model_from(layers, factor);
    model.origin = "imported from " + std::filesystem::path(path).filename().string();
    return model;
  } catch (const Error& error) {
    throw Error(error.kind(), path, ": ", error.what());
  }
}

}  // namespace sr

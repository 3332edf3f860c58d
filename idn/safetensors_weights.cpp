#include "idn/safetensors_weights.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "idn/published_span.h"
#include "idn/weight_layout.h"
#include "io/formats/safetensors.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kSkipped = 16;  // channels that leave a distillation block's enhancement half-way

// The names of https://github.com/yjn870/IDN-pytorch (parts without ".weight" and ".bias") and ours.
std::vector<std::pair<std::string, std::string>> names_of_idn_pytorch(int blocks) {
  std::vector<std::pair<std::string, std::string>> names = {
      {"fblock.module.0", "features.0"}, {"fblock.module.2", "features.1"}, {"deconv", "upsample"}};
  for (int i = 0; i < blocks; ++i) {
    const std::string theirs = "dblocks." + std::to_string(i) + ".",
                      ours = "blocks." + std::to_string(i) + ".";
    for (int k = 0; k < 3; ++k) {
      names.emplace_back(theirs + "enhancement_top." + std::to_string(2 * k),
                         ours + "conv" + std::to_string(k + 1));
      names.emplace_back(theirs + "enhancement_bottom." + std::to_string(2 * k),
                         ours + "conv" + std::to_string(k + 4));
    }
    names.emplace_back(theirs + "compression", ours + "compress");
  }
  return names;
}

// Its blocks let the last channels of the third convolution skip the rest, ours the first.
void turn_skipped_channels(NamedArray& array) {
  const auto sides = array.values.size() / static_cast<size_t>(array.shape.at(0));
  std::ranges::rotate(array.values, array.values.end() - static_cast<int64_t>(sides) * kSkipped);
}

// Renames its arrays; those with other names stay as they are. Returns how many distillation blocks there
// are.
int rename_idn_pytorch(std::vector<NamedArray>& arrays) {
  std::set<std::string> blocks;
  for (const NamedArray& array : arrays)
    if (array.name.starts_with("dblocks.")) blocks.insert(array.name.substr(8, array.name.find('.', 8) - 8));
  const int count = static_cast<int>(std::min<size_t>(blocks.size(), 64));
  for (const auto& [theirs, ours] : names_of_idn_pytorch(count))
    for (NamedArray& array : arrays)
      for (const std::string end : {".weight", ".bias"}) {
        if (array.name != theirs + end) continue;
        array.name = ours + end;
        if (ours.ends_with("conv3") && !array.shape.empty() && array.shape[0] > kSkipped)
          turn_skipped_channels(array);
      }
  return count;
}

Checkpoint checkpoint_of(const std::string& meta, const std::vector<NamedArray>& arrays) {
  Checkpoint checkpoint{meta, {}};
  for (const NamedArray& array : arrays) checkpoint.tensors.emplace_back(array.name, channels_last(array));
  return checkpoint;
}

// What IDN-pytorch builds at x2: no activation after the compression, a result cropped by 8. Its result at x3
// and x4 is a pixel or two short, so no weights are for those.
std::string meta_of_idn_pytorch(const std::vector<NamedArray>& arrays, int blocks, const std::string& file) {
  NetworkOptions options;
  options.num_Dist_blocks = blocks;
  options.compression_activation = false;
  options.crop_begin = 8;
  const auto first = std::ranges::find(arrays, "features.0.weight", &NamedArray::name);
  if (first != arrays.end() && first->shape.size() == 4)
    options.nchan = static_cast<int>(std::clamp<int64_t>(first->shape[1], 1, 1024));
  Model model(options);
  model.origin =
      "imported from " + file + " (IDN-pytorch; trained to be added to PyTorch's bicubic, a = -0.75)";
  return model.to_checkpoint().meta;
}

Model model_from(Safetensors& file, const std::string& path) {
  const auto meta = file.metadata.find(kModelMetadata);
  if (meta != file.metadata.end())
    return Model::from_checkpoint(checkpoint_of(meta->second, file.arrays), path);
  const std::string name = std::filesystem::path(path).filename().string();
  if (has_published_span_names(file.arrays)) return model_of_published_span(file.arrays, name);
  const bool known = std::ranges::count(file.arrays, "fblock.module.0.weight", &NamedArray::name) > 0;
  if (!known) {
    const std::string first =
        file.arrays.empty() ? "there are none" : "the first is \"" + file.arrays[0].name + "\"";
    throw Error(Error::Kind::format, "its metadata have no \"", kModelMetadata,
                "\", and its arrays are called neither as IDN-pytorch's nor as SPAN's authors' (", first,
                "); docs/formats.md has the names");
  }
  const int blocks = rename_idn_pytorch(file.arrays);
  return Model::from_checkpoint(checkpoint_of(meta_of_idn_pytorch(file.arrays, blocks, name), file.arrays),
                                path);
}

}  // namespace

void save_model_as_safetensors(const std::string& path, const Model& model) {
  const Checkpoint checkpoint = model.to_checkpoint();
  Safetensors file{{{kModelMetadata, checkpoint.meta}, {"format", "pt"}}, {}};
  for (const auto& [name, tensor] : checkpoint.tensors) file.arrays.push_back(channels_first(name, tensor));
  save_safetensors(path, file);
}

Model model_of_safetensors(const std::string& path) {
  Safetensors file = load_safetensors(path);
  try {
    return model_from(file, path);
  } catch (const Error& error) {
    if (std::string(error.what()).starts_with(path)) throw;  // Model has named it
    throw Error(error.kind(), path, ": ", error.what());
  }
}

}  // namespace sr

#include "tools/export_options.h"

#include <filesystem>

#include "idn/onnx_export.h"
#include "idn/safetensors_weights.h"
#include "tools/file_identity.h"
#include "tools/value_range_option.h"

namespace sr {

void ExportOptions::add_to(CLI::App& app, CLI::Option* from) {
  constexpr int64_t kLargestTile = 16384;
  auto* to_onnx =
      app.add_option("--to_onnx", onnx, "ONNX file that gets the network, for onnxruntime, OpenVINO, ...");
  app.add_option("--to_safetensors", safetensors, "safetensors file that gets the weights")->needs(from);
  auto* bicubic =
      app.add_flag("--with_bicubic", with_bicubic,
                   "the ONNX graph gives the enlarged image; without it what is added to the bicubic one");
  auto* range =
      app.add_option(
             "--value_range", value_range,
             "the ONNX graph takes and gives samples, of which the network sees LOW as 0 and HIGH as 1; "
             "LOW,HIGH or a pair for each band")
          ->delimiter(',')
          ->expected(2, kMostNumbers);
  app.add_option("--tile", tile,
                 "the ONNX graph takes one image of so many pixels in width and height; without it any")
      ->check(CLI::Range(int64_t{1}, kLargestTile))
      ->needs(to_onnx);
  app.add_option("--bands", bands,
                 "names of a Sentinel-2 product's bands, as B2,B3,B4,B8: also write NAME.yaml for "
                 "sentinel2_superresolution")
      ->delimiter(',')
      ->needs(to_onnx)
      ->needs(bicubic)
      ->needs(range);
  to_onnx->needs(from);
  bicubic->needs(to_onnx);
  range->needs(to_onnx);
}

void ExportOptions::check_names(const std::string& from) const {
  check_replaces_not(onnx, "--to_onnx", from);
  check_replaces_not(safetensors, "--to_safetensors", from);
  if (!bands.empty()) check_replaces_not(yaml_name(), "--to_onnx", from);
  namespace fs = std::filesystem;
  const auto place = [](const std::string& path) { return fs::absolute(path).lexically_normal(); };
  if (!onnx.empty() && !safetensors.empty() && place(onnx) == place(safetensors))
    throw Error(Error::Kind::usage, "--to_onnx and --to_safetensors both name ", onnx);
}

std::string ExportOptions::yaml_name() const {
  return std::filesystem::path(onnx).replace_extension(".yaml").string();
}

std::vector<std::string> ExportOptions::write(const Model& model) const {
  std::vector<std::string> files;
  if (!onnx.empty()) {
    OnnxOptions options{with_bicubic, {}, tile};
    if (!value_range.empty()) options.range = ranges_of_option(value_range);
    const OnnxModel graph = onnx_model(model, options);
    const std::string yaml = bands.empty() ? "" : evoland_yaml(model, onnx, bands);
    save_onnx(onnx, graph);
    files.push_back(onnx);
    if (!yaml.empty()) {
      files.push_back(yaml_name());
      write_file(files.back(), yaml);
    }
  }
  if (!safetensors.empty()) {
    save_model_as_safetensors(safetensors, model);
    files.push_back(safetensors);
  }
  return files;
}

}  // namespace sr

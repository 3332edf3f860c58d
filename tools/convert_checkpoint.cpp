// Imports and exports weights, makes small checkpoints of a training's, and shows what a checkpoint holds.
#include <algorithm>
#include <cinttypes>
#include <filesystem>
#include <sstream>

#include "idn/caffe_import.h"
#include "idn/checkpoint_files.h"
#include "idn/onnx_import.h"
#include "idn/safetensors_weights.h"
#include "io/output_file.h"
#include "tensor/error.h"
#include "tools/export_options.h"
#include "tools/layer_table.h"
#include "tools/program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "convert_checkpoint";

struct Options {
  std::string from, to, info;
  int factor = 0;
  bool layers = false;
  ExportOptions exports;
  CommonOptions common;
};

void add_options(CLI::App& app, Options& o) {
  auto* from = app.add_option(
      "--from", o.from,
      "a checkpoint (.sr; a training's state is left out), .safetensors, .onnx, or the authors' caffemodel");
  auto* to = app.add_option("--to", o.to, "folder that gets xFACTOR/ckpts and xFACTOR/mean_values.json");
  app.add_option("--upsampling_factor", o.factor,
                 "what the weights are for: 2, 3 or 4; without it what the file says (a caffemodel: 2)")
      ->check(CLI::Range(2, 4));
  auto* info = app.add_option("--info", o.info, "checkpoint to describe");
  app.add_flag("--layers", o.layers,
               "with --info: weights, multiply-adds and reach of each layer instead of each tensor's values")
      ->needs(info);
  to->needs(from);
  info->excludes(from);
  o.exports.add_to(app, from);
  o.common.add_to(app);
}

// A folder in which training left checkpoints would give those to --pretrained_path, not the imported ones.
void check_no_other_checkpoint(const fs::path& checkpoint) {
  for (const auto& entry : fs::directory_iterator(checkpoint.parent_path()))
    if (entry.path().extension() == checkpoint.extension() && entry.path() != checkpoint)
      throw Error(Error::Kind::io, checkpoint.parent_path().string(), ": already holds ",
                  entry.path().filename().string(), "; choose another folder with --to");
}

Model load(const Options& o) {
  const fs::path kind = fs::path(o.from).extension();
  if (kind != ".sr" && kind != ".safetensors" && kind != ".onnx")
    return import_caffemodel(o.from, o.factor > 0 ? o.factor : 2);
  Model model = kind == ".sr"     ? Model::merged(Model::load(o.from))
                : kind == ".onnx" ? model_of_onnx(o.from)
                                  : model_of_safetensors(o.from);
  if (o.factor > 0) model.check_factor(o.factor, o.from);
  return model;
}

int convert(const Options& o) {
  o.exports.check_names(o.from);
  const Model model = load(o);
  o.common.say(o.from + ": " + (model.options().span ? "span" : "idn") +
               (model.origin.empty() ? "" : ", " + model.origin));
  for (const std::string& file : o.exports.write(model)) o.common.say("wrote " + file);
  if (!o.to.empty()) {
    const std::string checkpoint = checkpoint_name(o.to, model.factor(), 0);
    check_no_other_checkpoint(checkpoint);
    const fs::path means = fs::path(checkpoint).parent_path().parent_path() / "mean_values.json";
    model.save(checkpoint);  // first: means without a network would pass for something
    save_mean_values(means.string(), model.means);
    o.common.say("wrote " + checkpoint + " (" + std::to_string(model.params->count()) + " parameters) and " +
                 means.string());
  }
  return 0;
}

std::string list_of(const std::vector<double>& values) {
  std::ostringstream text;
  for (size_t i = 0; i < values.size(); ++i) text << (i > 0 ? ", " : "") << values[i];
  return text.str();
}

void print_idn(const NetworkOptions& o) {
  std::printf("num_FB_layers           %d\n", o.num_FB_layers);
  std::printf("num_Dist_blocks         %d\n", o.num_Dist_blocks);
  std::printf("compression_activation  %s\n", o.compression_activation ? "leaky_relu" : "none");
  std::printf("crop                    %d taps at the beginning, %d at the end\n", o.crop_begin,
              kUpsampleKernel - o.factor - o.crop_begin);
}

void print_span(const SpanOptions& o) {
  std::printf("channels                %d\n", o.channels);
  std::printf("blocks                  %d\n", o.blocks);
  if (o.joined > 0) std::printf("joined                  %d channels for the upsampler\n", o.joined);
  std::printf("branches                %s\n", o.branches ? "yes, as it is trained" : "no");
}

void print_options(const Model& model) {
  const NetworkOptions& o = model.options();
  const auto& parameters = model.params->list();
  std::printf("origin                  %s\n", model.origin.c_str());
  std::printf("network                 %s\n", o.span ? "span" : "idn");
  std::printf("upsampling_factor       %d\n", o.factor);
  std::printf("nchan                   %d\n", o.nchan);
  if (o.span)
    print_span(*o.span);
  else
    print_idn(o);
  std::printf("base                    %s\n",
              model.has_base() ? "bicubic: what the network gives is added to that enlargement"
                               : "none: the network makes the image itself");
  std::printf("luma                    BT.601, %s\n",
              model.luma == LumaConvention::full ? "full range" : "studio range");
  if (!model.ranges.empty())
    std::printf("value range             %s\n", text_of(model.ranges).c_str());
  else
    std::printf("value range             0..255 (8 bits)\n");
  std::printf("mean_values             gt %s; down %s; bic_up %s\n", list_of(model.means.gt).c_str(),
              list_of(model.means.down).c_str(), list_of(model.means.bic_up).c_str());
  std::printf("parameters              %" PRId64 " in %zu tensors\n", model.params->count(),
              parameters.size());
}

void print_tensor(const Parameter& parameter) {
  const std::vector<float> values = parameter.var.value().to_vector();
  double sum = 0;
  for (const float value : values) sum += double{value};
  const auto [low, high] = std::ranges::minmax(values);
  std::ostringstream shape;
  shape << parameter.var.shape();
  std::printf("%-24s %-18s %12.5g %12.5g %12.5g\n", parameter.name.c_str(), shape.str().c_str(), double{low},
              double{high}, sum / static_cast<double>(values.size()));
}

int info(const Options& o) {
  const Model model = Model::load(o.info);
  std::printf("checksum                %s\n", checksum_of_file(o.info).c_str());
  print_options(model);
  if (o.layers) {
    std::printf("\n");
    print_layers(Model::merged(Model::load(o.info)));  // as it is used
    return 0;
  }
  std::printf("\n%-24s %-18s %12s %12s %12s\n", "tensor", "shape", "min", "max", "mean");
  for (const Parameter& parameter : model.params->list()) print_tensor(parameter);
  return 0;
}

int run(Options& o) {
  o.common.apply();
  if (!o.info.empty()) return info(o);
  if (!o.to.empty() || o.exports.any()) return convert(o);
  throw Error(Error::Kind::usage,
              "nothing to do; give --from and --to, --to_onnx or --to_safetensors, or give --info");
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app(
      "Imports and exports weights, makes small checkpoints of a training's, and shows what a checkpoint "
      "holds.",
      sr::kName);
  sr::add_options(app, options);
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}

#include "tools/eval_scenes.h"

#include <cstdio>

#include "idn/checkpoint_files.h"
#include "io/formats/picture.h"
#include "io/output_file.h"
#include "scene/preview.h"
#include "tools/quality_record.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPreviewSide = 640;

// GDAL takes what such files say, whichever result they were made for.
void warn_of_older_side_files(const std::string& result) {
  const std::string stem = fs::path(result).replace_extension().string();
  for (const std::string& beside : {result + ".aux.xml", result + ".msk", result + ".ovr", stem + ".tfw",
                                    stem + ".tifw", stem + ".wld", stem + ".tab"}) {
    std::error_code none;
    if (fs::is_regular_file(beside, none))
      std::fprintf(
          stderr,
          "%s: warning: %s is older than the result beside it, and may overrule what that says; remove it\n",
          kEvalName, beside.c_str());
  }
}

}  // namespace

std::vector<std::string> Outputs::files() const {
  std::vector<std::string> list;
  for (const std::string& file : {upscaled, bicubic, spread, preview, quality})
    if (!file.empty()) list.push_back(file);
  return list;
}

// Beside the data and named after it, by its own name where it was given as "." or "..".
std::string result_folder(const EvalOptions& o) {
  if (!o.out_path.empty()) return o.out_path;
  if (!o.out_file.empty()) return fs::absolute(o.out_file).parent_path();
  fs::path base = fs::absolute(o.data_path);
  if (std::error_code error; fs::is_regular_file(base, error)) base = base.parent_path();
  const bool by_name = base.filename() != "." && base.filename() != "..";
  base = by_name ? fs::canonical(base.parent_path()) / base.filename() : fs::canonical(base);
  return base.string() + "_x" + std::to_string(o.factor);
}

Outputs outputs_of(const fs::path& image, const fs::path& folder, const EvalOptions& o) {
  const fs::path result = folder / (o.out_file.empty() ? image : fs::path(o.out_file)).filename();
  const std::string stem = result.stem().string(), extension = result.extension().string();
  Outputs outputs;
  if (!o.bicubic_only) outputs.upscaled = result;
  if (o.bicubic || o.bicubic_only) outputs.bicubic = folder / (stem + "_bic_up" + extension);
  if (o.bicubic_only && !o.out_file.empty()) outputs.bicubic = result;
  if (o.spread) outputs.spread = folder / (stem + "_spread" + extension);
  if (o.preview) outputs.preview = folder / (stem + "_preview.png");
  if (o.quality_record) outputs.quality = folder / (stem + ".quality.json");
  return outputs;
}

std::optional<Model> load_model(EvalOptions& o) {
  if (o.bicubic_only) return {};
  const std::string checkpoint = find_checkpoint(o.pretrained_path, o.factor);
  Model model = Model::load(checkpoint, o.factor);
  o.scene.origin.weights = checksum_of_file(checkpoint);
  if (!o.mean_values_path.empty()) {
    const std::string means =
        (fs::path(o.mean_values_path) / ("x" + std::to_string(o.factor)) / "mean_values.json").string();
    model.means = load_mean_values(means, model.nchan());
    o.scene.origin.mean_values = checksum_of_file(means);
  }
  if (o.json != "-") o.common.say("weights " + checkpoint + " (" + model.origin + ")");
  return model;
}

void write_preview(const fs::path& image, const Outputs& outputs, const EvalOptions& o) {
  if (outputs.preview.empty()) return;
  write_png(outputs.preview,
            side_by_side(image.string(), outputs.main(), o.factor, kPreviewSide, o.scene.region));
  o.common.say("  wrote " + outputs.preview + " (left: input enlarged by bicubic, right: result)");
}

void tell_of_results(const char* done, const SceneDone& made, const std::string& how, const EvalOptions& o) {
  for (const std::string& file : made.made) {
    o.common.say(std::string("  ") + done + " " + file + (file == made.made[0] ? how : ""));
    warn_of_older_side_files(file);
  }
}

void write_rest(const fs::path& image, const Outputs& outputs, const Model* model, const EvalOptions& o,
                const SceneDone& made, double seconds) {
  if (!outputs.quality.empty()) {
    const ResultOrigin origin{
        image.string(), outputs.main(),         find_checkpoint(o.pretrained_path, o.factor),
        o.arguments,    o.common.description(), seconds};
    o.common.say("  " + write_quality_record(outputs.quality, origin, *model, made));
  }
  write_preview(image, outputs, o);
}

std::string failure_of(const fs::path& image, const std::string& text) {
  const bool named = text.find(image.filename().string()) != std::string::npos;
  return named ? text : image.string() + ": " + text;
}

}  // namespace sr

// Super-resolves every image of a folder.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "idn/checkpoint_files.h"
#include "io/formats/picture.h"
#include "io/output_file.h"
#include "scene/prepare.h"
#include "scene/preview.h"
#include "scene/scene.h"
#include "tensor/stop.h"
#include "tools/dry_run.h"
#include "tools/eval_options.h"
#include "tools/file_identity.h"
#include "tools/images.h"
#include "tools/layer_table.h"
#include "tools/quality_record.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "eval_superres_net";
constexpr int64_t kPreviewSide = 640;

using Options = EvalOptions;

// The option by which a user moves the results.
const char* place_option(const Options& o) {
  return o.out_file.empty() ? "--out_path" : "--out_file";
}

// Beside the data and named after it, by its own name where it was given as "." or "..".
std::string result_folder(const Options& o) {
  if (!o.out_path.empty()) return o.out_path;
  if (!o.out_file.empty()) return fs::absolute(o.out_file).parent_path();
  fs::path base = fs::absolute(o.data_path);
  if (std::error_code error; fs::is_regular_file(base, error)) base = base.parent_path();
  const bool by_name = base.filename() != "." && base.filename() != "..";
  base = by_name ? fs::canonical(base.parent_path()) / base.filename() : fs::canonical(base);
  return base.string() + "_x" + std::to_string(o.factor);
}

void create_folder(const std::string& folder, const Options& o) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || access(folder.c_str(), W_OK) != 0)
    throw Error(Error::Kind::io, folder, ": cannot be created or written to",
                error ? ": " + error.message() : std::string(), "; choose another folder with ",
                place_option(o));
}

// What is written for an image; an empty name = not wanted.
struct Outputs {
  std::string upscaled, bicubic, spread, preview, quality;

  std::vector<std::string> files() const {
    std::vector<std::string> list;
    for (const std::string& file : {upscaled, bicubic, spread, preview, quality})
      if (!file.empty()) list.push_back(file);
    return list;
  }
};

Outputs outputs_of(const fs::path& image, const fs::path& folder, const Options& o) {
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

// Whether writing a result of that name would replace one of the inputs, be it by what lies beside it until
// it is complete.
bool replaces(const std::string& output, const std::set<Identity>& inputs) {
  const auto is_input = [&](const std::string& path) {
    const Identity there = identity_of(path);
    return there && inputs.contains(there);
  };
  return is_input(output) ||
         std::ranges::any_of(working_ends(), [&](const char* end) { return is_input(output + end); });
}

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
          kName, beside.c_str());
  }
}

// No output may replace an image or another image's output. Known before hours are spent on them.
void check_outputs(const std::vector<fs::path>& images, const fs::path& folder, const Options& o) {
  std::set<Identity> inputs;
  for (const fs::path& image : images) inputs.insert(identity_of(image));
  std::map<std::string, fs::path> made_of;
  for (const fs::path& image : images) {
    for (const std::string& output : outputs_of(image, folder, o).files()) {
      if (std::error_code none; fs::is_directory(output, none)) throw cannot_write(output, EISDIR);
      if (replaces(output, inputs))
        throw Error(Error::Kind::usage, image.string(), ": ", output,
                    ", its result, would replace the input; choose another ", place_option(o));
      const auto [first, is_new] = made_of.emplace(output, image);
      if (!is_new)
        throw Error(Error::Kind::usage, first->second.string(), " and ", image.string(),
                    " would both be written to ", output, "; rename one of them");
    }
  }
}

// Nothing if it has no name.
void write_preview(const fs::path& image, const std::string& result, const std::string& preview,
                   const Options& o) {
  if (preview.empty()) return;
  write_png(preview, side_by_side(image.string(), result, o.factor, kPreviewSide, o.scene.region));
  o.common.say("  wrote " + preview + " (left: input enlarged by bicubic, right: result)");
}

void process(const fs::path& image, const Outputs& outputs, const Model* model, const Options& o) {
  ProgressLine progress(o.common.quiet);
  const std::string& main_result = model ? outputs.upscaled : outputs.bicubic;
  o.common.say(image.filename().string() + ":");
  int64_t pixels = 0;
  SceneOptions scene = o.scene;
  scene.resume = !o.overwrite;
  scene.keep_made =
      !o.overwrite && scene.verify_windows == 0 && (outputs.quality.empty() || fs::exists(outputs.quality));
  const SceneDone made = upscale_scene(image.string(), {outputs.upscaled, outputs.bicubic, outputs.spread},
                                       model, o.factor, scene,
                                       {.say = [&](const std::string& text) { o.common.say("  " + text); },
                                        .progress =
                                            [&](int64_t done, int64_t all) {
                                              pixels = all;
                                              progress(done, all);
                                            }});
  if (made.was_there) {
    o.common.say("  " + main_result +
                 " is there, made of the same input, weights and options; --overwrite makes it anew");
    if (!fs::exists(outputs.preview)) write_preview(image, main_result, outputs.preview, o);
    return;
  }
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, " in %.1f s, %.3f Mpixel/s", progress.seconds(),
                static_cast<double>(pixels) * 1e-6 / progress.seconds());
  for (const std::string& file : made.made) {
    o.common.say("  wrote " + file + (file == made.made[0] ? seconds : ""));
    warn_of_older_side_files(file);
  }
  if (!outputs.quality.empty()) {
    const ResultOrigin origin{
        image.string(),         main_result,       find_checkpoint(o.pretrained_path, o.factor), o.arguments,
        o.common.description(), progress.seconds()};
    o.common.say("  " + write_quality_record(outputs.quality, origin, *model, made));
  }
  write_preview(image, main_result, outputs.preview, o);
}

std::optional<Model> load_model(Options& o) {
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

// Nothing is written but what --json asks for.
int run_dry(Options& o, const std::vector<fs::path>& images, const std::string& folder) {
  for (const fs::path& image : images) check_replaces_not(o.json, "--json", image);
  if (!o.bicubic_only) check_replaces_not(o.json, "--json", find_checkpoint(o.pretrained_path, o.factor));
  DryRun dry(o.common, o.json);
  dry.passes([&] { check_outputs(images, folder, o); });
  dry.passes([&] { existing_folder(folder, place_option(o)); });
  std::optional<Model> model;
  const bool loaded = dry.passes([&] { model = load_model(o); });
  for (const fs::path& image : images) check_replaces_not(o.json, "--json", image);
  if (model) check_replaces_not(o.json, "--json", find_checkpoint(o.pretrained_path, o.factor));
  for (const fs::path& image : images) {
    const Outputs outputs = outputs_of(image, folder, o);
    if (loaded)
      dry.add(image.string(), {outputs.upscaled, outputs.bicubic, outputs.spread}, outputs.files(),
              model ? &*model : nullptr, o.factor, o.scene);
  }
  return dry.finish(folder);
}

// A tile as the scene's plan has it, margins included, but none that takes long.
int run_profile(Options& o, const fs::path& image) {
  constexpr int64_t kMostSide = 1024;
  Model model = *load_model(o);
  const PreparedScene scene = prepare_scene(image.string(), {"", "", ""}, &model, o.factor, o.scene);
  const Window tile = scene.plan.grid[0].read;
  o.common.say(o.common.description());
  model.to(o.common.target());
  print_profile(model, std::min(tile.w, kMostSide), std::min(tile.h, kMostSide));
  return 0;
}

int run(Options& o) {
  stop_when(&interrupted);
  settle(o);
  o.common.apply();
  o.scene.gpus = o.common.gpus();
  const std::vector<fs::path> images = find_images(o.data_path, {o.img_ext});
  const std::string folder = result_folder(o);
  if (o.profile) return run_profile(o, images[0]);
  if (o.dry_run) return run_dry(o, images, folder);
  check_outputs(images, folder, o);
  const std::optional<Model> model = load_model(o);
  create_folder(folder, o);
  o.common.say(o.common.description());
  std::vector<std::string> failures;
  for (const fs::path& image : images) {
    try {
      process(image, outputs_of(image, folder, o), model ? &*model : nullptr, o);
    } catch (const Error& e) {
      const std::string text = e.what();
      const bool named = text.find(image.filename().string()) != std::string::npos;
      failures.push_back(named ? text : image.string() + ": " + text);
      print_error(kName, failures.back().c_str());
      if (interrupted) return 1;
    } catch (const std::bad_alloc&) {
      failures.push_back(image.string() + ": out of memory; use a smaller --max_memory");
      print_error(kName, failures.back().c_str());
    }
  }
  return report_failures(failures, images.size());
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Super-resolves every image of a folder with trained weights.", sr::kName);
  sr::add_options(app, options);
  options.arguments = {argv + 1, argv + argc};
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}

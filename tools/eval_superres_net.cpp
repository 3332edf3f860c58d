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
#include "io/output_file.h"
#include "scene/prepare.h"
#include "scene/scene.h"
#include "tensor/stop.h"
#include "tools/dry_run.h"
#include "tools/eval_options.h"
#include "tools/eval_scenes.h"
#include "tools/file_identity.h"
#include "tools/images.h"
#include "tools/layer_table.h"
#include "tools/shard_run.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

using Options = EvalOptions;

// The option by which a user moves the results.
const char* place_option(const Options& o) {
  return o.out_file.empty() ? "--out_path" : "--out_file";
}

void create_folder(const std::string& folder, const Options& o) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || access(folder.c_str(), W_OK) != 0)
    throw Error(Error::Kind::io, folder, ": cannot be created or written to",
                error ? ": " + error.message() : std::string(), "; choose another folder with ",
                place_option(o));
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

// What becomes of a scene or of a part of it.
struct Task {
  fs::path image;
  std::optional<PartOfScene> part;
};

void process(const Task& task, const Outputs& outputs, const Model* model, const Options& o,
             ShardWriter* notes) {
  ProgressLine progress(o.common.quiet);
  const std::string name = task.image.filename().string();
  o.common.say(name + (task.part ? ", " + text_of(task.part->rows) + ":" : ":"));
  int64_t pixels = 0;
  SceneOptions scene = o.scene;
  scene.part = task.part;
  scene.resume = !o.overwrite;
  scene.keep_made =
      !o.overwrite &&
      (task.part || (scene.verify_windows == 0 && (outputs.quality.empty() || fs::exists(outputs.quality))));
  const SceneDone made = upscale_scene(task.image.string(), outputs.results(), model, o.factor, scene,
                                       {.say = [&](const std::string& text) { o.common.say("  " + text); },
                                        .progress =
                                            [&](int64_t done, int64_t all) {
                                              pixels = all;
                                              progress(done, all);
                                            }});
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, " in %.1f s, %.3f Mpixel/s", progress.seconds(),
                static_cast<double>(pixels) * 1e-6 / progress.seconds());
  if (made.was_there) {
    o.common.say("  " + outputs.main() +
                 " is there, made of the same input, weights and options; --overwrite makes it anew");
    if (!fs::exists(outputs.preview)) write_preview(task.image, outputs, o);
  } else if (task.part) {
    for (const std::string& file : made.made)
      o.common.say("  wrote " + file + ".part" + (file == made.made[0] ? seconds : ""));
    notes->made_part(name, note_of(*task.part, made));
    return;
  } else {
    tell_of_results("wrote", made, seconds, o);
    write_rest(task.image, outputs, model, o, made, progress.seconds());
  }
  if (notes) notes->made(name, made.jobs);
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

// All of them, each by itself: what fails costs one. Returns the exit status.
int process_all(const std::vector<Task>& tasks, const std::string& folder, const Model* model,
                const Options& o, ShardWriter* notes) {
  std::vector<std::string> failures;
  const auto failed = [&](const fs::path& image, const std::string& why) {
    failures.push_back(failure_of(image, why));
    print_error(kEvalName, failures.back().c_str());
    if (notes) notes->failed(image.filename().string(), failures.back());
  };
  for (const Task& task : tasks) {
    try {
      process(task, outputs_of(task.image, folder, o), model, o, notes);
    } catch (const Error& e) {
      failed(task.image, e.what());
      if (interrupted) return 1;
    } catch (const std::bad_alloc&) {
      failed(task.image, "out of memory; use a smaller --max_memory");
    }
  }
  if (notes) notes->ended();
  return report_failures(failures, tasks.size());
}

// Those of one process of several.
int run_shard(const Shard& shard, const std::vector<fs::path>& images, const std::string& folder,
              const Model* model, const Options& o) {
  const LineUp list = line_up(images, o, shard.count);
  std::vector<Task> tasks;
  for (size_t i = 0; i < images.size(); ++i)
    for (const SharePart& part : list.parts[i])
      if (part.shard == shard.index - 1)
        tasks.push_back(
            {images[i], part.rows ? std::optional(PartOfScene{*part.rows, shard.name()}) : std::nullopt});
  std::error_code none;
  const bool one = fs::is_regular_file(o.data_path, none);
  const std::string results = one ? outputs_of(images[0], folder, o).main() : folder;
  o.common.say("shard " + std::to_string(shard.index) + " of " + std::to_string(shard.count) + " (" +
               shard.source + "): " + list.share_of(shard.index));
  ShardWriter notes(shard_file(results, shard),
                    {shard, o.arguments, fs::current_path().string(), list.checksum, alike_in_all(o)});
  return process_all(tasks, folder, model, o, &notes);
}

int run(Options& o) {
  stop_when(&interrupted);
  settle(o);
  const Shard shard = shard_of_option(o.shard);
  o.common.apply();
  o.scene.gpus = o.common.gpus();
  const std::vector<fs::path> images = find_images(o.data_path, {o.img_ext});
  const std::string folder = result_folder(o);
  if (o.profile) return run_profile(o, images[0]);
  if (o.dry_run) return run_dry(o, images, folder);
  check_outputs(images, folder, o);
  const std::optional<Model> loaded = load_model(o);
  const Model* model = loaded ? &*loaded : nullptr;
  create_folder(folder, o);
  o.common.say(o.common.description());
  if (shard.count > 1) return run_shard(shard, images, folder, model, o);
  std::vector<Task> tasks;
  for (const fs::path& image : images) tasks.push_back({image, {}});
  return process_all(tasks, folder, model, o, nullptr);
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Super-resolves every image of a folder with trained weights.", sr::kEvalName);
  sr::add_options(app, options);
  options.arguments = {argv + 1, argv + argc};
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}

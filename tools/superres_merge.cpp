// Joins what several processes have made of scenes with eval_superres_net --shard.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "io/counted.h"
#include "io/output_file.h"
#include "io/tiff/output/block_journal.h"
#include "io/tiff/output/vrt.h"
#include "scene/job.h"
#include "tensor/bands/kernels.h"
#include "tensor/stop.h"
#include "tools/eval_scenes.h"
#include "tools/images.h"
#include "tools/program.h"
#include "tools/shards.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "superres_merge";

struct Options {
  std::vector<std::string> paths;
  bool status = false, keep_parts = false, vrt = false;
  CommonOptions common;
};

// What the shards were run with; results lie where they were found. It leaves the process in the folder that
// the shards ran in, for names are relative to it.
EvalOptions options_of(const Shards& shards, const Options& merge) {
  const ShardStart& start = shards.start();
  const std::string& results = shards.results;
  EvalOptions o;
  CLI::App app("", "eval_superres_net");
  add_options(app, o);
  try {
    app.parse(std::vector<std::string>(start.arguments.rbegin(), start.arguments.rend()));
  } catch (const CLI::ParseError& e) {
    throw Error(Error::Kind::format, shards.begun.begin()->second.file,
                ": its arguments are not of this version: ", e.what());
  }
  std::error_code error;
  fs::current_path(start.folder, error);
  if (error)
    throw Error(Error::Kind::io, start.folder,
                ": the shards ran in this folder, which cannot be entered: ", error.message());
  settle(o);
  o.arguments = start.arguments;
  const bool folder = fs::is_directory(results, error);
  o.out_path = folder ? results : "", o.out_file = folder ? "" : results;
  const bool known = o.common.precision == "fp32" || (o.common.precision == "bf16" && bands::has_bf16());
  o.common.device = "cpu", o.common.precision = known ? o.common.precision : "auto";
  o.common.threads = merge.common.threads, o.common.quiet = merge.common.quiet;
  o.common.apply();
  return o;
}

// What there is of a scene.
struct Found {
  fs::path image;
  Outputs outputs;
  std::vector<PartNote> parts;       // that are done
  bool all_parts = false;            // all of them are there
  bool made = false;                 // its results are there
  bool complete = false;             // and all that is made beside them
  std::vector<std::string> missing;  // or of something else, for people
};

// As a file that is not finished, or shown by a VRT.
bool is_there(const std::string& part, bool cog) {
  return fs::exists(temporary_name(blocks_name(part, cog))) || fs::exists(part);
}

// For people; "" if they belong together.
std::string why_not_together(const std::vector<PartNote>& parts) {
  try {
    if (!parts.empty()) check_together(parts);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Found find_scene(const Shards& shards, const fs::path& image, const std::vector<SharePart>& parts,
                 const EvalOptions& o) {
  Found found{image, outputs_of(image, result_folder(o), o), {}, false, false, false, {}};
  const std::string name = image.filename().string();
  for (const SharePart& part : parts) {
    const SceneNote* note = shards.note(part.shard + 1, name);
    std::optional<SceneJobs> jobs = note ? note->made : std::nullopt;
    const bool is_part = note && note->part && part.rows && note->part->part.rows == *part.rows;
    if (is_part) jobs = jobs_of(*note->part);
    found.made = found.made || (jobs && is_made(found.outputs.results(), *jobs));
    if (is_part && is_there(note->part->part.name_of(found.outputs.main()), o.scene.writing.cog))
      found.parts.push_back(*note->part);
    else
      found.missing.push_back(shards.why_missing(part, name));
  }
  const auto there = [](const std::string& file) { return file.empty() || fs::exists(file); };
  found.complete = found.made && there(found.outputs.preview) && there(found.outputs.quality);
  found.all_parts = found.missing.empty();
  if (const std::string why = why_not_together(found.parts); !why.empty()) found.missing.push_back(why);
  if (found.made) found.missing.clear();
  return found;
}

// Its results, of what the shards have left; and what is made beside them.
void join(const Found& found, const Model* model, const EvalOptions& o) {
  const auto begin = std::chrono::steady_clock::now();
  SceneOptions scene = o.scene;
  scene.keep_made = !o.overwrite;
  o.common.say(found.image.filename().string() + ":");
  const SceneDone made =
      merge_scene(found.image.string(), found.outputs.results(), model, o.factor, scene, found.parts,
                  {.say = [&](const std::string& text) { o.common.say("  " + text); },
                   .progress = [](int64_t, int64_t) { throw_if_stopping(); }});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  char text[64];
  std::snprintf(text, sizeof text, " of %zu parts in %.1f s", found.parts.size(), seconds);
  tell_of_results("joined", made, text, o);
  write_rest(found.image, found.outputs, model, o, made, seconds);
}

// They lie beside each other instead; what is made of the result is not made.
void show_as_one(const Found& found, const Model* model, const EvalOptions& o) {
  o.common.say(found.image.filename().string() + ":");
  write_vrts(found.image.string(), found.outputs.results(), model, o.factor, o.scene, found.parts,
             {.say = [&](const std::string& text) { o.common.say("  " + text); }});
}

// Their results are there. A VRT goes with the parts that it shows.
void remove_parts(const Found& found) {
  const SceneResults results = found.outputs.results();
  for (const PartNote& note : found.parts) {
    for (const std::string& result : {results.upscaled, results.bicubic, results.spread})
      if (fs::exists(note.part.name_of(result))) fs::remove(vrt_name(result));
    remove_part(results, note.part);
  }
}

class Merge {
 public:
  explicit Merge(const Options& options) : options_(options) {}

  void add(const Shards& shards) {
    EvalOptions o = options_of(shards, options_);
    const LineUp list = line_up(find_images(o.data_path, {o.img_ext}), o, shards.count);
    if (list.checksum != shards.start().scenes)
      throw Error(Error::Kind::format, o.data_path, ": its scenes have changed since the shards were run (",
                  shards.start().scenes, " then, ", list.checksum, " now); run the shards again");
    if (options_.status) tell(shards, list);
    const int64_t failed_before = failures_;
    std::optional<Model> model;
    for (size_t i = 0; i < list.images.size(); ++i) {
      throw_if_stopping();
      const Found found = find_scene(shards, list.images[i], list.parts[i], o);
      ++scenes_;
      for (const std::string& why : found.missing) miss(found.image, why);
      if (!found.missing.empty() || found.parts.empty() || options_.status) continue;
      try {
        if (!model) model = load_model(o);
        add(found, model ? &*model : nullptr, o);
      } catch (const Error& e) {
        if (e.kind() == Error::Kind::stopped) throw;
        fail(found.image, e.what());
      }
    }
    if (options_.status || options_.keep_parts || options_.vrt || failures_ > failed_before) return;
    for (const auto& [number, notes] : shards.begun) note_joined(notes.file);
  }

  int status() const {
    if (failures_ == 0)
      options_.common.say(counted(scenes_, "scene") + ": all is there");
    else if (!options_.status)
      options_.common.say(counted(failures_, "error") + ", named above");
    return failures_ > 0 ? 1 : 0;
  }

 private:
  void add(const Found& found, const Model* model, const EvalOptions& o) const {
    if (options_.vrt && !found.made) return show_as_one(found, model, o);
    if (!found.complete || (o.overwrite && found.all_parts)) join(found, model, o);
    if (!options_.keep_parts) remove_parts(found);
  }

  void tell(const Shards& shards, const LineUp& list) const {
    for (int shard = 1; shard <= shards.count; ++shard) {
      const auto notes = shards.begun.find(shard);
      const char* state = notes == shards.begun.end() ? " (not begun): "
                          : notes->second.ended       ? " (done): "
                                                      : " (begun): ";
      options_.common.say(shards.name_of(shard) + state + list.share_of(shard));
    }
  }

  // No error for who asks what is missing.
  void miss(const fs::path& image, const std::string& why) {
    if (!options_.status) return fail(image, why);
    ++failures_;
    options_.common.say("missing: " + image.filename().string() + ": " + why);
  }

  void fail(const fs::path& image, const std::string& why) {
    ++failures_;
    print_error(kName, (image.filename().string() + ": " + why).c_str());
  }

  const Options& options_;
  int64_t scenes_ = 0, failures_ = 0;
};

int run(const Options& options) {
  stop_when(&interrupted);
  std::vector<Shards> all;
  for (const std::string& path : options.paths)
    for (Shards& shards : find_shards(fs::absolute(path).string())) all.push_back(std::move(shards));
  Merge merge(options);
  for (const Shards& shards : all) merge.add(shards);
  return merge.status();
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Joins the parts of scenes that several processes of eval_superres_net have made.", sr::kName);
  app.add_option("PATH", options.paths, "folder with the results of such a run; or, of one image, the result")
      ->required();
  app.add_flag("--status", options.status, "tell what is done and what is missing; write nothing");
  app.add_flag("--vrt", options.vrt,
               "write RESULT.vrt, by which GDAL sees the parts as one, instead of RESULT; without overviews")
      ->excludes("--status");
  app.add_flag("--keep_parts", options.keep_parts, "leave the parts of which results were made");
  options.common.add_to(app);
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}

#include "tools/dry_run.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "io/counted.h"
#include "io/output_file.h"
#include "scene/choose_range.h"
#include "scene/forecast.h"
#include "tensor/error.h"
#include "tools/eval_options.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

using nlohmann::ordered_json;

std::string megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) * 1e-6);
  return text;
}

std::string time_text(double seconds) {
  char text[48];
  if (seconds < 120)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (seconds < 7200)
    std::snprintf(text, sizeof text, "%.0f min", seconds / 60);
  else
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  return text;
}

// Errors: io (the names of a result, or of what lies beside it until it is complete, are longer than its file
// system takes).
void check_length(const std::string& file, const std::string& longest_end) {
  const fs::path name = fs::path(file).filename();
  fs::path folder = fs::absolute(file).parent_path();
  std::error_code unknown;
  while (!fs::exists(folder, unknown) && folder.has_relative_path()) folder = folder.parent_path();
  const long most = ::pathconf(folder.c_str(), _PC_NAME_MAX);
  const auto length = static_cast<long>(name.string().size() + longest_end.size());
  if (most > 0 && length > most)
    throw Error(Error::Kind::io, file, ": its name, with ", longest_end,
                " behind it until it is complete, has ", length, " bytes, of which the file system takes ",
                most, "; rename the input, or choose a shorter name with --out_file");
}

void check_lengths(const SceneResults& results, const std::vector<std::string>& files, bool cog) {
  for (const std::string& file : files) {
    const bool is_tiff = file == results.upscaled || file == results.bicubic || file == results.spread;
    check_length(file, !is_tiff ? ".part" : cog ? ".blocks.part.journal" : ".part.journal");
  }
}

ordered_json window_json(const Window& w) {
  return {w.x, w.y, w.w, w.h};
}

ordered_json to_json(const PreparedScene& scene, const Forecast& found, const SceneOptions& options) {
  const TiffInfo& info = scene.reader.info();
  const TileGrid& grid = scene.plan.grid;
  ordered_json j{{"width", info.width}, {"height", info.height}, {"bands", info.bands}};
  j["sample_type"] = name_of(info.type);
  j["region"] = window_json(scene.region);
  j["colour_mode"] = scene.model ? name_of(scene.settings.mode) : "bicubic";
  j["tiles"] = {{"count", grid.size()},
                {"width", grid.tile_width},
                {"height", grid.tile_height},
                {"margin_before", grid.margin.before},
                {"margin_after", grid.margin.after}};
  j["peak_memory_bytes"] = scene.plan.peak_bytes;
  const auto known = known_ranges(scene.settings, info, scene.model, options);
  j["value_range"] = known ? ordered_json(numbers_of(known->ranges)) : ordered_json(nullptr);
  j["compression"] = name_of(options.writing.compression);
  j["result_width"] = scene.region.w * scene.settings.factor;
  j["result_height"] = scene.region.h * scene.settings.factor;
  j["result_bytes_uncompressed"] = found.result_bytes;
  j["seconds"] = found.seconds;
  j["measured_tile"] = window_json(found.measured.core);
  j["notes"] = info.notes;
  return j;
}

}  // namespace

std::string existing_folder(const std::string& folder, const std::string& option) {
  fs::path path = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  if (!fs::is_directory(path, error) || ::access(path.c_str(), W_OK | X_OK) != 0)
    throw Error(Error::Kind::io, folder, ": cannot be created or written to, for ", path.string(),
                fs::is_directory(path, error) ? " may not be written to" : " is no folder",
                "; choose another folder with ", option);
  return path.string();
}

DryRun::DryRun(const CommonOptions& common, std::string json) : common_(common), json_path_(std::move(json)) {
  if (!json_path_.empty() && json_path_ != "-") const PartialFile can_be_written(json_path_);
  json_ = {{"version", SR_VERSION}, {"device", common.description()}, {"scenes", ordered_json::array()}};
  json_["refused"] = ordered_json::array();
  json_["warnings"] = ordered_json::array();
  say(common.description());
}

void DryRun::say(const std::string& text) const {
  if (json_path_ != "-") common_.say(text);
}

void DryRun::refuse(const std::string& text) {
  ++refused_;
  print_error(kEvalName, text.c_str());
}

bool DryRun::passes(const std::function<void()>& check) {
  try {
    check();
    return true;
  } catch (const Error& e) {
    if (e.kind() == Error::Kind::stopped) throw;
    refuse(e.what());
    json_["refused"].push_back(e.what());
    return false;
  }
}

void DryRun::add(const std::string& image, const SceneResults& results, const std::vector<std::string>& files,
                 const Model* model, int factor, const SceneOptions& options) {
  ordered_json entry{{"path", image}, {"files", files}, {"refused", nullptr}};
  say(fs::path(image).filename().string() + ":");
  try {
    check_lengths(results, files, options.writing.cog);
    PreparedScene scene = prepare_scene(image, results, model, factor, options);
    const Forecast found = forecast(scene, options, !results.bicubic.empty());
    entry.update(to_json(scene, found, options));
    say("  " + description(scene));
    for (const std::string& note : scene.reader.info().notes) say("  " + note);
    if (!known_ranges(scene.settings, scene.reader.info(), scene.model, options))
      say("  value range to be measured over the scene first");
    for (const std::string& file : files) say("  would write " + file);
    bytes_ += found.result_bytes * scene.planning.results;
    seconds_ += found.seconds;
    say("  " + megabytes(found.result_bytes * scene.planning.results) + " before compression (" +
        name_of(options.writing.compression) + "), about " + time_text(found.seconds));
  } catch (const Error& e) {
    if (e.kind() == Error::Kind::stopped) throw;
    const std::string text = e.what();
    const bool named = text.find(fs::path(image).filename().string()) != std::string::npos;
    refuse(named ? text : image + ": " + text);
    entry["refused"] = text;
  } catch (const std::bad_alloc&) {
    refuse(image + ": out of memory; use a smaller --max_memory");
    entry["refused"] = "out of memory; use a smaller --max_memory";
  }
  json_["scenes"].push_back(entry);
}

int DryRun::finish(const std::string& folder) {
  std::error_code unknown;
  fs::path disk = fs::absolute(folder);
  while (!fs::exists(disk, unknown) && disk.has_relative_path()) disk = disk.parent_path();
  const auto free = static_cast<int64_t>(fs::space(disk, unknown).available);
  say("together " + megabytes(bytes_) + " before compression, about " + time_text(seconds_) + "; " +
      (unknown ? "the free space" : megabytes(free) + " free") + " in " + disk.string() +
      (unknown ? " is not known" : ""));
  if (!unknown && bytes_ > free) {
    const std::string text = "the results take " + megabytes(bytes_) + " before compression, and " +
                             disk.string() + " has " + megabytes(free) + " free: the disk may become full";
    std::fprintf(stderr, "%s: warning: %s\n", kEvalName, text.c_str());
    json_["warnings"].push_back(text);
  }
  json_["bytes_uncompressed"] = bytes_;
  json_["free_disk_bytes"] = unknown ? ordered_json(nullptr) : ordered_json(free);
  json_["seconds"] = seconds_;
  const std::string text = json_.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (json_path_ == "-")
    std::fputs(text.c_str(), stdout);
  else if (!json_path_.empty())
    write_file(json_path_, text);
  if (refused_ > 0) say("not all would be done: " + counted(refused_, "error") + ", named above");
  return refused_ > 0 ? 1 : 0;
}

}  // namespace sr

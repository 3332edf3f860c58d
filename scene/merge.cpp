#include "scene/merge.h"

#include <cmath>
#include <limits>

#include "io/json_text.h"
#include "scene/job.h"
#include "scene/scene_files.h"
#include "scene/verify.h"
#include "tensor/allocator.h"
#include "tensor/error.h"

namespace sr {
namespace {

using Json = nlohmann::ordered_json;

// The field that part_job() adds.
constexpr const char* kKernels = "kernels";

std::string for_people(const Json& value) {
  if (value.is_boolean()) return value ? "yes" : "no";
  if (value.is_string()) return value == "" ? "not given" : value.get<std::string>();
  return value.is_null() || value.empty() ? "not given" : value.dump();
}

std::string without_kernels(const std::string& part) {
  Json job = Json::parse(part);
  job.erase(kKernels);
  return job.dump();
}

SceneJobs fresh_jobs(const std::string& path, int factor, const SceneOptions& options,
                     std::span<const PartNote> notes) {
  const SceneJobs now = jobs_of(path, factor, options), then = jobs_of(notes.front());
  for (const auto line : {&SceneJobs::network, &SceneJobs::bicubic})
    if (const std::string other = difference(then.*line, now.*line); !other.empty())
      throw Error(Error::Kind::format, "its parts are stale: they and what there is now differ in ", other,
                  "; run the shards again");
  return now;
}

// Of parts that belong together.
SceneOptions with_precision(SceneOptions options, std::span<const PartNote> notes) {
  reset_pool_peak();  // what other scenes needed is not this one's
  check_together(notes);
  options.precision = Json::parse(notes.front().jobs.network).at("precision");
  return options;
}

// All blocks of the picture as one process stores them, tile by tile: with the tile that has their last
// pixel.
std::vector<int64_t> order_of_blocks(const TileGrid& tiles, int factor, int64_t side) {
  const Window region = tiles.covered();
  const int64_t width = region.w * factor, height = region.h * factor;
  const int64_t across = (width + side - 1) / side;
  // Blocks whose last pixel lies in pixels begin .. end-1 of so many.
  const auto ending_in = [&](int64_t begin, int64_t end, int64_t all) {
    return std::pair(begin / side, end == all ? (all + side - 1) / side : end / side);
  };
  std::vector<int64_t> order;
  for (int64_t i = 0; i < tiles.size(); ++i) {
    const Window fine = in_result({tiles[i].core.x * factor, tiles[i].core.y * factor,
                                   tiles[i].core.w * factor, tiles[i].core.h * factor},
                                  region, factor);
    const auto [top, bottom] = ending_in(fine.y, fine.y + fine.h, height);
    const auto [left, right] = ending_in(fine.x, fine.x + fine.w, width);
    for (int64_t row = top; row < bottom; ++row)
      for (int64_t column = left; column < right; ++column) order.push_back(row * across + column);
  }
  return order;
}

// As the parts have it, whatever this machine would choose.
void settle(PreparedScene& scene, const PartNote& note) {
  scene.plan.grid.tile_width = note.tile_width;
  scene.plan.grid.tile_height = note.tile_height;
  scene.settings.ranges = note.ranges;
  scene.settings.constant_bands = note.constant_bands;
  scene.settings.top = note.top;
}

void verify(PreparedScene& scene, const SceneResults& results, int windows, const PartNote& note,
            const SceneEvents& events) {
  const Json job = Json::parse(note.jobs.network);
  if (job.at("precision") == precision_of(scene.gpus) && job.at(kKernels) == kernels_of(scene.gpus))
    return verify_or_remove(scene, results, windows, events);
  events.say("not verified: the parts were computed in " + job.at("precision").get<std::string>() + " with " +
             job.at(kKernels).get<std::string>() + ", this machine does in " + precision_of(scene.gpus) +
             " with " + kernels_of(scene.gpus));
}

// What the parts of a scene are to be joined with.
struct Parts {
  Parts(const std::string& path, const SceneResults& results, const Model* model, int factor,
        const SceneOptions& given, std::span<const PartNote> notes)
      : options(with_precision(given, notes)),
        jobs(fresh_jobs(path, factor, options, notes)),
        scene(prepare_scene(path, results, model, factor, options)) {
    settle(scene, notes.front());
    for (const PartNote& note : notes) list.push_back(note.part);
  }

  SceneOptions options;
  SceneJobs jobs;
  PreparedScene scene;
  std::vector<PartOfScene> list;
};

}  // namespace

PartNote note_of(const PartOfScene& part, const SceneDone& done) {
  const SceneSettings& s = done.settings;
  return {part,     done.part_jobs,   done.tile_width, done.tile_height,
          s.ranges, s.constant_bands, s.top,           done.range_source};
}

SceneJobs jobs_of(const PartNote& note) {
  return {without_kernels(note.jobs.network), without_kernels(note.jobs.bicubic)};
}

std::string text_of(const PartNote& note) {
  Json json{{"part", note.part.name}};
  json["rows"] = {note.part.rows.first, note.part.rows.end};
  json["network"] = note.jobs.network;
  json["bicubic"] = note.jobs.bicubic;
  json["tiles"] = {note.tile_width, note.tile_height};
  json["ranges"] = Json::array();
  for (const ValueRange& range : note.ranges) json["ranges"].push_back({range.low, range.high});
  json["constant_bands"] = note.constant_bands;
  json["top"] = std::isfinite(note.top) ? Json(note.top) : Json(nullptr);
  json["range_source"] = note.range_source;
  return json.dump();
}

std::optional<PartNote> part_note(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    PartNote note{
        {{json.at("rows").at(0), json.at("rows").at(1)}, json.at("part")},
        {json.at("network"), json.at("bicubic")},
        json.at("tiles").at(0),
        json.at("tiles").at(1),
        {},
        json.at("constant_bands"),
        json.at("top").is_null() ? std::numeric_limits<double>::infinity() : json.at("top").get<double>(),
        json.at("range_source")};
    for (const Json& range : json.at("ranges")) note.ranges.push_back({range.at(0), range.at(1)});
    for (const std::string& job : {note.jobs.network, note.jobs.bicubic})
      if (!Json::parse(job).is_object()) return {};
    if (!Json::parse(note.jobs.network).contains("precision")) return {};
    return note;
  } catch (const Json::exception&) {
    return {};
  }
}

std::string difference(const std::string& job, const std::string& other) {
  const Json a = Json::parse(job), b = Json::parse(other);
  std::string text;
  for (const auto& [key, value] : a.items())
    if (const Json there = b.contains(key) ? b.at(key) : Json(nullptr); there != value)
      text += (text.empty() ? "" : ", ") + key + " (" + for_people(value) + "; " + for_people(there) + ")";
  return text;
}

void check_together(std::span<const PartNote> notes) {
  const PartNote& first = notes.front();
  for (const PartNote& note : notes) {
    for (const auto line : {&SceneJobs::network, &SceneJobs::bicubic})
      if (const std::string other = difference(first.jobs.*line, note.jobs.*line); !other.empty())
        throw Error(Error::Kind::format, "its parts do not belong together: ", note.part.name, " and ",
                    first.part.name, " differ in ", other, "; run one of them again, as the other");
    if (note.ranges != first.ranges || note.constant_bands != first.constant_bands || note.top != first.top)
      throw Error(Error::Kind::format, "its parts do not belong together: ", note.part.name, " and ",
                  first.part.name, " have found other value ranges; run them again");
  }
}

SceneDone merge_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                      const SceneOptions& options, std::span<const PartNote> notes,
                      const SceneEvents& events) {
  Parts parts(path, results, model, factor, options, notes);
  parts.options.resume = false;
  const PreparedScene& scene = parts.scene;
  const PartNote& note = notes.front();
  SceneFiles files(scene, results, parts.jobs, parts.options, events);
  files.open(note.jobs);
  files.take_over(parts.list, order_of_blocks(scene.plan.grid, factor, scene.planning.writing.block),
                  note.jobs);
  files.finish();
  if (scene.upscaled && options.verify_windows > 0)
    verify(parts.scene, results, options.verify_windows, note, events);
  return {scene.settings, scene.region, note.range_source, scene.plan.cache_bytes, files.made(),
          parts.jobs,     note.jobs,    note.tile_width,   note.tile_height};
}

void write_vrts(const std::string& path, const SceneResults& results, const Model* model, int factor,
                const SceneOptions& options, std::span<const PartNote> notes, const SceneEvents& events) {
  Parts parts(path, results, model, factor, options, notes);
  parts.options.resume = parts.options.keep_made = true;
  const SceneEvents nobody;
  for (const PartOfScene& part : parts.list) {
    const SceneResults names = part.names_of(results);
    parts.options.part = part;
    SceneFiles files(parts.scene, names, parts.jobs, parts.options, nobody);
    files.open(notes.front().jobs);
    if (files.want({part_of(parts.scene.region, part.rows), {}})) {
      files.keep();
      throw Error(Error::Kind::format, part.name, " is damaged; the command that wrote it mends it");
    }
    files.finish_sparse();
  }
  SceneFiles(parts.scene, results, parts.jobs, parts.options, events).write_vrts(parts.list);
}

void remove_part(const SceneResults& results, const PartOfScene& part) {
  for (const std::string& result : {results.upscaled, results.bicubic, results.spread})
    if (!result.empty()) TiffWriter::remove_unfinished(part.name_of(result));
}

}  // namespace sr

#include "tools/shard_run.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <span>
#include <sstream>

#include "io/counted.h"
#include "io/crc32c.h"
#include "io/json_text.h"
#include "scene/job.h"
#include "scene/prepare.h"
#include "tensor/error.h"
#include "tensor/stop.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

constexpr size_t kMostBytes = size_t{1} << 30;  // a million scenes

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

ShardStart start_of(const Json& json) {
  const std::string options = json.at("options");
  [[maybe_unused]] const Json is_json = Json::parse(options);
  return {{json.at("shard"), json.at("shards"), ""},
          json.at("arguments"),
          json.at("folder"),
          json.at("scenes"),
          options};
}

void take_line(ShardNotes& notes, const Json& json) {
  if (json.contains("ended") || json.contains("joined")) {
    (json.contains("ended") ? notes.ended : notes.joined) = true;
    return;
  }
  SceneNote note;
  if (json.contains("part"))
    note.part = part_note(json.at("part"));
  else if (json.contains("failed"))
    note.failed = json.at("failed");
  else
    note.made = SceneJobs{json.at("network"), json.at("bicubic")};
  notes.scenes[json.at("scene")] = note;
}

}  // namespace

LineUp line_up(const std::vector<fs::path>& images, const EvalOptions& o, int shards) {
  LineUp list{images, {}, ""};
  std::vector<SceneCost> costs;
  std::string text;
  for (const fs::path& image : images) {
    throw_if_stopping();
    const SceneCost cost = costs.emplace_back(cost_of(image.string(), o.factor, o.scene));
    text += image.filename().string() + '\n' + std::to_string(cost.rows) + ' ' +
            std::to_string(cost.columns) + ' ' + std::to_string(cost.unit) + '\n';
  }
  list.parts = sr::shares(costs, shards);
  char checksum[64];
  std::snprintf(checksum, sizeof checksum, "%zu scenes, crc32c %08" PRIx32, images.size(),
                crc32c(std::as_bytes(std::span(text))));
  list.checksum = checksum;
  return list;
}

std::string LineUp::share_of(int index) const {
  int64_t whole = 0;
  std::string rows;
  for (size_t i = 0; i < images.size(); ++i)
    for (const SharePart& part : parts[i]) {
      if (part.shard != index - 1) continue;
      if (part.rows)
        rows += ", " + text_of(*part.rows) + " of " + images[i].filename().string();
      else
        ++whole;
    }
  return std::to_string(whole) + " of " + counted(std::ssize(images), "scene") + rows;
}

std::string alike_in_all(const EvalOptions& o) {
  Json json = Json::parse(job_of("", false, o.factor, o.scene));
  json["bicubic"] = o.bicubic;
  json["bicubic_only"] = o.bicubic_only;
  json["spread"] = o.spread;
  json["preview"] = o.preview;
  json["quality_record"] = o.quality_record;
  return json.dump();
}

std::string shard_file(const std::string& results, const Shard& shard) {
  std::error_code none;
  return results + (fs::is_directory(results, none) ? "/" : ".") + shard.name() + ".jsonl";
}

ShardNotes read_shard(const std::string& file) {
  ShardNotes notes{file, {}, {}};
  std::istringstream lines(read_file(file, kMostBytes));
  try {
    std::string line;
    std::getline(lines, line);
    notes.start = start_of(Json::parse(line));
    // The last line of a killed shard may be half one.
    while (std::getline(lines, line) && !lines.eof()) take_line(notes, Json::parse(line));
  } catch (const Json::exception&) {
    throw Error(Error::Kind::format, file,
                ": it is not what a shard of eval_superres_net notes; run that shard again");
  }
  return notes;
}

void note_joined(const std::string& file) {
  AppendedFile(file).append(line_of({{"joined", true}}));
}

std::string ShardWriter::begun(const std::string& file, const ShardStart& start) {
  write_file(file, line_of({{"shard", start.shard.index},
                            {"shards", start.shard.count},
                            {"arguments", start.arguments},
                            {"folder", start.folder},
                            {"scenes", start.scenes},
                            {"options", start.options}}));
  return file;
}

ShardWriter::ShardWriter(const std::string& file, const ShardStart& start) : file_(begun(file, start)) {}

void ShardWriter::made(const std::string& scene, const SceneJobs& jobs) {
  file_.append(line_of({{"scene", scene}, {"network", jobs.network}, {"bicubic", jobs.bicubic}}));
}

void ShardWriter::made_part(const std::string& scene, const PartNote& note) {
  file_.append(line_of({{"scene", scene}, {"part", text_of(note)}}));
}

void ShardWriter::failed(const std::string& scene, const std::string& why) {
  file_.append(line_of({{"scene", scene}, {"failed", why}}));
}

void ShardWriter::ended() {
  file_.append(line_of({{"ended", true}}));
}

}  // namespace sr

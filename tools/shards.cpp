#include "tools/shards.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <regex>
#include <utility>

#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

void check_alike(const Shards& shards) {
  const ShardStart& first = shards.start();
  for (const auto& [number, notes] : shards.begun) {
    const std::string both = shards.name_of(first.shard.index) + " and " + shards.name_of(number);
    if (const std::string other = difference(first.options, notes.start.options); !other.empty())
      throw Error(Error::Kind::format, notes.file, ": ", both, " were run with different ", other,
                  "; run one of them again, as the other");
    if (notes.start.scenes != first.scenes)
      throw Error(Error::Kind::format, notes.file, ": ", both, " have found different scenes (", first.scenes,
                  "; ", notes.start.scenes, "); run the shards again");
  }
}

// NAME.shard-1-of-5.jsonl, without a name where a whole folder was enlarged.
struct FileName {
  std::string name;
  int shard = 0, count = 0;
};

std::optional<FileName> parsed(const std::string& file) {
  static const std::regex kFile("(?:(.*)\\.)?shard-([0-9]{1,7})-of-([0-9]{1,7})\\.jsonl");
  std::smatch match;
  if (!std::regex_match(file, match, kFile)) return {};
  return FileName{match[1], std::stoi(match[2]), std::stoi(match[3])};
}

bool is_joined(const Shards& run) {
  return std::ranges::all_of(run.begun, [](const auto& shard) { return shard.second.joined; });
}

fs::file_time_type last_noted(const Shards& run) {
  fs::file_time_type last = fs::file_time_type::min();
  for (const auto& [number, notes] : run.begun) {
    std::error_code none;
    last = std::max(last, fs::last_write_time(notes.file, none));
  }
  return last;
}

// Of runs with the same results, each with another number of shards, that one which is not done; if all are,
// the last.
Shards current(std::vector<Shards> runs, const std::string& path) {
  if (std::ranges::all_of(runs, is_joined)) return *std::ranges::max_element(runs, {}, last_noted);
  std::erase_if(runs, is_joined);
  if (runs.size() > 1)
    throw Error(Error::Kind::format, path, ": there are shards of ", runs[0].count, " and of ", runs[1].count,
                "; remove the files of those that are not wanted, *shard-*-of-", runs[0].count,
                ".* or *shard-*-of-", runs[1].count, ".*");
  return std::move(runs.front());
}

}  // namespace

std::string Shards::name_of(int shard) const {
  return "shard " + std::to_string(shard) + " of " + std::to_string(count);
}

const SceneNote* Shards::note(int shard, const std::string& scene) const {
  const auto notes = begun.find(shard);
  if (notes == begun.end()) return nullptr;
  const auto note = notes->second.scenes.find(scene);
  return note == notes->second.scenes.end() ? nullptr : &note->second;
}

std::string Shards::why_missing(const SharePart& part, const std::string& scene) const {
  const int shard = part.shard + 1;
  const std::string which = name_of(shard) + (part.rows ? " (" + text_of(*part.rows) + ")" : "");
  if (!begun.contains(shard)) return which + " has not begun";
  if (const SceneNote* known = note(shard, scene); known && !known->failed.empty())
    return which + " has failed: " + known->failed;
  return which +
         (begun.at(shard).ended ? " was done, but what it made is gone or is of something else"
                                : " has not done it") +
         "; run that shard again";
}

std::vector<Shards> find_shards(const std::string& path) {
  std::error_code error;
  const bool all = fs::is_directory(path, error);
  const fs::path folder = all ? fs::path(path) : fs::path(path).parent_path();
  std::map<std::string, std::map<int, Shards>> runs;  // by name and count
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const auto file = parsed(entry.path().filename().string());
    if (!file || (!all && file->name != fs::path(path).filename())) continue;
    Shards& run = runs[file->name][file->count];
    run.count = file->count;
    run.results = file->name.empty() ? folder.string() : (folder / file->name).string();
    run.begun.emplace(file->shard, read_shard(entry.path().string()));
  }
  if (error) throw Error(Error::Kind::io, path, ": cannot be read: ", error.message());
  if (runs.empty())
    throw Error(Error::Kind::io, path,
                ": no shard has begun here; want the folder to which eval_superres_net --shard writes "
                "results, or the result of one image");
  std::vector<Shards> list;
  for (auto& [name, counts] : runs) {
    std::vector<Shards> of_name;
    for (auto& [count, run] : counts) of_name.push_back(std::move(run));
    check_alike(list.emplace_back(current(std::move(of_name), path)));
  }
  return list;
}

}  // namespace sr

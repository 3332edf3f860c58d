// The shards of a run as they are found on disk.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/shard_run.h"

namespace sr {

/// Those that have begun, and what each has noted.
struct Shards {
  int count = 0;
  std::string results;              ///< as shard_file() has it
  std::map<int, ShardNotes> begun;  ///< by number, from 1

  const ShardStart& start() const { return begun.begin()->second.start; }
  /// "shard 2 of 5"
  std::string name_of(int shard) const;
  /// What the shard has noted of a scene; nullptr if nothing.
  const SceneNote* note(int shard, const std::string& scene) const;
  /// Why a part of a scene is not there, for people.
  std::string why_missing(const SharePart& part, const std::string& scene) const;
};

/// The runs whose results lie in that folder (absolute); or the one whose result is, or will be, that file.
/// Errors: io (no shard has begun there); format (shards of 3 and of 5, or that were run with other options
/// or have found other scenes).
std::vector<Shards> find_shards(const std::string& path);

}  // namespace sr

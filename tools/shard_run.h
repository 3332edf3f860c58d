// What several processes make of a list of scenes together: who takes what, and what each notes of it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/output_file.h"
#include "scene/merge.h"
#include "scene/shares.h"
#include "tools/eval_options.h"
#include "tools/shard_option.h"

namespace sr {

/// The scenes of a run in their order, and who takes what of each: the same for every process.
struct LineUp {
  std::vector<std::filesystem::path> images;
  std::vector<std::vector<SharePart>> parts;  ///< of each image
  std::string checksum;                       ///< of names and sizes

  /// "2 of 9 scenes, and rows 0 to 511 of b.tif"
  std::string share_of(int index) const;
};

/// Errors: stopped.
LineUp line_up(const std::vector<std::filesystem::path>& images, const EvalOptions& o, int shards);

/// How a run was started: all that the others, and superres_merge, must find the same.
struct ShardStart {
  Shard shard;
  std::vector<std::string> arguments;  ///< of eval_superres_net
  std::string folder;                  ///< in which it ran
  std::string scenes;                  ///< LineUp::checksum
  std::string options;                 ///< alike_in_all()
};

/// What must be the same in all shards of a run: job_of() without an input, and which files are made.
std::string alike_in_all(const EvalOptions& o);

/// What a shard has noted of a scene.
struct SceneNote {
  std::optional<SceneJobs> made;  ///< its results are there
  std::optional<PartNote> part;   ///< the shard's rows are done
  std::string failed;             ///< why not
};

/// A shard's file: lines of JSON, the first says how it was started, each further one what became of a scene.
struct ShardNotes {
  std::string file;
  ShardStart start;
  std::map<std::string, SceneNote> scenes;  ///< by name; of several lines the last
  bool ended = false;                       ///< it has come to all of its scenes
  bool joined = false;                      ///< and the run's results are all there
};

/// Of one run: DATA_PATH's results, a folder or one file, are RESULTS.
std::string shard_file(const std::string& results, const Shard& shard);

/// Errors: io; format (no such file as a shard writes).
ShardNotes read_shard(const std::string& file);

/// Notes in a shard's file that all results of its run are there. Errors: io.
void note_joined(const std::string& file);

/// Writes such a file. Every line is there for others at once.
class ShardWriter {
 public:
  /// Begins it anew. Errors: io, as the others.
  ShardWriter(const std::string& file, const ShardStart& start);

  void made(const std::string& scene, const SceneJobs& jobs);
  void made_part(const std::string& scene, const PartNote& note);
  void failed(const std::string& scene, const std::string& why);
  void ended();

 private:
  static std::string begun(const std::string& file, const ShardStart& start);

  AppendedFile file_;
};

}  // namespace sr

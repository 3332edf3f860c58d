// One scene from file to file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/tiff/output/writer.h"
#include "scene/pipeline.h"
#include "scene/provenance.h"
#include "scene/region.h"
#include "scene/shares.h"

namespace sr {

/// What of a palette image is enlarged.
enum class PaletteUse {
  rgb,  ///< its colours, as a picture
  copy  ///< its indices, by repeating them
};

/// Where the results go; an empty name = not wanted.
struct SceneResults {
  std::string upscaled;  ///< bicubic + network
  std::string bicubic;   ///< without the network
  std::string spread;    ///< of the upscaled one, with self_ensemble: spread.h
};

/// What is computed of a scene that several processes share.
struct PartOfScene {
  Rows rows;         ///< of the region
  std::string name;  ///< of the part
  /// "out/a.NAME.tif" of "out/a.tif": where it lies, as .part, until it is joined with others. "" of "".
  std::string name_of(const std::string& result) const;
  /// Of all of them.
  SceneResults names_of(const SceneResults& results) const;
};

/// How a scene is enlarged and its results are written.
struct SceneOptions {
  ValueRanges value_ranges;           ///< one or one for each band without alpha; none: see choose_ranges()
  bool measure_range = false;         ///< over the scene, whatever sample type and model say
  std::optional<ColourMode> mode;     ///< none: scene_settings() chooses
  std::vector<int> copy_bands;        ///< from 1: they are no picture, their samples are repeated
  std::optional<PaletteUse> palette;  ///< else colours, but a palette that looks like classes is refused
  Origin origin;                      ///< for the result's metadata
  TiffWriterOptions writing = {};     ///< of the results; block and threads are chosen for the scene
  std::optional<int> alpha;           ///< the band (from 0) that is alpha, or kNoAlpha; else as GDAL finds it
  int64_t max_memory_bytes = int64_t{2} << 30;  ///< of the whole program
  int num_tiles_w = 0;                          ///< cut the width in so many tiles; 0 = as memory allows
  int num_tiles_h = 0;                          ///< and the height
  std::vector<int> gpus;                        ///< numbers of the GPUs that compute; none: the processor
  bool self_ensemble = false;  ///< the mean of eight flips and rotations, eight times the work
  bool resume = false;  ///< goes on with what an earlier run of the same input, weights and options has left
  bool keep_made = false;  ///< and leaves results that such a run has completed. Both want origin.weights
  Region region;           ///< of the scene that is enlarged
  std::optional<PartOfScene> part;  ///< only these rows are computed, for merge_scene(); none: all of them
  std::string precision;            ///< that the network has computed in; empty: precision_of(gpus)
  bool quality = false;             ///< memory is left for measure_quality()
  int verify_windows = 0;           ///< recompute so many windows afterwards and compare with the file
};

/// What happens on the way, for programs that tell people.
struct SceneEvents {
  /// A line for people.
  std::function<void(const std::string& text)> say = [](const std::string&) {};
  /// Coarse pixels done of all; may throw to stop the run.
  std::function<void(int64_t done, int64_t all)> progress = [](int64_t, int64_t) {};
};

/// What results are made of, each in one line (scene/job.h): the network's, and the bicubic one.
struct SceneJobs {
  std::string network;  ///< of the upscaled result and of its spread
  std::string bicubic;  ///< of the other
};

/// What was decided for a scene.
struct SceneDone {
  SceneSettings settings = {};  ///< how its samples met the model
  Window region = {};           ///< of the scene that was enlarged
  std::string range_source =
      {};                   ///< where the value range comes from, for people; empty: the sample type's own
  int64_t cache_bytes = 0;  ///< that readers of the results may keep
  std::vector<std::string> made = {};  ///< the results that were not complete before
  SceneJobs jobs = {};                 ///< of the results
  SceneJobs part_jobs = {};            ///< part_job() of each
  int64_t tile_width = 0;              ///< of the tiles that were planned
  int64_t tile_height = 0;             ///< likewise
  bool was_there = false;              ///< all results were complete before: nothing else is set but `jobs`
};

/// Reads `path`, enlarges it by `factor` and writes the results with all tags. The upscaled one needs a model
/// of that factor. Nothing stays under a result's name unless it is complete (and verified, if asked for).
/// What a stop or a full disk leaves unfinished stays as RESULT.part (a COG's as RESULT.blocks.part), for a
/// run with `resume`; the error says so; so does what is made of a part of the scene. Errors: those of
/// TiffReader and TiffWriter; unsupported (a map of classes, see PaletteUse); usage (see scene_settings);
/// limit (max_memory is too small).
SceneDone upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                        const SceneOptions& options, const SceneEvents& events = {});

}  // namespace sr

// A scene whose parts several processes have computed, made one result.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scene/prepare.h"
#include "scene/scene.h"

namespace sr {

/// What a process notes of its part of a scene, for who joins them.
struct PartNote {
  PartOfScene part;
  SceneJobs jobs;          ///< SceneDone::part_jobs
  int64_t tile_width = 0;  ///< of SceneDone
  int64_t tile_height = 0;
  ValueRanges ranges;  ///< of SceneSettings, like the next two
  std::vector<int> constant_bands;
  double top = 0;
  std::string range_source;  ///< of SceneDone
};

PartNote note_of(const PartOfScene& part, const SceneDone& done);

/// Of the whole scene.
SceneJobs jobs_of(const PartNote& note);

/// As one line of JSON.
std::string text_of(const PartNote& note);

/// Nothing if the text is no such line.
std::optional<PartNote> part_note(const std::string& text);

/// Names of the jobs' fields that differ, with what each has; "" if none does.
std::string difference(const std::string& job, const std::string& other);

/// Errors: format (parts of a scene that were made of another input, weights, options or value ranges than
/// the first: says which and in what).
void check_together(std::span<const PartNote> notes);

/// Joins parts that upscale_scene() has left with the same arguments but `part`: the results are, byte for
/// byte, those that it writes of the whole scene on a machine that plans tiles as that of the first part has.
/// No block is decoded and nothing computed but, if asked for and where the processor can, the windows to
/// verify. The parts stay. Errors: format (parts that do not belong together, are not whole or damaged; a
/// scene, weights or options that are not those they were made with), and those of upscale_scene().
SceneDone merge_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                      const SceneOptions& options, std::span<const PartNote> notes,
                      const SceneEvents& events = {});

/// Makes RESULT.vrt instead, for GDAL, which shows the parts as the whole picture: they become sparse TIFFs
/// of their own, without overviews, and can still be joined. Errors: as merge_scene().
void write_vrts(const std::string& path, const SceneResults& results, const Model* model, int factor,
                const SceneOptions& options, std::span<const PartNote> notes, const SceneEvents& events = {});

/// Removes what is left of a part when its results are made. Errors: io.
void remove_part(const SceneResults& results, const PartOfScene& part);

}  // namespace sr

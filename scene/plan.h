// How a scene is cut and how much of its file is kept, so that the whole program stays below a limit of
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "io/tiff/output/writer.h"
#include "scene/tile/tile.h"

namespace sr {

constexpr int64_t kProgramBytes = int64_t{32} << 20;  ///< code, libraries, what the allocator keeps
constexpr int64_t kVerifySide = 48;  ///< of the windows that are computed anew, with twice the margin

/// Side of a block of the result: 256, of a COG 512 (as GDAL's), or so much less that a block takes at most
/// 16 MB (or 16).
int result_block(const TiffInfo& info, const TiffWriterOptions& writing);

struct PlanOptions {
  Window region{};  ///< of the scene; empty: all of it
  int64_t max_memory_bytes = int64_t{2} << 30;
  int num_tiles_w = 0, num_tiles_h = 0;  ///< cut the width and height in so many tiles; 0 = as memory allows
  size_t gpus = 0;                       ///< that compute; 0 = the processor
  int64_t gpu_bytes = std::numeric_limits<int64_t>::max();  ///< of a GPU's memory, for one tile
  int results = 1;                                          ///< files that are written
  TiffWriterOptions writing = {};                           ///< of each of them
  bool verify = false;                                      ///< windows are computed anew in the end
  bool quality = false;                                     ///< the result is compared with the scene
};

struct ScenePlan {
  TileGrid grid;
  int64_t cache_bytes = 0;  ///< for TiffReader::set_cache_limit
  int64_t gpu_bytes = 0;    ///< of a GPU's memory, for one tile; 0 = there is none
  int64_t peak_bytes = 0;   ///< of the whole program, estimated from above
};

/// What it takes to bring the tiles' samples here and to take them away, beside the windows themselves.
struct StreamMemory {
  int64_t reading = 0;       ///< but for a cache
  int64_t most_reading = 0;  ///< the same where there is more memory, for who asks how much would do
  bool has_cache = false;    ///< a share of the memory is set aside for it
  /// The cache that keeps so many rows, so that each is decoded once.
  std::function<int64_t(int64_t rows)> cache_of_rows = [](int64_t) { return int64_t{0}; };
  /// What writing takes for cores of this size.
  std::function<int64_t(int64_t w, int64_t h)> writing = [](int64_t, int64_t) { return int64_t{0}; };
};

/// Memory that each thread which computes on these GPUs may take there: all get as much as the fullest GPU
/// has. Without GPUs there is no limit. Errors: device.
int64_t gpu_bytes_per_tile(const std::vector<int>& gpus);

/// The tiles with the least to compute, margins included, that fit the memory, but none larger than is worth
/// it; cores are whole blocks of the result (or halves, quarters, ... of one if memory is short). Numbers of
/// tiles that were asked for are kept if they fit. Of a scene larger than a tile, only the list of its blocks
/// and its strips in decoding take more memory than of a smaller one. Errors: limit (even the smallest tile
/// wants more).
ScenePlan plan_tiles(const TiffInfo& info, const StreamMemory& streams, const Model* model,
                     const SceneSettings& settings, const PlanOptions& options);

/// Of a scene that is read from a file, whose results are written to files.
ScenePlan plan_scene(const TiffReader& reader, const Model* model, const SceneSettings& settings,
                     const PlanOptions& options);

}  // namespace sr

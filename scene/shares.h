// What each of several processes takes of a list of scenes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/raster.h"

namespace sr {

/// Coarse pixels of a scene (of the region that is enlarged), and where it may be cut.
struct SceneCost {
  int64_t rows = 0;                                  ///< 0: it cannot be opened
  int64_t columns = 0;                               ///< of each row
  int64_t unit = 1;                                  ///< rows that make whole blocks of the result
  int64_t pixels() const { return rows * columns; }  ///< what it costs
};

/// Rows of a scene's region that one process computes.
struct Rows {
  int64_t first = 0;                             ///< of the region
  int64_t end = 0;                               ///< the one behind the last
  int64_t count() const { return end - first; }  ///< how many
  bool operator==(const Rows&) const = default;  ///< the same rows
};

/// What a process takes of a scene.
struct SharePart {
  int shard = 0;             ///< the process, from 0
  std::optional<Rows> rows;  ///< of a scene that several share; none: all of it
};

/// Shares out scenes among so many processes, by their cost, in their order: every process that has the same
/// list knows what all others take. For each scene its parts, from top to bottom: a scene of more than a
/// quarter of a share is cut between rows of blocks, another one is taken whole.
std::vector<std::vector<SharePart>> shares(const std::vector<SceneCost>& scenes, int shards);

/// "rows 0 to 511"
std::string text_of(const Rows& rows);

/// Of a scene's region, the part that those rows are.
Window part_of(const Window& region, const Rows& rows);

}  // namespace sr

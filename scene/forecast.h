// What enlarging a scene will take, found by computing one tile of it.
#pragma once

#include "scene/prepare.h"

namespace sr {

struct Forecast {
  int64_t result_bytes = 0;  ///< of each result, not compressed
  double seconds = 0;        ///< of computing and compressing, if no tile is empty or uniform
  Tile measured;             ///< the tile that was computed
};

/// Computes and compresses one tile for its time (on the processor, a small one if the plan's are larger) and
/// writes nothing. Errors: those of reading, computing and compressing.
Forecast forecast(PreparedScene& scene, const SceneOptions& options, bool with_bicubic);

}  // namespace sr

// Which tiles are trained on and which validate.
#pragma once

#include <cstdint>
#include <vector>

#include "io/raster.h"

namespace sr {

/// A tile that could become a record.
struct PlannedTile {
  int32_t source = 0;
  bool scaled = false;            ///< the window is larger than the tile and will be shrunk
  Window window;                  ///< of the source
  int64_t width = 0, height = 0;  ///< of the tile
};

struct SplitOptions {
  int64_t num_data_per_file = 250;
  bool shuffle = true;
  uint64_t seed = 1;
  bool split_by_scene = false;
  int symmetries = 1;  ///< 8: each training tile under every flip and rotation
};

/// A record to make: a tile under a symmetry.
struct SplitItem {
  int64_t tile = 0;
  int symmetry = 0;
};

struct Split {
  std::vector<SplitItem> training;    ///< in the order of the record files
  std::vector<SplitItem> validation;  ///< unscaled tiles as they are
  std::vector<int64_t> left_out;      ///< tiles in neither: their ground is validation ground
};

/// Takes a tenth of the unscaled tiles for validation: at least one, at most one record file's worth; the
/// last ones without shuffling. A scaled tile that shares ground with one of them is left out.
/// `split_by_scene` takes whole sources until a tenth is reached and leaves out what is more than a record
/// file's worth. Errors: usage (fewer than two tiles, or two sources, to divide).
Split split_tiles(const std::vector<PlannedTile>& tiles, const SplitOptions& options);

}  // namespace sr

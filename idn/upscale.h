// A whole scene, tile by tile: read ahead | compute | compress and write, each in a thread of its own.
#pragma once

#include <functional>

#include "idn/upscale_tile.h"

namespace sr {

/// Where tiles come from and go to. read and write are each called from one thread, not the same one; tiles
/// come in the grid's order. progress is called after each tile with the coarse pixels done, from the
/// caller's thread; it may throw to stop the run.
struct UpscaleStreams {
  std::function<Raster(const Window&)> read;
  std::function<void(FineTile)> write;
  std::function<void(int64_t pixels_done)> progress = [](int64_t) {};
};

/// Runs all tiles through upscale_tile, those of the same pixel all over only once. An exception of any stage
/// ends the others and comes out here.
void upscale(const Model* model, const SceneSettings& settings, const TileGrid& grid, bool with_bicubic,
             const UpscaleStreams& streams);

/// Read windows that are in memory at once: one being read, one waiting, one being computed; fine tiles
/// likewise, and the last uniform ones: in a row of tiles the first, those between and the last differ.
constexpr int kWindowsInFlight = 3;
constexpr int kUniformTiles = 3;

}  // namespace sr

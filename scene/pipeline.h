// A whole scene, tile by tile: read ahead | compute | compress and write, each in a thread of its own.
#pragma once

#include <functional>
#include <vector>

#include "scene/tile/tile.h"

namespace sr {

/// Where tiles come from and go to. read and write are each called from one thread, not the same one; tiles
/// come in the grid's order, those that are wanted: it is asked of each before the first is read. progress is
/// called after each tile with the coarse pixels done, from the caller's thread; it may throw to stop the
/// run.
struct UpscaleStreams {
  std::function<Raster(const Window&)> read;
  std::function<void(FineTile&)> write;
  std::function<void(int64_t pixels_done)> progress = [](int64_t) {};
  std::function<bool(const Tile&)> wanted = [](const Tile&) { return true; };
};

/// Runs the wanted tiles through upscale_tile, those of the same pixel all over only once; on the processor,
/// or shared out among GPUs by their numbers. An exception of any stage ends the others and comes out here.
void upscale(const Model* model, const SceneSettings& settings, const TileGrid& grid, bool with_bicubic,
             const UpscaleStreams& streams, const std::vector<int>& gpus = {});

/// Threads that compute tiles on one GPU, each with a stream of its own: while one computes, another's
/// numbers come and go.
constexpr int kThreadsPerGpu = 2;

/// Tiles that are in memory at once: read windows (being read, waiting, being computed) and fine tiles
/// likewise, uniform ones that are kept and memory for the next ones of a GPU included.
struct TilesInFlight {
  int windows, fine;
};
TilesInFlight tiles_in_flight(size_t gpus);

}  // namespace sr

// How a scene is cut so that the pieces, each computed by itself, are the whole to the last bit.
#pragma once

#include <cstdint>

#include "io/raster.h"
#include "layers/reach.h"

namespace sr {

/// One piece of a scene, in coarse pixels.
struct Tile {
  Window core;  ///< the pixels it answers for
  Window read;  ///< core and its margin, cut where the scene ends
};

/// Rows of equal tiles from the region's upper left corner; the last of a row or column may be smaller.
/// A tile is exact because every value of its core sees the same input as in the whole scene: within the
/// margin the scene's own pixels, beyond the scene's border the network's zero padding.
struct TileGrid {
  int64_t width = 0;        ///< of the scene
  int64_t height = 0;       ///< of the scene
  int64_t tile_width = 0;   ///< of a core
  int64_t tile_height = 0;  ///< of a core
  Reach margin;             ///< around a core
  Window region{};          ///< what the cores cover; empty: the whole scene

  /// What the cores cover.
  Window covered() const { return region.pixels() > 0 ? region : Window{0, 0, width, height}; }
  int64_t columns() const { return (covered().w + tile_width - 1) / tile_width; }  ///< of tiles
  int64_t rows() const { return (covered().h + tile_height - 1) / tile_height; }   ///< of tiles
  int64_t size() const { return columns() * rows(); }                              ///< all tiles
  /// Row by row.
  Tile operator[](int64_t index) const;
};

/// `core` with its margin, cut at the border of a width x height scene.
Tile tile_around(const Window& core, int64_t width, int64_t height, const Reach& margin);

}  // namespace sr

// How far the network's answers for the eight flips and rotations of a tile lie apart, as a picture beside
// the result.
#pragma once

#include "io/tiff/output/writer.h"
#include "scene/tile/nodata.h"
#include "scene/tile/tile.h"

namespace sr {

/// A band for each colour band that the network answers for by itself; one for luma.
int spread_bands(const SceneSettings& settings);

/// What its file says of itself: the result's grid, float32, NaN for no data.
TiffInfo spread_info(const TiffInfo& fine, const SceneSettings& settings);

/// How its file is stored: as the result's, but floats are neither JPEG's nor to be changed.
TiffWriterOptions spread_writing(const TiffWriterOptions& writing);

/// An empty one: NaN all over.
Raster no_spread(const Window& fine_window, const SceneSettings& settings);

/// Sets bands `band` .. of the core's spread to the standard deviations, in sample units, of what lies in
/// `shift` and `squares` (ensemble_residual()) of the tile's read window; `gain` of them comes to the
/// samples. Each tensor has one band in each image, or several in its channels.
void set_spread(Raster& spread, int band, const Tensor& shift, const Tensor& squares, const Tile& tile,
                const SceneSettings& settings, double gain);

/// NaN where the result has no data: `invalid` belongs to `coarse`; nothing happens if it is empty.
void hide_spread(Raster& spread, const Raster& coarse, const Invalid& invalid, const SceneSettings& settings);

}  // namespace sr

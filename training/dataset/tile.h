// From the samples of an image to one tile of training data.
#pragma once

#include <string>
#include <vector>

#include "idn/model.h"
#include "io/formats/records.h"
#include "io/raster.h"
#include "io/tiff/input/reader.h"
#include "scene/tile/tile.h"

namespace sr {

/// How tiles are stored.
struct TileForm {
  int factor = 2;
  ColourMode mode = ColourMode::per_band;
  LumaConvention luma = LumaConvention::full;
  int bands = 1;  ///< stored: 1 for luma, else the colour bands
  SampleType type = SampleType::u8;
  ValueRanges ranges = {{}};  ///< of the stored bands
  bool unrounded = false;     ///< down and bic_up as floats, as the literature's protocol has them

  /// Type of down and bic_up: `type`, or f32 if unrounded (f64 for types of more than 24 bits).
  SampleType shrunk_type() const;
};

/// Tiles that cover a picture of width x height: in rows from above, those at the right and lower edge moved
/// inwards, so that all are of full size and no pixel is left out. A side shorter than the tile's is taken
/// whole, less what is over a multiple of the factor. Tile sides are multiples of the factor. Empty if a side
/// is shorter than the factor.
std::vector<Window> tile_windows(int64_t width, int64_t height, int64_t tile_w, int64_t tile_h, int factor);

/// The bands of an image that are trained on: all but alpha.
std::vector<int> colour_bands(const TiffInfo& info);

/// What is stored of an image's samples: its colour bands, or their luma rounded to the sample type. One band
/// in luma mode is taken as luma.
Raster stored_samples(const Raster& raster, const std::vector<int>& bands, const TileForm& form);

/// Resized to w x h (bicubic_resize) in the sample type: a picture of the same ground taken from farther
/// away.
Raster resized(const Raster& raster, int64_t w, int64_t h, const ValueRanges& ranges);

/// Seen under one of the eight symmetries (training/dataset/symmetry.h). The window's place stays.
Raster turned(const Raster& raster, int symmetry);

/// The record of a tile, an image of its own: gt shrunk by the factor, and enlarged again from what is
/// stored.
TileRecord degraded(Raster gt, const TileForm& form);

/// The record of a real pair: `down` is another sensor's image of gt's ground.
TileRecord paired(Raster gt, Raster down, const TileForm& form);

/// A picture to look at, 8 bits: the truth, its shrunk and enlarged version, and four times their difference
/// on grey, side by side. The first three bands, or the first.
Raster record_picture(const TileRecord& record, const ValueRanges& ranges);

}  // namespace sr

// Bands that are no picture (classes, flags, numbers): they take no part in anything, their samples are
// repeated.
#pragma once

#include <vector>

#include "io/raster.h"
#include "io/tiff/input/reader.h"

namespace sr {

/// From 0, ascending, each once.
using BandList = std::vector<int>;

/// The bands that were asked for by numbers from 1, or all of a palette's indices. Errors: usage (the picture
/// has no such band, or it is alpha).
BandList copied_bands(const TiffInfo& info, const std::vector<int>& numbers);

/// The band of the file that is this one of the rest.
int file_band(int band, const BandList& copied);

/// What the rest of the bands are a picture of; none may be left.
TiffInfo without_bands(const TiffInfo& info, const BandList& copied);

/// The samples of the other bands, with the mask.
Raster without_bands(const Raster& raster, const BandList& copied);

/// All bands on the fine grid: those of `picture`, which has the others, and between them the samples of
/// `coarse`, each on the factor x factor fine pixels that it covers. `picture.window` is a fine window inside
/// coarse.window * factor.
Raster with_copied_bands(const Raster& picture, const Raster& coarse, const BandList& copied, int factor);

}  // namespace sr

// Overviews: a picture shrunk by two again and again, block by block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/raster.h"
#include "io/tiff/input/reader.h"

namespace sr {

struct PictureSize {
  int64_t width = 0, height = 0;
};

/// The sizes of a picture's overviews, largest first: sides are halved and rounded down, as GDAL's COG driver
/// does, until both fit into a block.
std::vector<PictureSize> overview_sizes(int64_t width, int64_t height, int64_t block);

/// How the pixels of an overview come from those of the picture before it.
struct OverviewRule {
  std::optional<double> nodata = {};
  std::optional<int> alpha_band = {};
  bool premultiplied = false;          ///< the colours are: transparent pixels are black, and count
  std::vector<int> copied_bands = {};  ///< classes: a sample of the picture, never a mean
};

OverviewRule overview_rule(const TiffInfo& info, const std::vector<int>& copied_bands);

/// Which pixels of an overview of size `page` those of the window, which begins at even coordinates, become;
/// empty if they are an odd last row or column alone.
Window halved(const Window& fine, const PictureSize& page);

/// Every pixel the mean of 2 x 2 of `fine`, rounded half away from zero. What is no picture is left out:
/// no-data, NaN and floats beyond 1e30, masked pixels, and from colours, pixels whose alpha is 0. Copied
/// bands take the first sample that is picture, in reading order. Where nothing is, the first sample stays.
/// The mask is 0 where it is 0 for all of them. A mean that would be no-data takes the value beside it.
/// `fine` begins at even coordinates; the result lies in an overview of size `page`, and has no pixels if
/// `fine` is an odd last row or column alone.
Raster halved(const Raster& fine, const OverviewRule& rule, const PictureSize& page);

}  // namespace sr

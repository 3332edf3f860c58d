// A picture for people: the input enlarged by bicubic interpolation beside the result.
#pragma once

#include <string>

#include "idn/model.h"
#include "io/raster.h"
#include "scene/region.h"

namespace sr {

/// Side by side, with a white gap between: left the same ground of `coarse_path` enlarged bicubically, right
/// `fine_path` with that region of it, both cut from its middle to at most `side` fine pixels. 8-bit grey or
/// RGB (first three bands); other types are stretched between the 1st and 99th percentile of the cut. Errors:
/// as TiffReader.
Raster side_by_side(const std::string& coarse_path, const std::string& fine_path, int factor, int64_t side,
                    const Region& region = {});

}  // namespace sr

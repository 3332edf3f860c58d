// Pictures of one pixel all over: sea, collars, blocks that a file leaves out.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "io/raster.h"

namespace sr {

/// The bytes of the one pixel, and of its mask if there is one, that the raster is made of; nothing if its
/// pixels differ or it has none.
std::optional<std::vector<std::byte>> only_pixel(const Raster& raster);

}  // namespace sr

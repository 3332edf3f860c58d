// Warnings of decoders: which of them cost pixels.
#pragma once

#include <cstdint>
#include <string>

#include "io/tiff/file.h"
#include "io/tiff/input/layout.h"

namespace sr {

/// Looks at a block whose decoding has left file.warnings(): what of its pixels is lost, or an empty text if
/// they are as they were stored. `w` and `h` are what of the block lies in the page. Errors: io.
std::string lost_data(TiffFile& file, const TiffLayout& layout, uint32_t block, int64_t w, int64_t h);

}  // namespace sr

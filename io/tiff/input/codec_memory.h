// What decoders of single blocks take by themselves.
#pragma once

#include <cstdint>

#include "io/tiff/file.h"
#include "io/tiff/input/layout.h"

namespace sr {

/// Memory that the codec takes at most for a block beside its compressed bytes and the rows that it hands
/// out. The first block that is there tells of all. Errors: io.
int64_t codec_memory(TiffFile& file, const TiffLayout& layout);

}  // namespace sr

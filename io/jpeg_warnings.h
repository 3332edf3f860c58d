// Which of libjpeg's warnings cost pixels.
#pragma once

struct jpeg_decompress_struct;

namespace sr {

/// Whether the warning of which libjpeg tells just now may mean that pixels are missing or wrong. Stray bytes
/// between markers, header fields out of range that the decoder does not use, and unknown versions do no
/// harm; nor does a missing end marker alone, where the decoder would also tell of samples that it lacks.
bool loses_pixels(const jpeg_decompress_struct& jpeg);

}  // namespace sr

// Ordinary pictures (BMP, PNG, JPEG) as a whole, for test images and previews.
#pragma once

#include <string>

#include "io/raster.h"

namespace sr {

/// The whole picture: 1 (grey), 2 (grey + alpha), 3 (RGB) or 4 (RGBA) bands of u8, or u16 for 16-bit PNG.
/// Palettes are expanded: to grey if all their colours are, else to RGB. `warning` takes what a decoder has
/// warned of although no pixel is lost, if anything. Errors: io, format (truncated,
/// corrupted or foreign file), unsupported (a rare variant of the three formats), limit (more than 2^28
/// pixels).
Raster read_picture(const std::string& path, std::string* warning = nullptr);

/// The bytes of a PNG file of u8 with 1 to 4 bands. Errors: unsupported, limit (2^30 bytes).
std::string encode_png(const Raster& picture);

/// Writes them under a temporary name first. Errors: as encode_png; io.
void write_png(const std::string& path, const Raster& picture);

}  // namespace sr

// Samples as libtiff decodes them (packed bits, half floats, palette indices) turned into SampleType.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/raster.h"

namespace sr {

/// How the samples of a file are coded and what they become. One stored palette index becomes three samples.
struct SampleCoding {
  int bits = 8;                      ///< of a stored sample
  bool half_float = false;           ///< 16-bit IEEE floats
  SampleType type = SampleType::u8;  ///< of a sample handed out
  bool codes = false;                ///< 1 to 7 bits are handed out as they are, not scaled
  std::vector<uint16_t> palette;     ///< red, green, blue of index 0, of index 1, ...; empty: none to expand

  /// Whether a decoded row is handed out byte for byte.
  bool as_is() const { return !half_float && palette.empty() && bits == 8 * bytes_of(type); }

  /// Bytes of a row of `count` stored samples.
  int64_t packed_bytes(int64_t count) const { return (count * bits + 7) / 8; }

  /// Bytes of what `count` stored samples become.
  int64_t unpacked_bytes(int64_t count) const { return count * bytes_of(type) * (palette.empty() ? 1 : 3); }
};

/// One of 1 to 7 bits scaled to 0..255: round(value * 255 / (2^bits - 1)).
uint8_t scaled_to_u8(uint32_t value, int bits);

/// Value of an IEEE 754 binary16.
float half_to_float(uint16_t half);

/// Turns the `count` stored samples at `packed` (bits from the most significant down, each row starting at a
/// byte; 16, 24, 32 and 64 bits in the machine's byte order, as libtiff leaves them) into samples at `out`.
void unpack_row(const SampleCoding& coding, const std::byte* packed, int64_t count, std::byte* out);

}  // namespace sr

// How one page of a TIFF is laid out in its file, checked before anything is allocated for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/input/reader.h"
#include "io/tiff/input/unpack.h"

namespace sr {

/// A block is a tile, or a strip as wide as the page. Strips that are large when decoded are not decoded in
/// one piece but in bands of band_h rows; otherwise band_h = block_h.
struct TiffLayout {
  int64_t width = 0, height = 0;
  int stored_bands = 1;  ///< SamplesPerPixel
  bool tiled = false;
  bool planar = false;  ///< every band has blocks of its own
  uint16_t compression = 1;
  uint16_t photometric = 1;             ///< of the samples handed out
  std::vector<uint16_t> extra_samples;  ///< one for each band past the colour's own
  SampleCoding coding;
  std::vector<uint16_t> palette;  ///< as TiffInfo has it
  int64_t block_w = 0, block_h = 0, band_h = 0;
  int64_t most_band_h = 0;  ///< band_h if the limits were higher
  int64_t largest_stored_block_bytes = 0;
  int64_t codec_bytes = 0;       ///< see codec_memory()
  std::string opening_warnings;  ///< libtiff's, of the page's tags

  int planes() const { return planar ? stored_bands : 1; }
  int stored_bands_per_block() const { return planar ? 1 : stored_bands; }
  int bands() const { return coding.palette.empty() ? stored_bands : 3; }
  int64_t blocks_across() const { return (width + block_w - 1) / block_w; }
  int64_t blocks_down() const { return (height + block_h - 1) / block_h; }
  bool banded() const { return band_h < block_h; }

  /// Whether bands can only be decoded one after the other from the strip's first row.
  bool in_order() const { return banded() && compression != COMPRESSION_NONE; }

  /// Bytes of a row of a block as libtiff decodes it, and as it is handed out.
  int64_t packed_row_bytes() const { return coding.packed_bytes(block_w * stored_bands_per_block()); }
  int64_t pixel_bytes() const { return coding.unpacked_bytes(stored_bands_per_block()); }
};

/// Layout of the page at which `file` stands, for `reading`. Makes libtiff decode YCbCr in JPEG to RGB.
/// Errors: unsupported, limit, format (blocks missing or beyond the end of the file).
TiffLayout read_layout(TiffFile& file, const TiffLimits& limits, SampleReading reading);

/// For a further handle on a page whose layout is known.
void decode_jpeg_to_rgb(TiffFile& file, const TiffLayout& layout);

/// Whether the block has no data in the file, which GDAL writes for blocks full of nodata or zeros.
bool is_sparse(TiffFile& file, uint32_t block);

/// "JPEG", "LZW", ...: libtiff's name of a compression, and its code.
std::string compression_name(uint16_t compression);

}  // namespace sr

// TIFF files written window by window: tiled, compressed, under the final name only when complete.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/raster.h"
#include "io/tiff/reader.h"

namespace sr {

enum class Compression { none, lzw, deflate, zstd };

struct TiffWriterOptions {
  Compression compression = Compression::deflate;  ///< with predictor 2 (integers) or 3 (floats)
  int block = 256;                                 ///< side of a TIFF tile, multiple of 16
  int threads = 1;  ///< that compress the whole blocks of a window; the file is the same for any number
};

/// Writes a page of `info` (size, bands, sample type, colour, tags), and a mask page after it on request.
/// Windows may come in any order and size; every block is compressed and written once, when its last pixel
/// has come. BigTIFF if the uncompressed size asks for it. The file is PATH.part-PID until finish() renames
/// it; destroying an unfinished writer removes it. Blocks lie in the file in the order in which they became
/// complete: the pixels, not the bytes of the file, are independent of the order of the windows. What of an
/// edge block lies beyond the picture repeats its edge. Errors: io (cannot create, disk full), usage (window
/// outside, or a pixel written twice or never, samples of another type), unsupported (palette, codec missing
/// in libtiff), limit (more than 2^26 blocks, or of more than 2^30 bytes). Not safe for use by two threads at
/// once.
class TiffWriter {
 public:
  TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options = {});
  ~TiffWriter();
  TiffWriter(TiffWriter&&) noexcept;
  TiffWriter& operator=(TiffWriter&&) noexcept;

  /// Takes the samples of one window of the page. Blocks that it covers are written at once, the others are
  /// kept until windows have covered them.
  void write(const Raster& raster);

  /// Ends the picture; the following windows are of its mask page: one band, u8, nonzero = valid. It is
  /// stored with one bit a pixel.
  void begin_mask();

  /// Memory of the blocks that wait for more pixels.
  int64_t pending_bytes() const;

  /// Completes the file, syncs it to disk and gives it its name.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sr

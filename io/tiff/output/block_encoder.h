// Blocks of a TIFF file compressed in memory, so that several threads can do it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/raster.h"
#include "io/tiff/file.h"
#include "io/tiff/output/set_tags.h"

namespace sr {

/// Makes of a block's pixels the bytes that libtiff would store in the file. For one thread.
class BlockEncoder {
 public:
  /// For the picture that `info` describes (by_band: for a band of it), or for its mask; `path` is the name
  /// that errors show. Errors: io, unsupported.
  BlockEncoder(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options,
               PageKind kind);

  /// At most options.block x options.block pixels; what lacks to a whole block repeats the edge. Of a mask:
  /// a byte a pixel, nonzero = valid. Errors: io.
  std::vector<std::byte> encode(Raster block);

  /// The memory of the last block's samples, for the next one's: the system hands out fresh pages slowly.
  std::vector<std::byte> take_spare() { return std::exchange(spare_, {}); }

  /// What the blocks of a JPEG page leave to its JPEGTables. Errors: io.
  std::vector<uint8_t> jpeg_tables();

  /// Memory that one takes, beside the samples, for blocks of so many bytes.
  static int64_t working_bytes(int64_t block_bytes, const TiffWriterOptions& options);

 private:
  void open();
  std::vector<std::byte> compressed(Raster block);

  std::string path_;
  TiffInfo info_;
  TiffWriterOptions options_;
  PageKind kind_;
  bool differences_;  // of integers, that the predictor stands for, are taken here and not by libtiff
  std::vector<std::byte> spare_;
  std::optional<TiffFile> file_;  // nobody's: what is written to it is taken out at once
  uint32_t next_ = 0;
  // The last block of the same pixel all over, and what became of it: sea and collars have many.
  std::optional<std::vector<std::byte>> uniform_;
  std::vector<std::byte> of_uniform_;
};

}  // namespace sr

// Blocks of a TIFF file compressed in memory, so that several threads can do it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/writer.h"

namespace sr {

/// Makes what of a block lies beyond the picture repeat its edge. `samples` are side x side pixels, of which
/// `block` is in the picture.
void repeat_edges(std::vector<std::byte>& samples, const Window& block, int64_t side, int64_t pixel_bytes);

/// A bit for each byte, 1 where it is not zero, the first in the highest.
std::vector<std::byte> packed_bits(const std::vector<std::byte>& bytes);

/// Makes of a block's samples the bytes that libtiff would store in the file. For one thread.
class BlockEncoder {
 public:
  /// For the picture that `info` describes; `path` is the name that errors show. Errors: io, unsupported.
  BlockEncoder(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options);

  /// options.block x options.block pixels; the compressor may change them. Errors: io.
  std::vector<std::byte> encode(std::vector<std::byte>& samples);

  /// Memory that one takes, beside the samples, for blocks of so many bytes.
  static int64_t working_bytes(int64_t block_bytes) { return 3 * block_bytes + (int64_t{2} << 20); }

 private:
  void open();

  std::string path_;
  TiffInfo info_;
  TiffWriterOptions options_;
  std::optional<TiffFile> file_;  // nobody's: what is written to it is taken out at once
  uint32_t next_ = 0;
};

}  // namespace sr

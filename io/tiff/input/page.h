// The pixels of one page of a TIFF, whatever its layout, window by window.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/input/block_cache.h"
#include "io/tiff/input/layout.h"

namespace sr {

/// Decodes tiles and strips (bands of rows of large strips) as windows ask for them, and keeps some decoded.
/// Errors: as TiffReader.
class TiffPage {
 public:
  /// The page whose directory is at this offset of the file; 0 = the first page.
  TiffPage(const std::string& path, uint64_t directory_offset, const TiffLimits& limits,
           SampleReading reading = SampleReading::picture);

  TiffFile& file() { return *files_[0]; }
  const TiffLayout& layout() const { return layout_; }

  /// The value of blocks that have no data in the file: a sample as handed out, or an index into the palette.
  /// 0 unless given.
  void fill_with(double value);

  /// So many threads decode the blocks of a window from now on, each with a handle of its own: tiles, and
  /// strips that are decoded as a whole.
  void set_threads(int threads);

  /// Keeps at most so many bytes of decoded blocks from now on.
  void set_cache_limit(int64_t bytes) { cache_.set_limit(bytes); }

  /// Memory that decoding takes at most beside the cache.
  int64_t decoding_bytes() const { return decoding_bytes(layout_.band_h); }

  /// The same for any limits: what may be needed where more memory is given.
  int64_t most_decoding_bytes() const { return decoding_bytes(layout_.most_band_h); }

  /// What the cache must hold so that windows of so many rows, one beside the other and row by row, do not
  /// make a compressed strip start anew; 0 if none has to be decoded from its first row.
  int64_t bytes_of_rows(int64_t rows) const;

  /// Rows of blocks that were decoded in order so far: whether strips were started anew.
  int64_t rows_decoded_in_order() const { return rows_in_order_; }

  /// What decoders have warned of so far, of the first block in the file with a warning: no pixel is lost, or
  /// there was an error. Empty if nothing.
  const std::string& decoding_warning() const { return warning_; }

  /// Samples of a window within the page into out, [row][column][band].
  void read(const Window& window, std::byte* out);

 private:
  using Samples = BlockCache::Samples;

  // What is decoded in one go: a tile, a strip, or a band of a strip, cut at the page's border.
  struct Block {
    int plane;
    uint32_t index;  // of the tile or strip in the file
    Window area;
  };

  // Where the sequential decoding of a large compressed strip has got to.
  struct Cursor {
    bool valid = false;
    uint32_t index = 0;
    int64_t next_row = 0;
  };

  int64_t decoding_bytes(int64_t band_h) const;
  Block block_at(int plane, int64_t x, int64_t y) const;
  uint64_t key_of(const Block& block) const;
  const Samples& samples_of(const Block& block);
  void read_side_by_side(const std::vector<Block>& blocks, const Window& window, std::byte* out);
  Samples decode_one(TiffFile& file, const Block& block);
  Samples decode_whole(TiffFile& file, const Block& block);
  Samples decode_raw_band(const Block& block);
  const Samples& decode_up_to(const Block& block);
  Samples decode_rows(TiffFile& file, const Block& block);
  Samples unpacked(const Block& block, Samples packed) const;
  Samples filled(const Block& block) const;
  void copy_part(const Block& block, const Samples& samples, const Window& window, std::byte* out) const;
  TiffFile& file_of(int plane_or_thread);
  void look_at_warnings(TiffFile& file, const Block& block);
  std::string description(const Block& block) const;
  [[noreturn]] void fail(TiffFile& file, const Block& block) const;

  uint64_t directory_offset_;
  int64_t max_allocation_;
  int threads_ = 1;
  std::vector<std::unique_ptr<TiffFile>>
      files_;                    // one for each thread, or for each plane that has large strips
  std::vector<Cursor> cursors_;  // beside files_
  int64_t rows_in_order_ = 0;
  std::mutex warning_mutex_;
  std::string warning_;
  uint32_t warned_block_ = 0;
  TiffLayout layout_;
  BlockCache cache_;
  std::vector<std::byte> fill_;  // one pixel of a block
};

}  // namespace sr

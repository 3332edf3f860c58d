// The picture and its overviews as far as their blocks are stored, and what of them a later run finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/raster.h"
#include "io/tiff/output/block_assembler.h"
#include "io/tiff/output/block_store.h"
#include "io/tiff/output/stored_part.h"
#include "io/tiff/output/writer.h"

namespace sr {

/// The bytes of a block (of each band, if these are apart) and of its mask's.
struct EncodedBlock {
  std::vector<std::vector<std::byte>> bands;
  std::vector<std::byte> mask;
};

/// Level 0 is the picture, each further one, of a COG, the overview of that before it. Of every level there
/// is a page of blocks in a file, the mask's behind it.
///
/// The blocks of a plain file come in an order, and a later run goes on behind the last one that is good. For
/// a COG any block will do, if what it gives to the next overview is there too: the block that is made of it
/// or, as long as that waits for more, its quarter of that as raw samples. These lie among the blocks, and
/// are no part of the result.
class StoredLevels {
 public:
  /// Blocks go to `file`, which exists; `path` is the name that errors show. Errors: io.
  StoredLevels(const std::string& file, const std::string& path, const TiffInfo& info,
               const TiffWriterOptions& options);

  size_t count() const { return levels_.size(); }
  const TiffInfo& info(size_t level) const { return levels_.at(level).info; }
  BlockAssembler& assembler(size_t level) { return levels_.at(level).assembler; }
  const BlockAssembler& assembler(size_t level) const { return levels_.at(level).assembler; }
  const BlockStore& blocks() const { return blocks_; }

  /// The pages in the BlockStore.
  static size_t page_of(size_t level) { return 2 * level; }
  static size_t mask_page_of(size_t level) { return 2 * level + 1; }

  /// Whether no block is stored.
  bool empty() const;

  /// Takes over what an earlier run with the same job has left in the file, as far as it is good, and keeps
  /// the journal named after `name` from now on. Returns the number of blocks. Errors: io.
  int64_t go_on(const std::string& name);

  /// Copies all blocks of the picture, a plain file's in that order, and what there is of overviews and of
  /// their quarters. Nothing was stored here before. Errors: io; format (a block is in none of the parts, or
  /// damaged).
  void take_over(std::span<const StoredPart> parts, std::span<const int64_t> order);

  /// Whether the block is of an earlier run, and its quarter of an overview's block to be given to that.
  bool is_waited_for(size_t level, int64_t index) const;

  /// That quarter. Errors: io.
  Raster quarter(size_t level, int64_t index) const;

  /// Errors: io.
  void append(size_t level, int64_t index, const EncodedBlock& block);

  /// To be called when blocks of a level, and all that is complete with them in the overviews, are stored.
  /// Errors: io.
  void keep_quarters(size_t level, const std::vector<CompleteBlock>& complete);

 private:
  struct Level {
    TiffInfo info;
    BlockAssembler assembler;
  };

  void add_level(const std::string& path, int64_t width, int64_t height);
  size_t quarter_page_of(size_t level) const { return 2 * levels_.size() + level; }
  std::optional<int64_t> above(size_t level, int64_t index) const;
  Window quarter_window(size_t level, int64_t index) const;
  int64_t parts() const;
  size_t take_over_in_order(const std::vector<JournalEntry>& entries);
  bool take_over(std::span<const JournalEntry> block);
  size_t take_over_any(const std::vector<JournalEntry>& entries);
  std::vector<std::pair<size_t, int64_t>> places(size_t level, int64_t index) const;
  bool copy_block(std::span<const StoredPart> parts, size_t level, int64_t index);
  bool has_kept_quarter(size_t level, int64_t index) const;
  bool is_stored(size_t level, int64_t index) const;
  void forget(size_t level, int64_t index);

  TiffInfo info_;
  TiffWriterOptions options_;
  BlockStore blocks_;
  std::deque<Level> levels_;
  int64_t found_ = 0;
};

}  // namespace sr

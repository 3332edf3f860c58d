// Encoded blocks in a file, one after the other, and where each of them lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/tiff/output/block_journal.h"

namespace sr {

/// Where a block's bytes lie in a file.
struct StoredBlock {
  int64_t offset = 0, bytes = 0;
};

/// Appends the blocks of several pages to one file. Not safe for use by two threads at once.
class BlockStore {
 public:
  /// Blocks go to `file`, which exists, from the byte `begin` on; `path` is the name that errors show.
  /// Errors: io.
  BlockStore(const std::string& file, const std::string& path, int64_t begin);
  ~BlockStore();
  BlockStore(const BlockStore&) = delete;
  BlockStore& operator=(const BlockStore&) = delete;

  /// A further page of so many blocks.
  void add_page(int64_t blocks);

  size_t pages() const { return pages_.size(); }
  const std::vector<StoredBlock>& blocks(size_t page) const { return pages_.at(page); }

  /// Takes over blocks that an earlier run has appended, which lie after the last one. False, and nothing
  /// changes, if one of them is not there as it was written. Errors: io.
  bool take_over(std::span<const JournalEntry> blocks);

  /// Takes over each of the blocks that an earlier run has appended in this order, from the first byte on,
  /// but those that are not there as they were written; of two of the same place the later one. Returns how
  /// many of them, good or not, the file is long enough for. Errors: io.
  size_t take_over_good(std::span<const JournalEntry> blocks);

  /// The block is to come anew.
  void forget(size_t page, int64_t block) { pages_.at(page).at(static_cast<size_t>(block)) = {}; }

  /// The block is not needed any more: the disk has its room back, where the file system can do that.
  void discard(size_t page, int64_t block);

  /// Cuts off what lies behind the last block that is not forgotten and keeps, from now on, a journal beside
  /// the file, named after `path`. `taken_over`: what lies in the file, block by block. Errors: io.
  void keep_journal(const std::string& path, const std::string& job, std::vector<JournalEntry> taken_over);

  /// The one place where a block's bytes go to the file. Errors: io (disk full, ...).
  void append(size_t page, int64_t block, std::span<const std::byte> bytes);

  /// A stored block's bytes. Errors: io.
  void read(const StoredBlock& block, std::byte* to) const;

  /// The byte after the last block.
  int64_t end() const { return end_; }

 private:
  void start_storing(int64_t bytes);
  const StoredBlock* place_of(const JournalEntry& entry) const;
  bool is_as_written(const JournalEntry& entry, int64_t at) const;

  std::string path_;
  int descriptor_;
  int64_t end_;
  int64_t not_stored_ = 0;  // bytes since the disk was last asked to store them
  std::vector<std::vector<StoredBlock>> pages_;
  std::optional<BlockJournal> journal_;
};

}  // namespace sr

// What a run has stored of a picture without completing its file, for a writer that makes the whole of
// several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/tiff/output/block_store.h"

namespace sr {

/// Blocks that a TiffWriter has left, found by its journal.
class StoredPart {
 public:
  /// What it left of `path`, a COG or a plain file, or made a sparse file of, for that job. Nothing may write
  /// to it meanwhile. Errors: io; format (nothing is there, or of another job).
  StoredPart(const std::string& path, bool cog, const std::string& job);

  bool has(size_t page, int64_t block) const { return blocks_.contains({page, block}); }

  /// A block's bytes as they were stored. Errors: io; format (others are there now).
  std::vector<std::byte> read(size_t page, int64_t block) const;

 private:
  struct Place {
    int64_t offset = 0, bytes = 0;
    uint32_t checksum = 0;
  };

  std::string file_;
  std::map<std::pair<size_t, int64_t>, Place> blocks_;
};

}  // namespace sr

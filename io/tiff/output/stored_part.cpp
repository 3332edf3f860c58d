#include "io/tiff/output/stored_part.h"

#include <filesystem>
#include <span>

#include "io/crc32c.h"
#include "io/output_file.h"
#include "io/tiff/output/block_journal.h"
#include "io/tiff/output/result_file.h"
#include "tensor/error.h"

namespace sr {

// Of two entries of a block the later one holds: the run that wrote it had found the first to be damaged.
StoredPart::StoredPart(const std::string& path, bool cog, const std::string& job)
    : file_(temporary_name(blocks_name(path, cog))) {
  if (std::error_code none; !std::filesystem::exists(file_, none)) file_ = path;  // finish_sparse()
  int64_t at = first_block(cog);
  for (const JournalEntry& entry : BlockJournal::read(blocks_name(path, cog), job)) {
    blocks_[{static_cast<size_t>(entry.page), entry.index}] = {at, entry.bytes, entry.checksum};
    at += entry.bytes;
  }
  if (blocks_.empty())
    throw Error(Error::Kind::format, file_, ": there is no block of this job, or no journal beside it");
}

std::vector<std::byte> StoredPart::read(size_t page, int64_t block) const {
  const Place& place = blocks_.at({page, block});
  const std::string bytes =
      read_file_part(file_, static_cast<uint64_t>(place.offset), static_cast<size_t>(place.bytes));
  const auto stored = std::as_bytes(std::span(bytes));
  if (std::ssize(bytes) != place.bytes || crc32c(stored) != place.checksum)
    throw Error(Error::Kind::format, file_, ": block ", block,
                " is damaged; the command that wrote it mends it");
  return {stored.begin(), stored.end()};
}

}  // namespace sr

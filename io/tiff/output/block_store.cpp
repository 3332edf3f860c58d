#include "io/tiff/output/block_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "io/crc32c.h"
#include "io/output_file.h"

namespace sr {

BlockStore::BlockStore(const std::string& file, const std::string& path, int64_t begin)
    : path_(path), descriptor_(::open(file.c_str(), O_RDWR | O_CLOEXEC)), end_(begin) {
  if (descriptor_ < 0) throw cannot_write(path_, errno);
}

BlockStore::~BlockStore() {
  ::close(descriptor_);
}

void BlockStore::add_page(int64_t blocks) {
  pages_.emplace_back(static_cast<size_t>(blocks));
}

void BlockStore::append(size_t page, int64_t block, std::span<const std::byte> bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                               static_cast<off_t>(end_ + static_cast<int64_t>(done)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw cannot_write(path_, errno);
    done += static_cast<size_t>(n);
  }
  pages_.at(page).at(static_cast<size_t>(block)) = {end_, std::ssize(bytes)};
  end_ += std::ssize(bytes);
  start_storing(std::ssize(bytes));
  if (journal_) journal_->add({static_cast<int>(page), block, std::ssize(bytes), crc32c(bytes)});
}

// Gigabytes that wait in memory would make the sync at the end, which no signal ends, last minutes on a slow
// disk. Best effort: not all file systems can.
void BlockStore::start_storing(int64_t bytes) {
  constexpr int64_t kOften = int64_t{64} << 20;
  not_stored_ += bytes;
  if (not_stored_ < kOften) return;
  ::sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE);
  not_stored_ = 0;
}

// Null if there is no such page or block.
const StoredBlock* BlockStore::place_of(const JournalEntry& entry) const {
  if (entry.page < 0 || static_cast<size_t>(entry.page) >= pages_.size()) return nullptr;
  const auto& page = pages_[static_cast<size_t>(entry.page)];
  return entry.index < std::ssize(page) ? &page[static_cast<size_t>(entry.index)] : nullptr;
}

bool BlockStore::is_as_written(const JournalEntry& entry, int64_t at) const {
  if (entry.bytes > ::lseek(descriptor_, 0, SEEK_END) - at) return false;
  std::vector<std::byte> bytes(static_cast<size_t>(entry.bytes));
  read({at, entry.bytes}, bytes.data());
  return crc32c(bytes) == entry.checksum;
}

bool BlockStore::take_over(std::span<const JournalEntry> blocks) {
  int64_t at = end_;
  for (const JournalEntry& entry : blocks) {
    const StoredBlock* place = place_of(entry);
    if (!place || place->bytes > 0 || !is_as_written(entry, at)) return false;
    at += entry.bytes;
  }
  for (const JournalEntry& entry : blocks) {
    pages_[static_cast<size_t>(entry.page)][static_cast<size_t>(entry.index)] = {end_, entry.bytes};
    end_ += entry.bytes;
  }
  return true;
}

size_t BlockStore::take_over_good(std::span<const JournalEntry> blocks) {
  const off_t length = ::lseek(descriptor_, 0, SEEK_END);
  size_t in_file = 0;
  for (const JournalEntry& entry : blocks) {
    if (entry.bytes > length - end_) break;
    if (place_of(entry) && is_as_written(entry, end_))
      pages_[static_cast<size_t>(entry.page)][static_cast<size_t>(entry.index)] = {end_, entry.bytes};
    end_ += entry.bytes;
    ++in_file;
  }
  return in_file;
}

void BlockStore::discard(size_t page, int64_t block) {
  const StoredBlock& stored = blocks(page).at(static_cast<size_t>(block));
  if (stored.bytes == 0) return;
  ::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, stored.offset, stored.bytes);
  forget(page, block);
}

void BlockStore::keep_journal(const std::string& path, const std::string& job,
                              std::vector<JournalEntry> taken_over) {
  for (; !taken_over.empty(); taken_over.pop_back()) {
    const JournalEntry& last = taken_over.back();
    const StoredBlock* place = place_of(last);
    if (place && place->bytes > 0 && place->offset == end_ - last.bytes) break;
    end_ -= last.bytes;
  }
  if (::ftruncate(descriptor_, end_) != 0) throw cannot_write(path_, errno);
  journal_.emplace(path, job, taken_over);
}

void BlockStore::read(const StoredBlock& block, std::byte* to) const {
  for (int64_t done = 0; done < block.bytes;) {
    const ssize_t n = ::pread(descriptor_, to + done, static_cast<size_t>(block.bytes - done),
                              static_cast<off_t>(block.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw cannot_read(path_, n < 0 ? errno : EIO);
    done += n;
  }
}

}  // namespace sr

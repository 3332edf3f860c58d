// Files that appear under their name only when they are complete, and logs, which grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tensor/error.h"

namespace sr {

/// The error for a file that the system would not let be written or read: names the path, the system's reason
/// for `error_number` (an errno) and what to do about it. Kind io.
Error cannot_write(const std::string& path, int error_number);
Error cannot_read(const std::string& path, int error_number);

/// PATH.part: the name under which PATH is written until it is complete. It is the same for every run, so
/// that the next one finds, and uses or replaces, what a killed one has left.
std::string temporary_name(const std::string& path);

/// A file that is being written under its temporary name, and removed again unless committed or kept. Only
/// one at a time, of all programs, writes to a path: it is locked (flock(2)) as long as this lives.
class PartialFile {
 public:
  enum class Start {
    empty,    ///< whatever was left under the temporary name is gone
    as_left,  ///< an earlier run's bytes are still there
  };

  /// Errors: io (no such folder, permission, disk full, another run is writing it), naming `path`.
  explicit PartialFile(const std::string& path, Start start = Start::empty);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  /// The final and the temporary name.
  const std::string& path() const { return path_; }
  const std::string& temporary() const { return temporary_; }

  /// Syncs the finished file to disk, gives it its name and syncs the folder; every handle that wrote to it
  /// has been closed before. Errors: io; the file still has its temporary name.
  void commit();

  /// It stays under its temporary name, for a later run that starts as_left.
  void keep() { stays_ = true; }

 private:
  std::string path_, temporary_;
  int lock_ = -1;  // a descriptor of the file
  bool stays_ = false;
};

/// Writes a whole small file that way; removes the temporary if that fails. Errors: io (with the system's
/// reason: no such folder, permission, disk full).
void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_file(const std::string& path, const std::string& text);

/// A file that grows: what is appended is there for other programs at once, and stays if this one is killed.
class AppendedFile {
 public:
  /// Opens `path` at its end; creates it if there is none. Errors: io.
  explicit AppendedFile(const std::string& path);
  ~AppendedFile();
  AppendedFile(const AppendedFile&) = delete;
  AppendedFile& operator=(const AppendedFile&) = delete;

  const std::string& path() const { return path_; }

  /// Errors: io; nothing of `text` is then in the file.
  void append(std::string_view text);
  /// Returns when all that was appended would survive a power cut. Errors: io.
  void sync();

 private:
  std::string path_;
  int fd_;
};

/// The whole file. Errors: io; limit (longer than max_bytes).
std::string read_file(const std::string& path, size_t max_bytes);

/// `bytes` bytes of the file from `offset` on; fewer where it ends before. Errors: io.
std::string read_file_part(const std::string& path, uint64_t offset, size_t bytes);

/// CRC-32C of the whole file, as "crc32c 1234abcd". Errors: io.
std::string checksum_of_file(const std::string& path);

/// How long the file is. Errors: io (also: not an ordinary file).
uint64_t file_bytes(const std::string& path);

}  // namespace sr

// What of an unfinished file is complete, kept beside it so that a later run can go on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/output_file.h"

namespace sr {

/// The file, without .part, in which the blocks of `path` are stored: its own, of a COG one beside it.
inline std::string blocks_name(const std::string& path, bool cog) {
  return cog ? path + ".blocks" : path;
}

/// A block that lies in the file, after the one before it.
struct JournalEntry {
  int page = 0;           ///< of the BlockStore
  int64_t index = 0;      ///< of the block in the page
  int64_t bytes = 0;      ///< as stored
  uint32_t checksum = 0;  ///< CRC-32C of these
};

/// PATH.part.journal beside PATH.part: a line for the job and one for each block, in the order of the file. A
/// line is written when the block's bytes have been given to the system, so a killed program loses nothing;
/// after a power cut the checksums tell how far the file is good.
class BlockJournal {
 public:
  /// The blocks of the journal that belongs to `path` if it was kept for the same job, up to the first line
  /// that is damaged; none if there is no such journal. Errors: io.
  static std::vector<JournalEntry> read(const std::string& path, const std::string& job);

  /// Starts the journal of `path` anew with these blocks; `job` is one line that tells this run's work from
  /// any other. Errors: io.
  BlockJournal(const std::string& path, const std::string& job, const std::vector<JournalEntry>& entries);

  /// Errors: io.
  void add(const JournalEntry& entry);

  /// Whether there is a journal of `path`, of whatever job.
  static bool exists(const std::string& path);

  /// Removes the journal of `path`, if there is one.
  static void remove(const std::string& path);

 private:
  static std::string name(const std::string& path) { return temporary_name(path) + ".journal"; }
  static std::string started(const std::string& path, const std::string& job,
                             const std::vector<JournalEntry>& entries);

  AppendedFile file_;
};

}  // namespace sr

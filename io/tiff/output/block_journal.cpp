#include "io/tiff/output/block_journal.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>

namespace sr {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 32;  // 2^26 blocks of the longest lines

std::string line_of(const JournalEntry& entry) {
  char line[80];
  std::snprintf(line, sizeof line, "%d %lld %lld %08x\n", entry.page, static_cast<long long>(entry.index),
                static_cast<long long>(entry.bytes), entry.checksum);
  return line;
}

template <class T>
bool take_number(std::string_view& text, T& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.starts_with(' ')) text.remove_prefix(1);
  return true;
}

// Nothing if the line was not written by line_of().
std::optional<JournalEntry> entry_of(std::string_view line) {
  JournalEntry entry;
  const bool good = take_number(line, entry.page) && take_number(line, entry.index) &&
                    take_number(line, entry.bytes) && take_number(line, entry.checksum, 16);
  if (!good || !line.empty() || entry.index < 0 || entry.bytes < 0) return {};
  return entry;
}

}  // namespace

std::vector<JournalEntry> BlockJournal::read(const std::string& path, const std::string& job) {
  if (!exists(path)) return {};
  const std::string text = read_file(name(path), kMaxBytes);
  std::string_view rest(text);
  const auto next_line = [&]() -> std::optional<std::string_view> {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};  // the last line of a killed run may be half one
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return line;
  };
  std::vector<JournalEntry> entries;
  if (next_line() != job) return entries;
  while (const auto line = next_line()) {
    const std::optional<JournalEntry> entry = entry_of(*line);
    if (!entry) break;
    entries.push_back(*entry);
  }
  return entries;
}

// Under its name at once as a whole: a run that is killed here has lost nothing of what the run before did.
std::string BlockJournal::started(const std::string& path, const std::string& job,
                                  const std::vector<JournalEntry>& entries) {
  std::string text = job + "\n";
  for (const JournalEntry& entry : entries) text += line_of(entry);
  write_file(name(path), text);
  return name(path);
}

BlockJournal::BlockJournal(const std::string& path, const std::string& job,
                           const std::vector<JournalEntry>& entries)
    : file_(started(path, job, entries)) {}

void BlockJournal::add(const JournalEntry& entry) {
  file_.append(line_of(entry));
}

bool BlockJournal::exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(name(path), error);
}

void BlockJournal::remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(name(path), error);
}

}  // namespace sr

// Record files: the tiles of a training data set. docs/formats.md has the layout.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/output_file.h"
#include "io/raster.h"

namespace sr {

/// One tile of training data. The windows' sizes are those of the rasters (gt.window.w = factor *
/// down.window.w); their positions may say where in the source they lie.
struct TileRecord {
  Raster gt;         ///< the truth
  Raster down;       ///< what the network gets: gt shrunk, or another sensor's image of the same ground
  Raster bic_up;     ///< down enlarged again by bicubic interpolation, as large as gt
  std::string note;  ///< where the tile comes from, for people; at most 4096 bytes
};

/// The rasters of a record, in the order in which they are stored.
constexpr Raster TileRecord::*kRecordParts[] = {&TileRecord::gt, &TileRecord::down, &TileRecord::bic_up};

/// What the index of a record file holds about one record.
struct RecordEntry {
  struct Part {
    Window window;
    SampleType type = SampleType::u8;
    uint32_t crc = 0;
  };
  uint64_t offset = 0;
  uint32_t note_bytes = 0, note_crc = 0;
  int bands = 0;
  Part parts[3];  ///< gt, down, bic_up

  uint64_t bytes() const;  ///< note and samples, as they lie in the file
};

/// Writes a record file under a temporary name; finish() makes it appear. Without finish() nothing stays.
/// Errors: io; usage (a record whose rasters do not hold what they say, have a mask, or differ in bands);
/// limit (a record over 1 GiB, more than 100,000 records, a note or meta that is too long).
class RecordWriter {
 public:
  /// `meta`: a JSON object whose meaning is the caller's; at most 16 MiB.
  RecordWriter(const std::string& path, std::string meta);
  ~RecordWriter();
  RecordWriter(RecordWriter&&) noexcept;
  RecordWriter& operator=(RecordWriter&&) noexcept;

  void add(const TileRecord& record);
  int64_t size() const;
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Reads any record of a file. The constructor checks all but the records, read() the record: every bit of a
/// file is covered by a checksum. Threads may read at the same time. Errors: io, format (foreign, truncated,
/// corrupted), unsupported (a newer version of the format), limit.
class RecordReader {
 public:
  explicit RecordReader(const std::string& path);

  const std::string& path() const { return path_; }
  int64_t size() const { return static_cast<int64_t>(index_.size()); }
  const std::string& meta() const { return meta_; }
  uint64_t bytes() const { return bytes_; }  ///< of the whole file
  /// CRC32C of the file's start, which holds the checksums of all the rest: it stands for the whole file.
  uint32_t checksum() const { return checksum_; }

  /// Sizes and types of record i without its samples. Errors: usage (no such record).
  const RecordEntry& entry(int64_t i) const;
  TileRecord read(int64_t i) const;

 private:
  std::string path_, meta_;
  std::vector<RecordEntry> index_;
  uint64_t bytes_ = 0;
  uint32_t checksum_ = 0;
};

}  // namespace sr

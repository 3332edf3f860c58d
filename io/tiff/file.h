// One open TIFF file of libtiff: messages collected instead of printed, allocation limit, GeoTIFF and GDAL
// tags.
#pragma once

#include <tiffio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sr {

constexpr uint32_t kTagModelPixelScale = 33550;
constexpr uint32_t kTagModelTiepoint = 33922;
constexpr uint32_t kTagModelTransformation = 34264;
constexpr uint32_t kTagGeoKeyDirectory = 34735;
constexpr uint32_t kTagGeoDoubleParams = 34736;
constexpr uint32_t kTagGeoAsciiParams = 34737;
constexpr uint32_t kTagRpcCoefficient = 50844;
constexpr uint32_t kTagGdalMetadata = 42112;
constexpr uint32_t kTagGdalNodata = 42113;

/// Owns the handle and the file descriptor. Nothing is memory-mapped: a file that shrinks meanwhile gives an
/// error, not a signal, and its pages do not count as the program's memory.
/// The tags above are known to libtiff in every handle, with the calling convention of libgeotiff: arrays
/// take (int count, const T* values) in TIFFSetField and give (uint16_t* count, T** values) in TIFFGetField;
/// texts take const char* and give char**.
class TiffFile {
 public:
  enum class Mode {
    read,          ///< an existing file; the first directory is read
    create,        ///< classic TIFF in the machine's byte order; an existing file is emptied
    create_big,    ///< BigTIFF
    complete,      ///< classic TIFF around data that an existing file has behind the header's 16 bytes
    complete_big,  ///< the same as BigTIFF
    memory,        ///< no file: what is written is kept for take_written()
  };
  static constexpr int64_t kNoLimit = 0;

  /// max_allocation bounds each single allocation that libtiff makes for this handle.
  /// Errors: io (cannot open, not a regular file), format (not a TIFF, first directory damaged).
  TiffFile(const std::string& path, Mode mode, int64_t max_allocation = kNoLimit);

  /// Closes without looking at errors: call close() after writing.
  ~TiffFile();
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  TIFF* get() const { return tiff_; }
  const std::string& path() const { return path_; }

  /// Length when it was opened for reading.
  int64_t size_bytes() const { return size_bytes_; }

  /// Bytes offset .. offset + bytes.size(). Errors: io; format (past the end of the file).
  void read_at(int64_t offset, std::span<std::byte> bytes);

  /// Writes so many bytes there, past libtiff. False, with system_error(), if the system does not.
  bool write_at(int64_t offset, std::span<const std::byte> bytes);

  /// Bytes of the file by now.
  int64_t length();

  /// Tells the current directory that its tile `index` lies there already, or will. False, with
  /// has_error(), if libtiff refuses.
  bool place_tile(uint32_t index, int64_t offset, int64_t bytes);

  /// What libtiff has complained of since the last call: the system's reason if a read or write failed, then
  /// the errors, or else the warnings; empty if nothing. For the text of an Error.
  std::string take_messages();

  /// Whether libtiff has reported an error since the last take_messages(). Some codecs return success all the
  /// same.
  bool has_error() const { return !errors_.empty(); }

  /// What libtiff has warned of since the last take_messages(), but for tags that it does not know: see
  /// lost_data().
  const std::string& warnings() const { return warnings_; }

  /// The errno of a read or write that failed since the last take_messages(), or 0.
  int system_error() const { return system_error_; }

  /// Mode::memory: what has been written since the last call, one after the other.
  std::vector<std::byte> take_written() { return std::exchange(written_, {}); }

  /// Writes what is pending (the directory too) and closes. Errors: io (disk full, ...).
  void close();

 private:
  struct Callbacks;

  void open_descriptor(Mode mode);

  std::string path_;
  int descriptor_ = -1;
  int64_t size_bytes_ = 0;
  int64_t position_ = 0;
  bool placing_ = false;  // what libtiff writes is there already, at placed_at_
  int64_t placed_at_ = 0;
  int system_error_ = 0;
  std::string errors_, warnings_;
  std::vector<std::byte> written_;
  TIFF* tiff_ = nullptr;
};

}  // namespace sr

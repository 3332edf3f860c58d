// TIFF files read window by window, whatever their layout, through libtiff.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/raster.h"
#include "io/tiff/tags/scene_tags.h"

namespace sr {

/// What samples become that are not numbers as they stand.
enum class SampleReading {
  picture,  ///< palettes are expanded to colours, 1 to 7 bits are scaled to 0..255
  codes     ///< as stored: indices into the palette, 1 to 7 bits unscaled
};

/// What a TIFF holds, after the conversions that the reader does (see TiffReader).
struct TiffInfo {
  int64_t width = 0;                 ///< in pixels
  int64_t height = 0;                ///< in pixels
  int bands = 0;                     ///< samples of a pixel
  SampleType type = SampleType::u8;  ///< of all bands
  int significant_bits = 8;  ///< 12 for 12-bit samples, which are handed out as u16 with values 0..4095
  int stored_bits = 8;       ///< of a sample in the file
  /// The largest value by MaxSampleValue, where it is 2^n - 1 and so says how many bits the samples have;
  /// they may prove it wrong. Written as MaxSampleValue.
  std::optional<double> declared_top;
  uint16_t photometric = 1;       ///< TIFF PhotometricInterpretation of the samples handed out (RGB = 2, ...)
  std::vector<uint16_t> palette;  ///< the file's own: red, green, blue of index 0, of 1, ...; empty: none
  std::vector<uint16_t> extra_samples;  ///< TIFF ExtraSamples: one entry for each band past the colour's own
  std::optional<double> nodata;         ///< GDAL_NODATA as a sample; NaN means NaN
  std::vector<double> nodata_values;  ///< NODATA_VALUES: hidden where all bands are equal to theirs; or empty
  bool has_mask = false;  ///< a mask page, or a palette's nodata index, hides pixels; Raster::mask is filled
  SceneTags tags;         ///< place on the ground, texts
  std::vector<std::string> notes;  ///< what the user should be told: a second page, a mask in a file beside

  std::optional<int>
      asked_alpha;  ///< the user's word on the alpha band (see choose_alpha); none: GDAL's rule

  /// Index of the band that hides pixels where it is 0: the last, if ExtraSamples calls it alpha and GDAL
  /// takes it for one; or the one asked for.
  std::optional<int> alpha_band() const;

  /// Whether colours were multiplied by it: it is associated alpha.
  bool premultiplied() const;
};

/// How much a file may make the reader allocate.
struct TiffLimits {
  int64_t block_bytes = int64_t{1} << 30;    ///< one decoded strip or tile
  int64_t cache_bytes = int64_t{256} << 20;  ///< decoded strips and tiles kept for the next window
};

/// What a user is told of a decoder's warning; empty if there is none.
std::string decoding_note(const std::string& warning);

/// Reads windows of the first page. Strips or tiles, chunky or planar, both byte orders, BigTIFF, all of
/// libtiff's lossless codecs and JPEG. Samples of 8, 16, 32 bits and float64 come as they are. Converted:
/// 1 to 7 bits are scaled to u8 (1 bit: 0 and 255), 9 to 15 bits come as u16, 17 to 31 bits as u32, half
/// floats as f32 (what stands for a nodata value that is no half, as that value), palettes are expanded to
/// RGB (u8, or u16 for 16-bit palettes) without the texts of their band, YCbCr in JPEG to RGB; with
/// SampleReading::codes, palettes and 1 to 7 bits come as they are. Errors: io (cannot open or read), format
/// (truncated, corrupted, not a TIFF), unsupported (complex or 64-bit integers, Lab, LogLuv, subsampled YCbCr
/// without JPEG, unknown codec), limit. Each names the file. Not safe for use by two threads at once.
class TiffReader {
 public:
  /// Opens it and reads its tags.
  explicit TiffReader(const std::string& path, const TiffLimits& limits = {},
                      SampleReading reading = SampleReading::picture);
  ~TiffReader();
  TiffReader(TiffReader&&) noexcept;             ///< the other can only be assigned to
  TiffReader& operator=(TiffReader&&) noexcept;  ///< likewise

  const TiffInfo& info() const;     ///< what it holds
  const std::string& path() const;  ///< as given

  /// Takes that band (from 0; kNoAlpha: none) for alpha from now on: see choose_alpha of alpha_band.h.
  void choose_alpha(int band);

  /// Keeps at most so many bytes of decoded strips and tiles from now on.
  void set_cache_limit(int64_t bytes);

  /// Memory that reading takes at most beside that cache and the window that is handed out.
  int64_t decoding_bytes() const;

  /// The same for any limits: what may be needed where more memory is given.
  int64_t most_decoding_bytes() const;

  /// What the cache must hold so that windows of so many rows, one beside the other and row by row, do not
  /// make a compressed strip start anew; 0 if none has to be decoded from its first row.
  int64_t bytes_of_rows(int64_t rows) const;

  /// So many threads decode a window's blocks side by side from now on, where the file's layout lets them.
  void set_threads(int threads);

  /// What decoders have warned of so far although no pixel is lost, one text for the whole file, for the
  /// user; empty if nothing.
  std::string decoding_note() const;

  /// The samples of a window that lies within the image. Errors: as above; usage (window outside the image).
  Raster read(const Window& window);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sr

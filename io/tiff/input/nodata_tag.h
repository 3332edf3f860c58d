// The value that stands for no data, as GDAL reads it out of a TIFF's texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/tiff/input/unpack.h"

namespace sr {

/// What GDAL_NODATA means for the samples that are handed out.
struct NodataTag {
  std::optional<double> nodata;  ///< the sample that hides; NaN means NaN; nothing: the tag hides no sample
  std::string text;              ///< for the result
  double fill = 0;               ///< of blocks without data in the file; an index where there is a palette
  std::optional<uint32_t> hidden_index = {};  ///< entry to hide of a palette that is expanded to colours
  std::string note = {};                      ///< what the user should be told, or ""
};

/// GDAL's reading: the number that the text begins with (0 if with none), of which integers take the whole
/// part and float32 the nearest float. A number that the type cannot hold hides nothing, and is carried over
/// all the same.
NodataTag nodata_of_tag(const std::string& text, const SampleCoding& coding);

/// The item NODATA_VALUES of GDAL_METADATA as samples, one for each band: a pixel is hidden where all bands
/// are equal to theirs. Empty if there is none, if it has not as many values as there are bands, or if some
/// band cannot hold its value.
std::vector<double> nodata_values(const std::string& gdal_metadata, int bands, SampleType type);

/// Half floats that stand for a nodata value that is none, and that value: rounded as most programs do
/// (-10000 for -9999), and cut off as GDAL does (-9992). Readers hand out the value, so that both the samples
/// and the tag are kept.
struct HalfNodata {
  float rounded, cut_off, declared;
};
std::optional<HalfNodata> half_nodata(const SampleCoding& coding, std::optional<double> nodata);

}  // namespace sr

// The range of a scene's samples, measured over all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "idn/model.h"
#include "idn/nodata.h"
#include "io/raster.h"
#include "io/tiff_reader.h"

namespace sr {

/// The range that follows from the samples' type alone: 0..255 for u8, -128..127 for i8, 0..2^bits-1 for
/// samples of 9 to 15 bits; none for others.
std::optional<ValueRange> range_of_type(const TiffInfo& info);

/// Collects samples and tells between which values nearly all of them lie. A histogram over the upper bits
/// of the float32 representation: any type, any magnitude, values kept to 2^-13 of themselves, one pass.
class RangeMeter {
 public:
  RangeMeter();

  /// Counts the samples that are a picture; `without` is the alpha band, which is not.
  void add(const Raster& raster, const Invalid& invalid, std::optional<int> without);

  /// From the 0.1 to the 99.9 percentile, so that a few stray samples decide nothing. 0..1 if nothing was
  /// counted; widened upwards by 1 if all samples are the same.
  ValueRange range() const;

 private:
  void count(float value);
  double value_at(int64_t rank) const;

  std::vector<std::vector<int64_t>> pages_;  // made when their first value comes
  int64_t total_ = 0;
};

}  // namespace sr

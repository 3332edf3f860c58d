// The range of a scene's samples, measured over all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "idn/model.h"
#include "io/raster.h"
#include "io/tiff/reader.h"
#include "scene/nodata.h"

namespace sr {

/// The range that follows from the samples' type alone: 0..255 for u8, -128..127 for i8, 0..2^bits-1 for
/// samples of 9 to 15 bits; none for others.
std::optional<ValueRange> range_of_type(const TiffInfo& info);

/// Collects samples and tells between which values nearly all of them lie. Of many, it keeps those of a
/// quarter of a million places that the places alone decide, so it does not matter in which windows and in
/// which order they come; the values are kept as they are, of any type and magnitude.
class RangeMeter {
 public:
  /// Counts the samples that are a picture; `without` is the alpha band, which is not.
  void add(const Raster& raster, const Invalid& invalid, std::optional<int> without);

  /// What follows is another image, whose places are others.
  void next_image() { ++image_; }

  /// From the 0.1 to the 99.9 percentile, so that a few stray samples decide nothing. 0..1 if nothing was
  /// counted. If these are the same, a range so narrow that the network's residual vanishes in it.
  ValueRange range() const;

 private:
  struct Sample {
    uint64_t place;  // evenly distributed
    double value;
  };
  template <class T>
  void add_row(const Raster& raster, int64_t row, const Invalid& invalid, std::optional<int> without);
  void keep(std::span<const Sample> found);
  uint64_t most() const;

  std::vector<Sample> kept_;
  uint64_t most_ = UINT64_MAX;  // places up to here are kept
  uint64_t image_ = 0;
};

}  // namespace sr

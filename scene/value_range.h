// The ranges of a scene's bands, measured over their samples.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "idn/value_ranges.h"
#include "io/raster.h"
#include "io/tiff/input/reader.h"
#include "scene/tile/nodata.h"

namespace sr {

/// The range that follows from the samples' type alone: 0..255 for u8, -128..127 for i8, 0..2^bits-1 for
/// samples of 9 to 15 bits; none for others.
std::optional<ValueRange> range_of_type(const TiffInfo& info);

/// Collects samples and tells, band by band, between which values nearly all of them lie. Of many, it looks
/// at those of a million pixels that their places alone decide, so it does not matter in which windows and in
/// which order they come, nor which other bands there are; of these it keeps the lowest and the highest, as
/// they are, of any type and magnitude. Least and largest value are of all samples.
class RangeMeter {
 public:
  /// `bands` without alpha; with 1, all bands of what is added count as one. `pixels`: how many will come.
  /// With `expected`, one for all bands or one for each, it counts what the network would not see of such a
  /// range.
  explicit RangeMeter(int bands = 1, int64_t pixels = 0, ValueRanges expected = {});

  /// Counts the samples that are a picture; `without` is the alpha band, which is not.
  void add(const Raster& raster, const Invalid& invalid, std::optional<int> without);

  /// Adds what another meter of the same construction has counted.
  void add(const RangeMeter& other);

  /// What follows is another image, whose places are others.
  void next_image() { ++image_; }

  int bands() const { return static_cast<int>(found_.size()); }

  /// From the least to the largest value, but at most one width beyond what lies between the 0.1 and the 99.9
  /// percentile: the network knows little of what is beyond its range, and a few stray samples must not
  /// squeeze the others. 0..1 if nothing was counted. If all samples are the same, a range that begins with
  /// their value and is so narrow that a residual vanishes in it.
  ValueRange range(int band = 0) const;
  ValueRanges ranges() const;

  /// The least and the largest of all samples; least > largest if there was none.
  double least(int band) const { return found_[static_cast<size_t>(band)].least; }
  double largest(int band) const { return found_[static_cast<size_t>(band)].largest; }
  /// Whether every sample was the same (or there was none).
  bool is_constant(int band) const { return !(least(band) < largest(band)); }

  /// Share of the band's samples that the network would not see, by the range that was expected.
  double unseen(int band) const;
  /// Share of those that lie beyond the range that was expected; the network sees most of them.
  double outside(int band) const;

 private:
  struct Sample {
    int band;
    double value;
  };
  // Of one band.
  struct Found {
    std::vector<double> lowest, highest;         // heaps: the one to give up next in front
    int64_t count = 0, outside = 0, unseen = 0;  // of those looked at
    double least = std::numeric_limits<double>::infinity();
    double largest = -std::numeric_limits<double>::infinity();

    void keep(double value, const ValueRange* expected);
    void keep_end(double value);
    double share(int64_t of_them) const;
  };
  template <class T>
  void add_row(const Raster& raster, int64_t row, const Invalid& invalid, int without);
  void keep(std::span<const Sample> samples);
  void keep_extremes(std::span<const ValueRange> extremes);

  std::vector<Found> found_;
  ValueRanges expected_;
  uint64_t most_;  // places up to here are looked at
  uint64_t image_ = 0;
};

}  // namespace sr

// Which sample values a network sees as 0 and 1, band by band.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sr {

/// Sample values that the net sees as 0 and 1.
struct ValueRange {
  double low = 0;                                      ///< becomes 0
  double high = 255;                                   ///< becomes 1
  double width() const { return high - low; }          ///< from one to the other
  bool operator==(const ValueRange&) const = default;  ///< of both
};

/// The range of each band; a single one is all bands'.
using ValueRanges = std::vector<ValueRange>;

/// That of a band, counted from 0.
inline const ValueRange& range_of(const ValueRanges& ranges, int64_t band) {
  return ranges[ranges.size() == 1 ? 0 : static_cast<size_t>(band)];
}

/// LOW, HIGH or LOW, HIGH, LOW, HIGH, ...: how ranges are written in files and options. Errors: format (not
/// whole pairs, or one whose first number is not the smaller).
ValueRanges ranges_from(const std::vector<double>& numbers);

/// The same back: one pair if all ranges are the same.
std::vector<double> numbers_of(const ValueRanges& ranges);

constexpr size_t kMostTold = 8;  ///< different ranges in a line for people

/// "0..255", or "0.02..0.42 (bands 1-3), 12..2800 (band 4)" for people; `bands` are the numbers of those that
/// the ranges belong to, from 0 (empty: 0, 1, 2, ...). Beyond `most` different ranges the rest is counted.
std::string text_of(const ValueRanges& ranges, const std::vector<int>& bands = {}, size_t most = SIZE_MAX);

/// "band 4", "bands 1-3", "bands 1-3, 5": bands whose numbers count from 0, as people count them.
std::string named(const std::vector<int>& bands);

/// One range from the lowest low to the highest high, for each of them.
ValueRanges common(ValueRanges ranges);

/// Ranges for a network that takes all bands together and knows how one compares with another: those that
/// overlap by at least half of the wider become their common range, as do those that are linked by others.
/// Bands in other units keep their own.
ValueRanges joined(const ValueRanges& ranges);

}  // namespace sr

#include "idn/value_ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr double kLeastOverlap = 0.5;  // of the wider range

bool belong_together(const ValueRange& a, const ValueRange& b) {
  const double overlap = std::min(a.high, b.high) - std::max(a.low, b.low);
  return overlap >= kLeastOverlap * std::max(a.width(), b.width());
}

std::string text_of(const ValueRange& range) {
  char text[80];
  std::snprintf(text, sizeof text, "%.10g..%.10g", range.low, range.high);
  return text;
}

}  // namespace

std::string named(const std::vector<int>& bands) {
  std::string text = bands.size() == 1 ? "band " : "bands ";
  for (size_t first = 0; first < bands.size();) {
    size_t last = first;
    while (last + 1 < bands.size() && bands[last + 1] == bands[last] + 1) ++last;
    text += (first > 0 ? ", " : "") + std::to_string(bands[first] + 1);
    if (last > first) text += "-" + std::to_string(bands[last] + 1);
    first = last + 1;
  }
  return text;
}

ValueRanges ranges_from(const std::vector<double>& numbers) {
  ValueRanges ranges;
  for (size_t i = 0; i + 1 < numbers.size(); i += 2) ranges.push_back({numbers[i], numbers[i + 1]});
  const auto usable = [](const ValueRange& r) { return r.low < r.high && std::isfinite(r.width()); };
  if (ranges.empty() || numbers.size() % 2 != 0 || !std::all_of(ranges.begin(), ranges.end(), usable))
    throw Error(Error::Kind::format,
                "value_range must be two numbers, the lower first, or two for each band: "
                "LOW,HIGH,LOW,HIGH,...");
  return ranges;
}

std::vector<double> numbers_of(const ValueRanges& ranges) {
  const bool all_same =
      std::all_of(ranges.begin(), ranges.end(), [&](const ValueRange& r) { return r == ranges[0]; });
  std::vector<double> numbers;
  for (const ValueRange& range : ranges) {
    numbers.insert(numbers.end(), {range.low, range.high});
    if (all_same) break;
  }
  return numbers;
}

std::string text_of(const ValueRanges& ranges, const std::vector<int>& bands, size_t most) {
  std::vector<bool> told(ranges.size());
  std::string text;
  size_t count = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (told[i]) continue;
    if (count++ == most) {
      const auto rest = std::count(told.begin(), told.end(), false);
      return text + ", and those of " + std::to_string(rest) + (rest == 1 ? " more band" : " more bands");
    }
    std::vector<int> same;
    for (size_t k = i; k < ranges.size(); ++k)
      if (ranges[k] == ranges[i])
        same.push_back(bands.empty() ? static_cast<int>(k) : bands[k]), told[k] = true;
    text += (text.empty() ? "" : ", ") + text_of(ranges[i]);
    if (same.size() < ranges.size()) text += " (" + named(same) + ")";
  }
  return text;
}

ValueRanges common(ValueRanges ranges) {
  ValueRange all = ranges.at(0);
  for (const ValueRange& r : ranges) all = {std::min(all.low, r.low), std::max(all.high, r.high)};
  std::fill(ranges.begin(), ranges.end(), all);
  return ranges;
}

ValueRanges joined(const ValueRanges& ranges) {
  std::vector<size_t> group(ranges.size());
  std::iota(group.begin(), group.end(), size_t{0});
  for (size_t i = 0; i < ranges.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (group[i] != group[k] && belong_together(ranges[i], ranges[k]))
        std::replace(group.begin(), group.end(), group[i], group[k]);
  ValueRanges result = ranges;
  for (size_t g = 0; g < ranges.size(); ++g) {
    ValueRanges members;
    for (size_t i = 0; i < ranges.size(); ++i)
      if (group[i] == g) members.push_back(ranges[i]);
    if (members.empty()) continue;
    const ValueRange all = common(members)[0];
    for (size_t i = 0; i < ranges.size(); ++i)
      if (group[i] == g) result[i] = all;
  }
  return result;
}

}  // namespace sr

#include "scene/value_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "scene/tile/tile.h"

namespace sr {
namespace {

constexpr double kLookedAt = 1 << 20;  // pixels: some 1050 samples lie outside each percentile
constexpr double kTail = 0.001;
constexpr size_t kKept = 4096;  // at each end: tails of three bands counted as one, and chance
constexpr size_t kFound = 256;  // by one thread, before they are kept

// Vigna's splitmix64: every bit of the result depends on every bit of x.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The heap keeps the kKept values that come first in the order of `before`.
template <class Before>
void keep_first(std::vector<double>& heap, double value, Before before) {
  if (heap.size() == kKept) {
    if (!before(value, heap.front())) return;
    std::pop_heap(heap.begin(), heap.end(), before);
    heap.back() = value;
  } else {
    heap.push_back(value);
  }
  std::push_heap(heap.begin(), heap.end(), before);
}

// The value with `rank` others before it.
template <class Before>
double nth(std::vector<double> values, size_t rank, Before before) {
  rank = std::min(rank, values.size() - 1);
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(rank), values.end(), before);
  return values[rank];
}

}  // namespace

std::optional<ValueRange> range_of_type(const TiffInfo& info) {
  if (info.type == SampleType::u8) return ValueRange{0, std::exp2(std::min(info.significant_bits, 8)) - 1};
  if (info.type == SampleType::i8) return ValueRange{-128, 127};
  if (info.type == SampleType::u16 && info.significant_bits < 16)
    return ValueRange{0, std::exp2(info.significant_bits) - 1};
  return {};
}

RangeMeter::RangeMeter(int bands, int64_t pixels, ValueRanges expected)
    : found_(static_cast<size_t>(bands)), expected_(std::move(expected)) {
  const double share = kLookedAt / std::max(kLookedAt, static_cast<double>(pixels));
  most_ = share < 1 ? static_cast<uint64_t>(share * 0x1p64) : UINT64_MAX;
}

void RangeMeter::Found::keep_end(double value) {
  keep_first(lowest, value, std::less<>());
  keep_first(highest, value, std::greater<>());
}

void RangeMeter::Found::keep(double value, const ValueRange* expected) {
  ++count;
  keep_end(value);
  if (!expected) return;
  const double seen = (value - expected->low) / expected->width();
  if (!(seen >= 0 && seen <= 1)) ++outside;
  if (!(seen >= kLowestInput && seen <= kHighestInput)) ++unseen;
}

// What is kept does not depend on the order in which they come, so threads need not wait for each other's
// turn.
void RangeMeter::keep(std::span<const Sample> samples) {
#pragma omp critical(range_meter)
  for (const Sample& s : samples)
    found_[static_cast<size_t>(s.band)].keep(s.value,
                                             expected_.empty() ? nullptr : &range_of(expected_, s.band));
}

void RangeMeter::keep_extremes(std::span<const ValueRange> extremes) {
#pragma omp critical(range_meter)
  for (size_t band = 0; band < extremes.size(); ++band) {
    found_[band].least = std::min(found_[band].least, extremes[band].low);
    found_[band].largest = std::max(found_[band].largest, extremes[band].high);
  }
}

template <class T>
void RangeMeter::add_row(const Raster& raster, int64_t row, const Invalid& invalid, int without) {
  const Window& window = raster.window;
  const uint64_t line = mixed(mixed(image_) + static_cast<uint64_t>(window.y + row));
  const int64_t first = row * window.w * raster.bands;
  const T* samples = raster.data<T>() + first;
  const uint8_t* hole = invalid.empty() ? nullptr : invalid.data() + first;
  const bool as_one = found_.size() == 1;
  std::array<Sample, kFound> list;
  size_t n = 0;
  std::vector<ValueRange> extremes(
      found_.size(), {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()});
  for (int64_t x = 0; x < window.w; ++x, samples += raster.bands) {
    const bool looked_at = mixed(line + static_cast<uint64_t>(window.x + x)) <= most_;
    for (int b = 0, band = 0; b < raster.bands; ++b) {
      if (b == without) continue;
      const int to = as_one ? 0 : band++;
      if (hole && hole[x * raster.bands + b]) continue;
      // No -0: whether it or 0 is the first of the same values would be chance.
      const double value = static_cast<double>(samples[b]) + 0.0;
      ValueRange& ends = extremes[static_cast<size_t>(to)];
      ends = {std::min(ends.low, value), std::max(ends.high, value)};
      if (!looked_at) continue;
      list[n++] = {to, value};
      if (n == kFound) keep(list), n = 0;
    }
  }
  keep({list.data(), n});
  keep_extremes(extremes);
}

void RangeMeter::add(const Raster& raster, const Invalid& invalid, std::optional<int> without) {
  constexpr int64_t kWorthThreads = 1 << 16;
  for (Found& f : found_) f.lowest.reserve(kKept), f.highest.reserve(kKept);  // a thread may not throw
  with_sample_type(raster.type, [&](auto zero) {
#pragma omp parallel for schedule(static) if (raster.window.pixels() > kWorthThreads)
    for (int64_t row = 0; row < raster.window.h; ++row)
      add_row<decltype(zero)>(raster, row, invalid, without.value_or(-1));
  });
}

void RangeMeter::add(const RangeMeter& other) {
  for (size_t band = 0; band < found_.size(); ++band) {
    Found& to = found_[band];
    const Found& from = other.found_[band];
    for (const double value : from.lowest) keep_first(to.lowest, value, std::less<>());
    for (const double value : from.highest) keep_first(to.highest, value, std::greater<>());
    to.count += from.count, to.outside += from.outside, to.unseen += from.unseen;
    to.least = std::min(to.least, from.least), to.largest = std::max(to.largest, from.largest);
  }
}

ValueRange RangeMeter::range(int band) const {
  const Found& f = found_[static_cast<size_t>(band)];
  if (f.least > f.largest) return {0, 1};
  ValueRange range{f.least, f.largest};
  if (f.count > 0) {
    const auto tail = static_cast<size_t>(kTail * static_cast<double>(f.count));
    const ValueRange inner{nth(f.lowest, tail, std::less<>()), nth(f.highest, tail, std::greater<>())};
    if (inner.low < inner.high)
      range = {std::max(f.least, inner.low - inner.width()), std::min(f.largest, inner.high + inner.width())};
  }
  if (!(range.low < range.high)) range.high = range.low + std::max(std::abs(range.low) * 0x1p-20, 1e-20);
  return range;
}

ValueRanges RangeMeter::ranges() const {
  ValueRanges list;
  for (int band = 0; band < bands(); ++band) list.push_back(range(band));
  return list;
}

double RangeMeter::Found::share(int64_t of_them) const {
  return count > 0 ? static_cast<double>(of_them) / static_cast<double>(count) : 0;
}

double RangeMeter::unseen(int band) const {
  const Found& f = found_[static_cast<size_t>(band)];
  return f.share(f.unseen);
}

double RangeMeter::outside(int band) const {
  const Found& f = found_[static_cast<size_t>(band)];
  return f.share(f.outside);
}

}  // namespace sr

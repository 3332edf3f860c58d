#include "scene/value_range.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sr {
namespace {

constexpr size_t kMostKept = size_t{1} << 18;  // some 260 samples lie outside each percentile
constexpr size_t kFound = 256;                 // by one thread, before they are kept
constexpr double kTail = 0.001;

// Vigna's splitmix64: every bit of the result depends on every bit of x.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

std::optional<ValueRange> range_of_type(const TiffInfo& info) {
  if (info.type == SampleType::u8) return ValueRange{0, std::exp2(std::min(info.significant_bits, 8)) - 1};
  if (info.type == SampleType::i8) return ValueRange{-128, 127};
  if (info.type == SampleType::u16 && info.significant_bits < 16)
    return ValueRange{0, std::exp2(info.significant_bits) - 1};
  return {};
}

// Which are kept does not depend on the order in which they come, so threads need not wait for each other's
// turn.
void RangeMeter::keep(std::span<const Sample> found) {
#pragma omp critical(range_meter)
  for (const Sample& sample : found) {
    if (sample.place <= most_) kept_.push_back(sample);
    while (kept_.size() > kMostKept) {
      const uint64_t half = most_ / 2;
#pragma omp atomic write
      most_ = half;
      std::erase_if(kept_, [this](const Sample& s) { return s.place > most_; });
    }
  }
}

uint64_t RangeMeter::most() const {
  uint64_t most = 0;
#pragma omp atomic read
  most = most_;
  return most;
}

template <class T>
void RangeMeter::add_row(const Raster& raster, int64_t row, const Invalid& invalid,
                         std::optional<int> without) {
  const Window& window = raster.window;
  const uint64_t line = mixed(mixed(image_) + static_cast<uint64_t>(window.y + row));
  const int64_t count = window.w * raster.bands, first = row * count;
  const T* const samples = raster.data<T>() + first;
  std::array<Sample, kFound> found;
  size_t n = 0;
  uint64_t most = this->most();
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t place = mixed(line + static_cast<uint64_t>(window.x * raster.bands + i));
    if (place > most || i % raster.bands == without.value_or(-1)) continue;
    if (!invalid.empty() && invalid[static_cast<size_t>(first + i)]) continue;
    found[n++] = {place,
                  static_cast<double>(samples[i]) + 0.0};  // no -0, whose place among 0 would be chance
    if (n < kFound) continue;
    keep(found);
    n = 0, most = this->most();
  }
  if (n > 0) keep({found.data(), n});
}

void RangeMeter::add(const Raster& raster, const Invalid& invalid, std::optional<int> without) {
  constexpr int64_t kWorthThreads = 1 << 16;
  kept_.reserve(kMostKept + 1);  // nothing may be thrown by a thread
  with_sample_type(raster.type, [&](auto zero) {
#pragma omp parallel for schedule(static) if (raster.window.pixels() > kWorthThreads)
    for (int64_t row = 0; row < raster.window.h; ++row)
      add_row<decltype(zero)>(raster, row, invalid, without);
  });
}

ValueRange RangeMeter::range() const {
  if (kept_.empty()) return {0, 1};
  std::vector<double> values;
  for (const Sample& sample : kept_) values.push_back(sample.value);
  std::sort(values.begin(), values.end());
  const auto tail = static_cast<size_t>(kTail * static_cast<double>(values.size()));
  ValueRange range{values[tail], values[values.size() - 1 - tail]};
  if (!(range.low < range.high)) range.high = range.low + std::max(std::abs(range.low) * 0x1p-20, 1e-20);
  return range;
}

}  // namespace sr

#include "idn/value_range.h"

#include <bit>
#include <cmath>

namespace sr {
namespace {

constexpr int64_t kKeys = 1 << 16;
constexpr double kTail = 0.001;

// Floats in ascending order have ascending keys: sign and magnitude made into an unsigned number.
uint32_t key_of(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  return ((u & 0x80000000u) ? ~u : u | 0x80000000u) >> 16;
}

// The smallest float with this key.
double value_of(int64_t key) {
  const auto k = static_cast<uint32_t>(key) << 16;
  return double{std::bit_cast<float>((k & 0x80000000u) ? k & 0x7fffffffu : ~k)};
}

}  // namespace

std::optional<ValueRange> range_of_type(const TiffInfo& info) {
  if (info.type == SampleType::u8) return ValueRange{0, 255};
  if (info.type == SampleType::i8) return ValueRange{-128, 127};
  if (info.type == SampleType::u16 && info.significant_bits < 16)
    return ValueRange{0, std::exp2(info.significant_bits) - 1};
  return {};
}

RangeMeter::RangeMeter() : counts_(kKeys, 0) {}

void RangeMeter::add(const Raster& raster, const Invalid& invalid, std::optional<int> without) {
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    const int64_t size = raster.window.pixels() * raster.bands;
    for (int64_t i = 0; i < size; ++i) {
      if (i % raster.bands == without.value_or(-1)) continue;
      if (!invalid.empty() && invalid[static_cast<size_t>(i)]) continue;
      ++counts_[key_of(static_cast<float>(samples[i]))];
    }
  });
}

ValueRange RangeMeter::range() const {
  int64_t total = 0;
  for (const int64_t count : counts_) total += count;
  if (total == 0) return {0, 1};
  const auto tail = static_cast<int64_t>(kTail * static_cast<double>(total));
  int64_t low = 0, high = kKeys - 1;
  for (int64_t seen = counts_[static_cast<size_t>(low)]; seen <= tail;
       seen += counts_[static_cast<size_t>(low)])
    ++low;
  for (int64_t seen = counts_[static_cast<size_t>(high)]; seen <= tail;
       seen += counts_[static_cast<size_t>(high)])
    --high;
  ValueRange range{value_of(low), value_of(high)};
  if (!(range.low < range.high)) range.high = range.low + std::max(1.0, std::abs(range.low));
  return range;
}

}  // namespace sr

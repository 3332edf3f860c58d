#include "idn/value_range.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sr {
namespace {

// Bits of a key: sign, exponent and 13 bits of the mantissa, so that values are kept to 2^-13 of themselves.
constexpr int kKeyBits = 22;
constexpr int kPageBits = 6;
constexpr double kTail = 0.001;

// Floats in ascending order have ascending keys: sign and magnitude made into an unsigned number.
uint32_t key_of(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  return ((u & 0x80000000u) ? ~u : u | 0x80000000u) >> (32 - kKeyBits);
}

// The smallest float with this key.
double value_of(int64_t key) {
  const uint32_t k = static_cast<uint32_t>(key) << (32 - kKeyBits);
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

RangeMeter::RangeMeter() : pages_(size_t{1} << (kKeyBits - kPageBits)) {}

void RangeMeter::count(float value) {
  const uint32_t key = key_of(value);
  std::vector<int64_t>& page = pages_[key >> kPageBits];
  if (page.empty()) page.resize(size_t{1} << kPageBits, 0);
  ++page[key & ((1u << kPageBits) - 1)];
  ++total_;
}

void RangeMeter::add(const Raster& raster, const Invalid& invalid, std::optional<int> without) {
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    const int64_t size = raster.window.pixels() * raster.bands;
    for (int64_t i = 0; i < size; ++i) {
      if (i % raster.bands == without.value_or(-1)) continue;
      if (!invalid.empty() && invalid[static_cast<size_t>(i)]) continue;
      count(static_cast<float>(samples[i]));
    }
  });
}

double RangeMeter::value_at(int64_t rank) const {
  int64_t seen = 0, key = 0;
  for (const std::vector<int64_t>& page : pages_) {
    for (size_t i = 0; i < page.size(); ++i)
      if ((seen += page[i]) > rank) return value_of(key + static_cast<int64_t>(i));
    key += int64_t{1} << kPageBits;
  }
  return 0;
}

ValueRange RangeMeter::range() const {
  if (total_ == 0) return {0, 1};
  const auto tail = static_cast<int64_t>(kTail * static_cast<double>(total_));
  ValueRange range{value_at(tail), value_at(total_ - 1 - tail)};
  if (!(range.low < range.high)) range.high = range.low + std::max(1.0, std::abs(range.low));
  return range;
}

}  // namespace sr

#include "idn/value_range.h"

#include <algorithm>
#include <cmath>

namespace sr {
namespace {

constexpr size_t kMostKept = size_t{1} << 18;  // some 260 samples lie outside each percentile
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
  if (info.type == SampleType::u8) return ValueRange{0, 255};
  if (info.type == SampleType::i8) return ValueRange{-128, 127};
  if (info.type == SampleType::u16 && info.significant_bits < 16)
    return ValueRange{0, std::exp2(info.significant_bits) - 1};
  return {};
}

void RangeMeter::keep(const Sample& sample) {
  kept_.push_back(sample);
  while (kept_.size() > kMostKept) {
    most_ /= 2;
    std::erase_if(kept_, [this](const Sample& s) { return s.place > most_; });
  }
}

void RangeMeter::add(const Raster& raster, const Invalid& invalid, std::optional<int> without) {
  const auto& [x, y, w, h] = raster.window;
  const int bands = raster.bands;
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    for (int64_t row = 0; row < h; ++row) {
      const uint64_t line = mixed(mixed(image_) + static_cast<uint64_t>(y + row));
      for (int64_t i = row * w * bands; i < (row + 1) * w * bands; ++i) {
        const auto in_line = static_cast<uint64_t>(x * bands + i - row * w * bands);
        const uint64_t place = mixed(line + in_line);
        if (place > most_ || i % bands == without.value_or(-1)) continue;
        if (!invalid.empty() && invalid[static_cast<size_t>(i)]) continue;
        keep({place, static_cast<double>(samples[i])});
      }
    }
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

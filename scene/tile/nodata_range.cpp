#include "scene/tile/nodata_range.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace sr {
namespace {

template <class T>
bool gdal_equal(T a, T b) {
  constexpr T kEpsilon = static_cast<T>(std::numeric_limits<float>::epsilon());
  return a == b || std::abs(a - b) < kEpsilon * std::abs(a + b) * 2;
}

// Floats numbered in their order; 0 and -0 are both number 0.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

template <class T>
int64_t number_of(T value) {
  const auto bits = std::bit_cast<Bits<T>>(value);
  return bits < 0 ? int64_t{std::numeric_limits<Bits<T>>::min()} - bits : bits;
}

template <class T>
T float_of(int64_t number) {
  return number < 0 ? -std::bit_cast<T>(static_cast<Bits<T>>(-number))
                    : std::bit_cast<T>(static_cast<Bits<T>>(number));
}

// The nearest float above n that n does not hide, or infinity.
template <class T>
double first_seen_above(T n) {
  const int64_t last = number_of(std::numeric_limits<T>::max());
  const auto hidden = [&](int64_t number) { return gdal_equal(float_of<T>(number), n); };
  // Unsigned, as there are more than 2^63 numbers from the lowest to the largest.
  const auto between = [](int64_t low, int64_t high) {
    return static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  };
  const auto further = [](int64_t number, uint64_t step) {
    return static_cast<int64_t>(static_cast<uint64_t>(number) + step);
  };
  int64_t low = number_of(n);
  uint64_t step = 1;
  while (step <= between(low, last) && hidden(further(low, step))) low = further(low, step), step *= 2;
  int64_t high = step <= between(low, last) ? further(low, step) : last;
  if (high == low || hidden(high)) return NodataRange::kNone;
  while (between(low, high) > 1) {
    const int64_t middle = further(low, between(low, high) / 2);
    (hidden(middle) ? low : high) = middle;
  }
  return static_cast<double>(float_of<T>(high));
}

}  // namespace

std::optional<NodataRange> nodata_range(std::optional<double> nodata, SampleType type) {
  if (!nodata || !std::isfinite(*nodata)) return {};
  return with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    NodataRange range{.nodata = *nodata};
    if constexpr (std::is_floating_point_v<T>) {
      range.below = -first_seen_above(static_cast<T>(-*nodata));
      range.above = first_seen_above(static_cast<T>(*nodata));
    } else {
      if (*nodata > static_cast<double>(std::numeric_limits<T>::lowest())) range.below = *nodata - 1;
      if (*nodata < static_cast<double>(std::numeric_limits<T>::max())) range.above = *nodata + 1;
    }
    return std::optional(range);
  });
}

}  // namespace sr

#include "io/raster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace sr {
namespace {

// As standard C++ rounds and clamps.
template <class T>
T expected(double value) {
  return static_cast<T>(std::clamp(std::round(value), static_cast<double>(std::numeric_limits<T>::lowest()),
                                   static_cast<double>(std::numeric_limits<T>::max())));
}

template <class T>
void check_around(double middle) {
  double value = middle;
  for (int i = 0; i < 3; ++i) value = std::nextafter(value, -INFINITY);
  for (int i = 0; i < 7; ++i, value = std::nextafter(value, INFINITY))
    EXPECT_EQ(to_sample<T>(value), expected<T>(value)) << std::hexfloat << value;
}

TEST(Raster, SamplesAreRoundedHalfAwayFromZeroAndClamped) {
  for (int type = 0; type <= static_cast<int>(SampleType::i32); ++type)
    with_sample_type(static_cast<SampleType>(type), [](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_integral_v<T>) {
        for (const double base : {0.0, static_cast<double>(std::numeric_limits<T>::lowest()),
                                  static_cast<double>(std::numeric_limits<T>::max())})
          for (int halves = -9; halves <= 9; ++halves) check_around<T>(base + halves * 0.5);
        for (const double far : {-1e300, -1e10, 1e10, 1e300}) EXPECT_EQ(to_sample<T>(far), expected<T>(far));
      }
    });
  EXPECT_EQ(to_sample<uint8_t>(0.49999999999999994), 0) << "adding one half makes 1 of it";
  EXPECT_EQ(to_sample<int8_t>(-2.5), -3);
  EXPECT_EQ(to_sample<float>(1e300), std::numeric_limits<float>::max());
}

}  // namespace
}  // namespace sr

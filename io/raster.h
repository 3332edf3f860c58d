// Samples of a picture as a file holds them: a window of pixels in the file's own sample type.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace sr {

/// Rectangle of pixels: columns x .. x+w-1, rows y .. y+h-1.
struct Window {
  int64_t x = 0;                                   ///< the first column
  int64_t y = 0;                                   ///< the first row
  int64_t w = 0;                                   ///< columns
  int64_t h = 0;                                   ///< rows
  int64_t pixels() const { return w * h; }         ///< how many
  bool operator==(const Window&) const = default;  ///< the same rectangle
};

/// How a sample is stored: unsigned, signed or floating, and its bits.
enum class SampleType : uint8_t { u8, i8, u16, i16, u32, i32, f32, f64 };

/// Calls f with a value of the C++ type that belongs to `type`: with_sample_type(t, [&](auto zero) { ... }).
template <class F>
decltype(auto) with_sample_type(SampleType type, F&& f) {
  switch (type) {
    case SampleType::u8:
      return f(uint8_t{});
    case SampleType::i8:
      return f(int8_t{});
    case SampleType::u16:
      return f(uint16_t{});
    case SampleType::i16:
      return f(int16_t{});
    case SampleType::u32:
      return f(uint32_t{});
    case SampleType::i32:
      return f(int32_t{});
    case SampleType::f32:
      return f(float{});
    case SampleType::f64:
      return f(double{});
  }
  throw Error(Error::Kind::usage, "sample type: value ", static_cast<int>(type), " is none of the eight");
}

/// Of one sample.
inline int64_t bytes_of(SampleType type) {
  return with_sample_type(type, [](auto zero) { return static_cast<int64_t>(sizeof(zero)); });
}

/// "u8", "i16", "f32", ...
inline const char* name_of(SampleType type) {
  constexpr const char* kNames[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"};
  return kNames[static_cast<int>(type)];
}

/// The sample nearest to a value: rounded half away from zero, clamped to the type.
template <class T>
T to_sample(double value) {
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::lowest());
  constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
  const double inside = std::clamp(value, kLow, kHigh);
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(inside);
  // What std::round gives, but no call for each sample: the number just below one half lifts halves, and
  // nothing else, to the next integer, of which the cast cuts off the rest.
  constexpr double kBelowHalf = 0x1.fffffffffffffp-2;
  return static_cast<T>(inside + std::copysign(kBelowHalf, inside));
}

/// The samples of one window, in [row][column][band] order and the machine's byte order.
struct Raster {
  Window window;                     ///< where the pixels lie in the picture
  int bands = 0;                     ///< samples of a pixel
  SampleType type = SampleType::u8;  ///< of all bands
  std::vector<std::byte> samples;    ///< window.pixels() * bands of them
  /// One byte a pixel, zero where the file's mask page says there is no picture; empty if it has no such
  /// page.
  std::vector<uint8_t> mask;

  Raster() = default;
  /// Of zeros, without a mask.
  Raster(Window w, int bands_, SampleType type_)
      : window(w),
        bands(bands_),
        type(type_),
        samples(static_cast<size_t>(w.pixels() * bands_ * bytes_of(type_))) {}

  /// The first sample; T is the C++ type of `type`.
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(samples.data());
  }
  /// The same.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(samples.data());
  }
};

/// The samples of `window`, which lies within the raster's own, with its mask if there is one. They are put
/// into the memory of `spare`, whatever it holds.
Raster cut(const Raster& whole, const Window& window, std::vector<std::byte> spare = {});

/// Puts the samples of a part where they belong. Masks are left alone.
void paste(Raster& whole, const Raster& part);

}  // namespace sr

#include "scene/invented/procedural_scene.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "scene/invented/landscape.h"

namespace sr {
namespace {

void check(const ProceduralScene& scene, const Window& w) {
  if (scene.width < 1 || scene.height < 1 || scene.bands < 1) {
    throw Error(Error::Kind::usage, "a scene of ", scene.width, " x ", scene.height, " pixels and ",
                scene.bands, " bands: each must be at least 1");
  }
  if (scene.samples < 1 || scene.samples > 16)
    throw Error(Error::Kind::usage, "a scene of ", scene.samples, " samples across a pixel: want 1 to 16");
  if (w.x < 0 || w.y < 0 || w.w < 1 || w.h < 1 || w.x > scene.width - w.w || w.y > scene.height - w.h) {
    throw Error(Error::Kind::usage, "a window of ", w.w, " x ", w.h, " pixels at (", w.x, ", ", w.y,
                ") of a scene of ", scene.width, " x ", scene.height, ": it must lie inside");
  }
}

/// Whether a pixel is in the turned rectangle whose corners touch the edges of the picture.
class TurnedFrame {
 public:
  explicit TurnedFrame(const ProceduralScene& scene)
      : middle_x_(static_cast<double>(scene.width) / 2), middle_y_(static_cast<double>(scene.height) / 2) {
    // Half sides a, b of the rectangle: a c + b s = half the width, a s + b c = half the height.
    const double squares = cos_ * cos_ - sin_ * sin_;
    half_a_ = std::max((middle_x_ * cos_ - middle_y_ * sin_) / squares, 0.6 * middle_x_);
    half_b_ = std::max((middle_y_ * cos_ - middle_x_ * sin_) / squares, 0.6 * middle_y_);
  }

  bool holds(int64_t x, int64_t y) const {
    const double dx = static_cast<double>(x) + 0.5 - middle_x_, dy = static_cast<double>(y) + 0.5 - middle_y_;
    return std::abs(dx * cos_ + dy * sin_) < half_a_ && std::abs(dy * cos_ - dx * sin_) < half_b_;
  }

 private:
  static constexpr double kAngle = 0.13;
  double cos_ = std::cos(kAngle), sin_ = std::sin(kAngle);
  double middle_x_, middle_y_, half_a_ = 0, half_b_ = 0;
};

float band_of(const Reflectance& r, int band, int bands) {
  if (bands == 1) return 0.3f * r.red + 0.5f * r.green + 0.2f * r.blue;
  if (bands == 2) return band == 0 ? r.red : r.infrared;
  switch (band) {
    case 0:
      return r.red;
    case 1:
      return r.green;
    case 2:
      return r.blue;
    case 3:
      return r.infrared;
    default: {
      // Further bands lie between red and infrared (red edge) or beyond it, where dry ground is bright.
      const float edge = static_cast<float>(band - 3) / static_cast<float>(bands - 3);
      return band % 2 == 0 ? r.red + (r.infrared - r.red) * edge
                           : std::clamp(0.2f + r.red - 0.4f * edge * (r.infrared - r.red), 0.0f, 1.0f);
    }
  }
}

template <class T>
T sample_of(float brightness) {
  const double b = std::clamp(static_cast<double>(brightness), 0.0, 1.0);
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(b);
  const bool bytes = sizeof(T) == 1;
  const double low = bytes ? std::numeric_limits<T>::min() : std::is_signed_v<T> ? -400 : 200;
  return static_cast<T>(std::lround(low + b * (bytes ? 255 : std::is_signed_v<T> ? 3000 : 2800)));
}

template <class T>
T nodata_sample(double value) {
  constexpr auto kLow = static_cast<double>(std::numeric_limits<T>::lowest());
  constexpr auto kHigh = static_cast<double>(std::numeric_limits<T>::max());
  const bool in_range = value >= kLow && value <= kHigh;
  const bool fits = std::is_floating_point_v<T> ? in_range || !std::isfinite(value)
                                                : in_range && std::trunc(value) == value;
  if (fits) return static_cast<T>(value);
  throw Error(Error::Kind::usage, "a nodata value of ", value, ": the samples are ",
              std::is_integral_v<T> ? "whole numbers " : "", "from ", kLow, " to ", kHigh);
}

/// A valid sample that happens to be the nodata value moves to its neighbour.
template <class T>
T apart_from(T sample, T nodata) {
  if (sample != nodata) return sample;
  if constexpr (std::is_floating_point_v<T>) return std::nextafter(sample, sample < T{0.5} ? T{1} : T{0});
  return static_cast<T>(sample == std::numeric_limits<T>::max() ? sample - 1 : sample + 1);
}

// The mean over one pixel, as a sensor sees it.
Reflectance pixel_of(const ProceduralScene& scene, int64_t x, int64_t y) {
  const double step = 1.0 / scene.samples;
  Reflectance sum{};
  for (int i = 0; i < scene.samples; ++i)
    for (int j = 0; j < scene.samples; ++j) {
      const Reflectance point = landscape(static_cast<double>(x) + (j + 0.5) * step,
                                          static_cast<double>(y) + (i + 0.5) * step, scene.seed);
      sum.red += point.red, sum.green += point.green;
      sum.blue += point.blue, sum.infrared += point.infrared;
    }
  const float share = 1.0f / static_cast<float>(scene.samples * scene.samples);
  return {sum.red * share, sum.green * share, sum.blue * share, sum.infrared * share};
}

template <class T>
void fill_row(const ProceduralScene& scene, const TurnedFrame& frame, T nodata, int64_t y,
              const Window& window, T* to) {
  for (int64_t x = window.x; x < window.x + window.w; ++x, to += scene.bands) {
    if (scene.nodata && !frame.holds(x, y)) {
      std::fill(to, to + scene.bands, nodata);
      continue;
    }
    const Reflectance pixel = pixel_of(scene, x, y);
    for (int band = 0; band < scene.bands; ++band) {
      const T sample = sample_of<T>(band_of(pixel, band, scene.bands));
      to[band] = scene.nodata ? apart_from(sample, nodata) : sample;
    }
  }
}

}  // namespace

Raster procedural_scene(const ProceduralScene& scene, const Window& window) {
  check(scene, window);
  const TurnedFrame frame(scene);
  Raster raster(window, scene.bands, scene.type);
  with_sample_type(scene.type, [&](auto zero) {
    using T = decltype(zero);
    const T nodata = scene.nodata ? nodata_sample<T>(*scene.nodata) : T{};
#pragma omp parallel for schedule(dynamic, 4)
    for (int64_t row = 0; row < window.h; ++row) {
      fill_row(scene, frame, nodata, window.y + row, window, raster.data<T>() + row * window.w * scene.bands);
    }
  });
  return raster;
}

}  // namespace sr

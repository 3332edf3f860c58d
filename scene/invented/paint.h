// Colours, shapes, light and trees, of which the landscape is put together.
#pragma once

#include "scene/invented/landscape.h"
#include "scene/invented/noise.h"

namespace sr::landscape_paint {

using landscape_noise::lerp;

// The sun stands in the upper left; a shadow is as long as its object is high.
inline constexpr float kShadowX = 0.75f, kShadowY = 0.66f;

inline Reflectance mix(const Reflectance& a, const Reflectance& b, float t) {
  return {lerp(a.red, b.red, t), lerp(a.green, b.green, t), lerp(a.blue, b.blue, t),
          lerp(a.infrared, b.infrared, t)};
}

inline Reflectance times(const Reflectance& a, float t) {
  return {a.red * t, a.green * t, a.blue * t, a.infrared * t};
}

/// Shade is lit by the sky only, which is blue.
inline Reflectance shaded(const Reflectance& a, float amount) {
  return mix(a, {a.red * 0.36f, a.green * 0.4f, a.blue * 0.5f, a.infrared * 0.3f}, amount);
}

struct Point {
  float x = 0, y = 0;
};

inline float length_of(float x, float y) {
  return std::sqrt(x * x + y * y);
}

inline Point rotated(Point p, float angle) {
  const float c = std::cos(angle), s = std::sin(angle);
  return {c * p.x + s * p.y, c * p.y - s * p.x};
}

/// Distance to a rectangle around the origin, negative inside.
inline float box_distance(Point p, float half_width, float half_height) {
  const float dx = std::abs(p.x) - half_width, dy = std::abs(p.y) - half_height;
  return length_of(std::max(dx, 0.0f), std::max(dy, 0.0f)) + std::min(std::max(dx, dy), 0.0f);
}

/// What trees do to a point: crown on it, light on the crown, shadow on the ground.
struct Trees {
  float crown = 0, light = 1, shadow = 0, tone = 0;
};

/// Crowns on a jittered grid; `density` is the share of cells that have one.
Trees trees_at(float x, float y, float spacing, float density, uint32_t salt);

/// The ground with crowns over it and their shadows on it.
Reflectance with_trees(const Reflectance& ground, const Trees& trees);

}  // namespace sr::landscape_paint

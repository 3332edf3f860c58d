// Hashes and smooth noise, from which the landscape is made.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sr::landscape_noise {

/// A well mixed 32-bit number for a cell of the plane.
inline uint32_t hash(int32_t x, int32_t y, uint32_t salt) {
  uint32_t h = salt * 0x9e3779b9u ^ static_cast<uint32_t>(x) * 0x85ebca6bu;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du + static_cast<uint32_t>(y) * 0xc2b2ae35u;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

/// The n-th number in 0 .. 1 that follows from a hash.
inline float unit(uint32_t h, uint32_t n = 0) {
  h = (h + n * 0x9e3779b9u) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return static_cast<float>(h >> 8) * (1.0f / 16777216.0f);
}

/// Number number n of a hash, stretched to low .. high.
inline float between(uint32_t h, uint32_t n, float low, float high) {
  return low + (high - low) * unit(h, n);
}

inline float clamp01(float t) {
  return std::clamp(t, 0.0f, 1.0f);
}

inline float smooth(float t) {
  return t * t * (3 - 2 * t);
}

/// How much of a pixel is inside a shape whose edge is `distance` pixels away (negative inside).
inline float coverage(float distance) {
  return smooth(clamp01(0.5f - distance / 1.4f));
}

inline float lerp(float a, float b, float t) {
  return a + (b - a) * t;
}

/// Value noise of 0 .. 1 with one value a unit square.
inline float noise(float x, float y, uint32_t salt) {
  const float fx = std::floor(x), fy = std::floor(y);
  const auto ix = static_cast<int32_t>(fx), iy = static_cast<int32_t>(fy);
  const auto at = [&](int dx, int dy) {
    return static_cast<float>(hash(ix + dx, iy + dy, salt)) * (1.0f / 4294967296.0f);
  };
  const float tx = smooth(x - fx), ty = smooth(y - fy);
  return lerp(lerp(at(0, 0), at(1, 0), tx), lerp(at(0, 1), at(1, 1), tx), ty);
}

}  // namespace sr::landscape_noise

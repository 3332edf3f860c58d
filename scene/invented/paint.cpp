#include "scene/invented/paint.h"

namespace sr::landscape_paint {

using namespace landscape_noise;

Trees trees_at(float x, float y, float spacing, float density, uint32_t salt) {
  const auto cell_x = static_cast<int32_t>(std::floor(x / spacing));
  const auto cell_y = static_cast<int32_t>(std::floor(y / spacing));
  const float ragged = 0.72f + 0.5f * noise(x * 0.45f, y * 0.45f, salt + 1);
  Trees trees;
  float top = -1;
  for (int32_t cy = cell_y - 1; cy <= cell_y + 1; ++cy) {
    for (int32_t cx = cell_x - 1; cx <= cell_x + 1; ++cx) {
      const uint32_t h = hash(cx, cy, salt);
      if (unit(h, 1) >= density) continue;
      const float radius = spacing * between(h, 2, 0.36f, 0.62f) * ragged;
      const float dx = x - (static_cast<float>(cx) + between(h, 3, 0.2f, 0.8f)) * spacing;
      const float dy = y - (static_cast<float>(cy) + between(h, 4, 0.2f, 0.8f)) * spacing;
      const float shade_x = dx - kShadowX * radius, shade_y = dy - kShadowY * radius;
      trees.shadow = std::max(trees.shadow, coverage(length_of(shade_x, shade_y) - radius));
      const float distance = length_of(dx, dy);
      if (distance > radius + 1) continue;
      trees.crown = std::max(trees.crown, coverage(distance - radius));
      const float height =
          std::sqrt(std::max(radius * radius - distance * distance, 0.0f)) + radius * unit(h, 5);
      if (height <= top) continue;
      top = height;
      trees.light = 0.86f - 0.34f * (dx * kShadowX + dy * kShadowY) / radius;
      trees.tone = unit(h, 6);
    }
  }
  if (trees.crown > 0) trees.light *= 0.8f + 0.4f * noise(x * 0.6f, y * 0.6f, salt + 2);
  return trees;
}

Reflectance with_trees(const Reflectance& ground, const Trees& trees) {
  const Reflectance dark{0.13f, 0.22f, 0.10f, 0.50f}, bright{0.29f, 0.36f, 0.15f, 0.68f};
  const Reflectance crown = times(mix(dark, bright, trees.tone), trees.light);
  return mix(shaded(ground, 0.85f * trees.shadow), crown, trees.crown);
}

}  // namespace sr::landscape_paint

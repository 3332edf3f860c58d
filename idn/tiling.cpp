#include "idn/tiling.h"

#include <algorithm>

namespace sr {

Tile TileGrid::operator[](int64_t index) const {
  const Window all = covered();
  const int64_t x = index % columns() * tile_width, y = index / columns() * tile_height;
  const int64_t w = std::min(tile_width, all.w - x), h = std::min(tile_height, all.h - y);
  return tile_around({all.x + x, all.y + y, w, h}, width, height, margin);
}

Tile tile_around(const Window& core, int64_t width, int64_t height, const Reach& margin) {
  const int64_t left = std::max<int64_t>(0, core.x - margin.before);
  const int64_t top = std::max<int64_t>(0, core.y - margin.before);
  const int64_t right = std::min(width, core.x + core.w + margin.after);
  const int64_t bottom = std::min(height, core.y + core.h + margin.after);
  return {core, {left, top, right - left, bottom - top}};
}

}  // namespace sr

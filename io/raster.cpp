#include "io/raster.h"

namespace sr {
namespace {

// Where `inner`'s row y begins in `outer`'s samples, in pixels.
int64_t row_within(const Window& outer, const Window& inner, int64_t y) {
  return (inner.y - outer.y + y) * outer.w + inner.x - outer.x;
}

}  // namespace

Raster cut(const Raster& whole, const Window& window, std::vector<std::byte> spare) {
  Raster part({}, whole.bands, whole.type);
  part.window = window;
  part.samples = std::move(spare);
  part.samples.resize(static_cast<size_t>(window.pixels() * whole.bands * bytes_of(whole.type)));
  const int64_t pixel = whole.bands * bytes_of(whole.type);
  for (int64_t y = 0; y < window.h; ++y) {
    const int64_t from = row_within(whole.window, window, y);
    std::copy_n(whole.samples.begin() + from * pixel, window.w * pixel,
                part.samples.begin() + y * window.w * pixel);
    if (!whole.mask.empty())
      part.mask.insert(part.mask.end(), whole.mask.begin() + from, whole.mask.begin() + from + window.w);
  }
  return part;
}

void paste(Raster& whole, const Raster& part) {
  const int64_t pixel = whole.bands * bytes_of(whole.type);
  for (int64_t y = 0; y < part.window.h; ++y)
    std::copy_n(part.samples.begin() + y * part.window.w * pixel, part.window.w * pixel,
                whole.samples.begin() + row_within(whole.window, part.window, y) * pixel);
}

}  // namespace sr

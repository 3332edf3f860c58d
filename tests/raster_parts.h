// Parts of a raster that begins at (0, 0), for tests that take a scene apart and put it together.
#pragma once

#include <algorithm>

#include "io/raster.h"

namespace sr {

/// The samples of `w`.
inline Raster cut(const Raster& whole, const Window& w) {
  Raster part(w, whole.bands, whole.type);
  const int64_t pixel = whole.bands * bytes_of(whole.type);
  for (int64_t y = 0; y < w.h; ++y)
    std::copy_n(whole.samples.data() + ((w.y + y) * whole.window.w + w.x) * pixel, w.w * pixel,
                part.samples.data() + y * w.w * pixel);
  return part;
}

/// Puts a part of it where it belongs.
inline void paste(Raster& whole, const Raster& part) {
  const int64_t pixel = whole.bands * bytes_of(whole.type);
  const Window& w = part.window;
  for (int64_t y = 0; y < w.h; ++y)
    std::copy_n(part.samples.data() + y * w.w * pixel, w.w * pixel,
                whole.samples.data() + ((w.y + y) * whole.window.w + w.x) * pixel);
}

}  // namespace sr

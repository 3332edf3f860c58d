// The part of a scene that is to be enlarged.
#pragma once

#include <optional>

#include "io/tiff/input/reader.h"

namespace sr {

/// In a scene's own coordinate system; min_x < max_x, min_y < max_y.
struct GroundBox {
  double min_x = 0;  ///< west, in most
  double min_y = 0;  ///< south
  double max_x = 0;  ///< east
  double max_y = 0;  ///< north
};

/// What is asked for, of any scene: pixels, or ground; neither is the whole.
struct Region {
  std::optional<Window> pixels;     ///< of the scene
  std::optional<GroundBox> ground;  ///< that is covered
};

/// The pixels of a scene that are asked for; those of a box on the ground are the smallest window that covers
/// it, cut where the scene ends. Errors: usage (pixels that are not all in the scene, a box beside it, a
/// scene whose tags give no grid).
Window window_of(const Region& region, const TiffInfo& info);

}  // namespace sr

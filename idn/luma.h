// Luma of single pixels in the samples' own units, as ground truth and training data store it.
#pragma once

#include "idn/model.h"

namespace sr {

/// Y of one pixel, not rounded. Full range: any samples. Studio range: samples of 0..255, as rgb2ycbcr has
/// it.
inline double luma_of_pixel(LumaConvention convention, double r, double g, double b) {
  if (convention == LumaConvention::full) return 0.299 * r + 0.587 * g + 0.114 * b;
  return 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255;
}

}  // namespace sr

// An invented countryside seen from the air, as a pure function of the place.
#pragma once

#include <cstdint>

namespace sr {

/// Brightness of one point in red, green, blue and near infrared; 0 is black, 1 is white.
struct Reflectance {
  float red = 0, green = 0, blue = 0, infrared = 0;
};

/// Fields, roads, villages, woods and a river. x and y in pixels, without bounds; the same seed and place
/// give the same value, whatever else is asked for. Edges are about one pixel wide, so a picture of it may be
/// sampled at pixel centres.
Reflectance landscape(double x, double y, uint32_t seed);

}  // namespace sr

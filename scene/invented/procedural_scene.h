// Invented scenes of any size and sample type: demonstration and test data that belong to nobody.
#pragma once

#include <cstdint>
#include <optional>

#include "io/raster.h"

namespace sr {

/// What an invented scene is like.
struct ProceduralScene {
  int64_t width = 1024;  ///< in pixels
  int64_t height = 768;  ///< in pixels
  /// 1: grey; 2: red and infrared; 3: red, green, blue; 4: and infrared; more: mixtures of these.
  int bands = 3;
  SampleType type = SampleType::u8;  ///< of its samples
  uint32_t seed = 1;                 ///< another number is another landscape
  int samples = 1;  ///< a pixel is the mean of samples x samples points of the ground; 1 leaves edges jagged
  /// The value outside of the scene, which then is a rectangle turned within the picture. No sample inside
  /// has it.
  std::optional<double> nodata = {};
};

/// The samples of a window of the scene: a pure function of the place, so windows fit together whatever their
/// size. Brightness 0 .. 1 becomes 0 .. 255 (u8), -128 .. 127 (i8), 200 .. 3000 (u16, u32),
/// -400 .. 2600 (i16, i32), or stays what it is (f32, f64). Runs on all threads of OpenMP.
/// Errors: usage (window outside, no pixels or bands, a nodata value that the type cannot hold).
Raster procedural_scene(const ProceduralScene& scene, const Window& window);

}  // namespace sr

// How a result agrees with its scene.
#pragma once

#include <string>
#include <vector>

#include "scene/tile/tile.h"

namespace sr {

/// Of the samples of one band that are a picture.
struct BandSamples {
  int64_t count = 0;
  double mean = 0, deviation = 0, least = 0, largest = 0;
  double clipped = 0;       ///< share at the sample type's lowest or highest value, which floats have not
  double out_of_range = 0;  ///< share outside the value range, which the network sees as 0..1
};

struct BandQuality {
  int band = 0;  ///< from 1
  BandSamples scene, result;
  int64_t compared = 0;  ///< pixels
  double rmse = 0;       ///< in sample units, of the result shrunk to the scene's pixels against the scene
  double psnr = 0;       ///< of that, dB on the value range; infinite where nothing differs
};

/// Of the alpha band there is none. The result is shrunk by antialiased bicubic interpolation (what MATLAB's
/// imresize does), in float32 on the network's scale; what is no picture, and pixels of the scene within
/// kShrinkReach of it, are not compared. Goes through the files by blocks of its own in one order, so the
/// figures do not depend on tiles, memory or threads. `region` is the part of the scene that `result_path`
/// has; the readers keep `cache_bytes` of blocks together. Errors: as TiffReader.
std::vector<BandQuality> measure_quality(const std::string& scene_path, const std::string& result_path,
                                         const SceneSettings& settings, const Window& region,
                                         int64_t cache_bytes);

constexpr int64_t kShrinkReach = 2;
constexpr int64_t kQualitySide = 64;  ///< of a block, in the scene's pixels

/// Memory that it takes at most beside the cache and decoding.
int64_t quality_bytes(const SceneSettings& settings, SampleType type);

}  // namespace sr

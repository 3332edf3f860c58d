// Images to make training data sets of.
#pragma once

#include <string>

#include "io/formats/picture.h"
#include "io/tiff/output/writer.h"
#include "scene/invented/procedural_scene.h"

namespace sr {

inline Raster landscape_image(int64_t width, int64_t height, int bands = 3, uint32_t seed = 1,
                              SampleType type = SampleType::u8) {
  const ProceduralScene scene{.width = width, .height = height, .bands = bands, .type = type, .seed = seed};
  return procedural_scene(scene, {0, 0, width, height});
}

/// What a TIFF of this raster says about itself: RGB from three bands on, the others of unspecified meaning.
inline TiffInfo tiff_info_of(const Raster& raster) {
  constexpr uint16_t kMinIsBlack = 1, kRgb = 2, kUnspecified = 0;
  TiffInfo info;
  info.width = raster.window.w;
  info.height = raster.window.h;
  info.bands = raster.bands;
  info.type = raster.type;
  const int colours = raster.bands >= 3 ? 3 : 1;
  info.photometric = colours == 3 ? kRgb : kMinIsBlack;
  info.extra_samples.assign(static_cast<size_t>(raster.bands - colours), kUnspecified);
  return info;
}

/// Writes a TIFF; `change` may say more about it (no-data, georeference, alpha).
template <class Change>
void write_tiff(const std::string& path, const Raster& raster, const Change& change) {
  TiffInfo info = tiff_info_of(raster);
  change(info);
  TiffWriter writer(path, info, {});
  writer.write(raster);
  writer.finish();
}

inline void write_tiff(const std::string& path, const Raster& raster) {
  write_tiff(path, raster, [](TiffInfo&) {});
}

}  // namespace sr

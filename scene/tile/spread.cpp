#include "scene/tile/spread.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sr {
namespace {

constexpr uint16_t kPhotometricGrey = 1;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

}  // namespace

int spread_bands(const SceneSettings& s) {
  return s.mode == ColourMode::luma ? 1 : static_cast<int>(s.colour_bands().size());
}

TiffInfo spread_info(const TiffInfo& fine, const SceneSettings& s) {
  TiffInfo info = fine;
  info.bands = spread_bands(s);
  info.type = SampleType::f32;
  info.significant_bits = 32;
  info.photometric = kPhotometricGrey;
  info.extra_samples.assign(static_cast<size_t>(info.bands - 1), 0);
  info.nodata = std::numeric_limits<double>::quiet_NaN();
  info.has_mask = false;
  info.tags.gdal_nodata = "nan";
  info.tags.gdal_metadata.clear();  // of other bands
  info.tags.icc_profile.clear();
  return info;
}

TiffWriterOptions spread_writing(const TiffWriterOptions& writing) {
  TiffWriterOptions options = writing;
  options.copied_bands.clear();
  options.max_z_error = 0;
  if (options.compression == Compression::jpeg) options.compression = Compression::deflate;
  return options;
}

Raster no_spread(const Window& fine_window, const SceneSettings& s) {
  Raster raster(fine_window, spread_bands(s), SampleType::f32);
  std::fill_n(raster.data<float>(), fine_window.pixels() * raster.bands, kNone);
  return raster;
}

void set_spread(Raster& spread, int band, const Tensor& shift, const Tensor& squares, const Tile& tile,
                const SceneSettings& s, double gain) {
  const Shape& shape = shift.shape();
  const Window& core = spread.window;
  const int64_t left = core.x - tile.read.x * s.factor, top = core.y - tile.read.y * s.factor;
  const std::vector<int> colours = s.colour_bands();
  for (int64_t n = 0; n < shape.n; ++n)
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < core.h; ++y)
      for (int64_t x = 0; x < core.w; ++x)
        for (int64_t k = 0; k < shape.c; ++k) {
          const int64_t at = (((n * shape.h) + top + y) * shape.w + left + x) * shape.c + k;
          const int64_t to = band + n + k;
          const ValueRange& range = range_of(s.ranges, colours[static_cast<size_t>(to)]);
          const double mean = shift.data()[at], variance = squares.data()[at] - mean * mean;
          spread.data<float>()[(y * core.w + x) * spread.bands + to] =
              static_cast<float>(gain * range.width() * std::sqrt(std::max(0.0, variance)));
        }
}

void hide_spread(Raster& spread, const Raster& coarse, const Invalid& invalid, const SceneSettings& s) {
  if (invalid.empty()) return;
  const std::vector<int> colours = s.colour_bands();
  const Window &fine = spread.window, &from = coarse.window;
  const bool shared = s.mode == ColourMode::luma;
#pragma omp parallel for schedule(static)
  for (int64_t y = 0; y < fine.h; ++y)
    for (int64_t x = 0; x < fine.w; ++x) {
      const int64_t row = (fine.y + y) / s.factor - from.y, column = (fine.x + x) / s.factor - from.x;
      float* const to = spread.data<float>() + (y * fine.w + x) * spread.bands;
      for (size_t k = 0; k < colours.size(); ++k)
        if (invalid[static_cast<size_t>((row * from.w + column) * coarse.bands + colours[k])])
          to[shared ? 0 : k] = kNone;
    }
}

}  // namespace sr

#include "scene/preview.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "idn/tiling.h"
#include "io/tiff/input/reader.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

constexpr int64_t kGap = 8;

// The bands to show as floats; samples that are no number become zero.
Tensor shown_bands(const Raster& raster) {
  const int bands = raster.bands >= 3 ? 3 : 1;
  Tensor t(Shape{1, raster.window.h, raster.window.w, bands});
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    for (int64_t p = 0; p < raster.window.pixels(); ++p)
      for (int b = 0; b < bands; ++b) {
        const auto value = static_cast<float>(samples[p * raster.bands + b]);
        t.data()[p * bands + b] = std::isfinite(value) ? value : 0.0f;
      }
  });
  return t;
}

struct Stretch {
  float low = 0, high = 255;
};

Stretch stretch_of(const Tensor& t, SampleType type) {
  if (type == SampleType::u8) return {};
  std::vector<float> values = t.to_vector();
  std::sort(values.begin(), values.end());
  const size_t tail = values.size() / 100;
  return {values[tail], std::max(values[values.size() - 1 - tail], values[tail] + 1e-6f)};
}

void paint(Raster& canvas, int64_t left, const Tensor& t, const Stretch& s) {
  const auto [n, h, w, c] = t.shape();
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int64_t b = 0; b < c; ++b) {
        const float v = (t.data()[(y * w + x) * c + b] - s.low) / (s.high - s.low) * 255;
        canvas.data<uint8_t>()[(y * canvas.window.w + left + x) * c + b] =
            static_cast<uint8_t>(std::clamp(std::round(v), 0.0f, 255.0f));
      }
}

}  // namespace

Raster side_by_side(const std::string& coarse_path, const std::string& fine_path, int factor, int64_t side,
                    const Region& region) {
  constexpr int64_t kBicubicReach = 2;
  constexpr TiffLimits kReadOnce{.block_bytes = int64_t{1} << 40, .cache_bytes = 0};
  TiffReader coarse(coarse_path, kReadOnce), fine(fine_path, kReadOnce);
  const TiffInfo& info = coarse.info();
  const Window all = window_of(region, info);
  const int64_t w = std::min(all.w, side / factor), h = std::min(all.h, side / factor);
  const Window core{all.x + (all.w - w) / 2, all.y + (all.h - h) / 2, w, h};
  const Tile tile = tile_around(core, info.width, info.height, {kBicubicReach, kBicubicReach});
  const Tensor enlarged = bicubic_enlarge(shown_bands(coarse.read(tile.read)), factor);
  const Tensor result =
      shown_bands(fine.read({(core.x - all.x) * factor, (core.y - all.y) * factor, w * factor, h * factor}));
  const auto [n, fh, fw, c] = result.shape();
  Tensor left(result.shape());
  const int64_t dx = (core.x - tile.read.x) * factor, dy = (core.y - tile.read.y) * factor;
  for (int64_t y = 0; y < fh; ++y)
    std::copy_n(enlarged.data() + ((y + dy) * enlarged.shape().w + dx) * c, fw * c, left.data() + y * fw * c);
  Raster canvas({0, 0, 2 * fw + kGap, fh}, static_cast<int>(c), SampleType::u8);
  std::fill(canvas.samples.begin(), canvas.samples.end(), std::byte{255});
  const Stretch stretch = stretch_of(result, info.type);
  paint(canvas, 0, left, stretch);
  paint(canvas, fw + kGap, result, stretch);
  return canvas;
}

}  // namespace sr

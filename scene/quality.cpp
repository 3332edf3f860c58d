#include "scene/quality.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "idn/tiling.h"
#include "scene/tile/nodata.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

// Weights of zero lie at the ends of the shrinking's taps.
constexpr int64_t kBlockMargin = kShrinkReach + 1;

// Sums over the samples of a band, on the network's scale, where numbers are small.
struct Sums {
  int64_t count = 0, clipped = 0, outside = 0;
  double sum = 0, squares = 0;
  double least = std::numeric_limits<double>::infinity(), largest = -least;

  template <class T>
  void add(T sample, const ValueRange& range) {
    const auto value = static_cast<double>(sample);
    const double unit = (value - range.low) / (range.high - range.low);
    ++count;
    sum += unit;
    squares += unit * unit;
    least = std::min(least, value);
    largest = std::max(largest, value);
    outside += unit < 0 || unit > 1;
    if constexpr (std::is_integral_v<T>)
      clipped += sample == std::numeric_limits<T>::min() || sample == std::numeric_limits<T>::max();
  }

  // Block by block, so that large scenes lose no digits.
  void add(const Sums& block) {
    count += block.count, clipped += block.clipped, outside += block.outside;
    sum += block.sum, squares += block.squares;
    least = std::min(least, block.least), largest = std::max(largest, block.largest);
  }

  BandSamples samples(const ValueRange& range) const {
    if (count == 0) return {};
    const auto n = static_cast<double>(count);
    const double width = range.high - range.low, mean = sum / n;
    return {.count = count,
            .mean = range.low + width * mean,
            .deviation = width * std::sqrt(std::max(0.0, squares / n - mean * mean)),
            .least = least,
            .largest = largest,
            .clipped = static_cast<double>(clipped) / n,
            .out_of_range = static_cast<double>(outside) / n};
  }
};

struct BandSums {
  Sums scene, result;
  int64_t compared = 0;
  double squares = 0;  // of differences, on the network's scale

  void add(const BandSums& block) {
    scene.add(block.scene), result.add(block.result);
    compared += block.compared, squares += block.squares;
  }
};

// One block of the scene with its surroundings, and the result on the same ground.
struct Block {
  Tile tile;  // in the scene's pixels
  Raster coarse, fine;
  Tensor wanted, shrunk;  // on the network's scale
  Invalid invalid;        // of `coarse`; empty if the scene can have no holes
  int factor = 1;

  bool is_hole(int64_t y, int64_t x, int band) const {
    return !invalid.empty() && invalid[static_cast<size_t>((y * tile.read.w + x) * coarse.bands + band)] != 0;
  }
  bool near_hole(int64_t y, int64_t x, int band) const {
    if (invalid.empty()) return false;
    const Window& w = tile.read;
    for (int64_t i = std::max<int64_t>(0, y - kShrinkReach); i <= std::min(w.h - 1, y + kShrinkReach); ++i)
      for (int64_t j = std::max<int64_t>(0, x - kShrinkReach); j <= std::min(w.w - 1, x + kShrinkReach); ++j)
        if (is_hole(i, j, band)) return true;
    return false;
  }
};

template <class T>
BandSums band_of(const Block& block, int band, const ValueRange& range) {
  BandSums sums;
  const Window &core = block.tile.core, &read = block.tile.read;
  const int64_t bands = block.coarse.bands, f = block.factor, fine_w = read.w * f;
  for (int64_t y = core.y - read.y; y < core.y - read.y + core.h; ++y)
    for (int64_t x = core.x - read.x; x < core.x - read.x + core.w; ++x) {
      if (block.is_hole(y, x, band)) continue;
      const int64_t at = (y * read.w + x) * bands + band;
      sums.scene.add(block.coarse.data<T>()[at], range);
      for (int64_t i = y * f; i < (y + 1) * f; ++i)
        for (int64_t j = x * f; j < (x + 1) * f; ++j)
          sums.result.add(block.fine.data<T>()[(i * fine_w + j) * bands + band], range);
      if (block.near_hole(y, x, band)) continue;
      const double difference = double{block.shrunk.data()[at]} - double{block.wanted.data()[at]};
      ++sums.compared;
      sums.squares += difference * difference;
    }
  return sums;
}

Block read_block(TiffReader& scene, TiffReader& result, const SceneSettings& s, const Window& region,
                 const Window& core) {
  const int f = s.factor;
  // The result ends where the region ends: shrinking mirrors it there.
  Block block;
  block.factor = f;
  block.tile = tile_around({core.x - region.x, core.y - region.y, core.w, core.h}, region.w, region.h,
                           {kBlockMargin, kBlockMargin});
  const Window& near = block.tile.read;
  block.fine = without_bands(result.read({near.x * f, near.y * f, near.w * f, near.h * f}), s.copied_bands);
  block.coarse =
      without_bands(scene.read({near.x + region.x, near.y + region.y, near.w, near.h}), s.copied_bands);
  if (s.may_have_holes) block.invalid = find_invalid(block.coarse, s.hole_rule());
  block.wanted = normalized(block.coarse, s.ranges);
  block.shrunk = bicubic_resize(normalized(block.fine, s.ranges), near.h, near.w);
  return block;
}

}  // namespace

std::vector<BandQuality> measure_quality(const std::string& scene_path, const std::string& result_path,
                                         const SceneSettings& s, const Window& region, int64_t cache_bytes) {
  TiffReader scene(scene_path, {.cache_bytes = cache_bytes / 4});
  TiffReader result(result_path, {.cache_bytes = cache_bytes - cache_bytes / 4});
  const std::vector<int> bands = s.colour_bands();
  std::vector<BandSums> sums(bands.size());
  const TileGrid blocks{scene.info().width, scene.info().height, kQualitySide, kQualitySide, {}, region};
  for (int64_t i = 0; i < blocks.size(); ++i) {
    const Block block = read_block(scene, result, s, region, blocks[i].core);
    with_sample_type(scene.info().type, [&](auto zero) {
#pragma omp parallel for schedule(static)
      for (size_t k = 0; k < bands.size(); ++k)
        sums[k].add(band_of<decltype(zero)>(block, bands[k], range_of(s.ranges, bands[k])));
    });
  }
  std::vector<BandQuality> found;
  for (size_t k = 0; k < bands.size(); ++k) {
    const ValueRange& range = range_of(s.ranges, bands[k]);
    BandQuality q{.band = file_band(bands[k], s.copied_bands) + 1,
                  .scene = sums[k].scene.samples(range),
                  .result = sums[k].result.samples(range),
                  .compared = sums[k].compared};
    const double mse = q.compared > 0 ? sums[k].squares / static_cast<double>(q.compared) : 0;
    q.rmse = range.width() * std::sqrt(mse);
    q.psnr = -10 * std::log10(mse);
    found.push_back(q);
  }
  return found;
}

int64_t quality_bytes(const SceneSettings& s, SampleType type) {
  constexpr int64_t kSide = kQualitySide + 2 * kBlockMargin, kFloat = 4;
  const int64_t coarse = kSide * kSide * s.bands, fine = coarse * s.factor * s.factor;
  const int64_t rows = 64 * kSide * s.factor * s.bands * kFloat;  // that shrinking keeps, for some threads
  return (coarse + fine) * (bytes_of(type) + 2 * kFloat) + 2 * coarse + rows;
}

}  // namespace sr

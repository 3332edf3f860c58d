#include "scene/forecast.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "io/tiff/output/block_encoder.h"
#include "scene/choose_range.h"
#include "scene/tile/tile_computer.h"
#include "scene/value_range.h"

namespace sr {
namespace {

// On the processor, where the time goes by the pixels: a sixth of a second on two cores.
constexpr int64_t kTrialSide = 128;
// Places that are looked at for a tile with something in it.
constexpr int64_t kPlaces = 16;

template <class Work>
double seconds_of(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool is_uniform(const Raster& raster) {
  const auto pixel = static_cast<size_t>(raster.bands * bytes_of(raster.type));
  return std::memcmp(raster.samples.data(), raster.samples.data() + pixel, raster.samples.size() - pixel) ==
         0;
}

// From the middle of one of the plan's tiles.
Tile trial_tile(const PreparedScene& scene, int64_t place) {
  const TileGrid& grid = scene.plan.grid;
  // The middle first, then over the whole grid by the golden section.
  const auto share = 0.5 + 0.6180339887 * static_cast<double>(place);
  const Tile tile =
      grid[static_cast<int64_t>((share - std::floor(share)) * static_cast<double>(grid.size()))];
  if (!scene.gpus.empty()) return tile;
  const int64_t w = std::min(kTrialSide, tile.core.w), h = std::min(kTrialSide, tile.core.h);
  const Window core{tile.core.x + (tile.core.w - w) / 2, tile.core.y + (tile.core.h - h) / 2, w, h};
  return tile_around(core, grid.width, grid.height, grid.margin);
}

// A tile's window with something in it, if one is found soon.
std::pair<Tile, Raster> trial_window(PreparedScene& scene) {
  for (int64_t place = 0;; ++place) {
    const Tile tile = trial_tile(scene, place);
    Raster window = scene.reader.read(tile.read);
    if (place + 1 == kPlaces || !is_uniform(window)) return {tile, std::move(window)};
  }
}

void set_trial_ranges(SceneSettings& s, const PreparedScene& scene, const SceneOptions& options,
                      const Raster& window) {
  const TiffInfo info = without_bands(scene.reader.info(), s.copied_bands);
  if (info.bands == 0) return;
  const auto known = known_ranges(s, scene.reader.info(), scene.model, options);
  const Raster picture = without_bands(window, s.copied_bands);
  RangeMeter meter(static_cast<int>(s.colour_bands().size()), picture.window.pixels());
  meter.add(picture, may_have_holes(info) ? find_invalid(picture, hole_rule(info)) : Invalid(),
            info.alpha_band());
  s.ranges = with_alpha(s, known ? known->ranges : meter.ranges(), info.type);
}

// Of the tiles' windows, margins included: what the network's time goes by.
double pixels_to_compute(const TileGrid& grid) {
  double across = 0, down = 0;
  for (int64_t i = 0; i < grid.columns(); ++i) across += static_cast<double>(grid[i].read.w);
  for (int64_t i = 0; i < grid.rows(); ++i) down += static_cast<double>(grid[i * grid.columns()].read.h);
  return across * down;
}

// Seconds a pixel of compressing the whole blocks of a piece of a result; 0 if it has none.
double compressing(const Raster& fine, const TiffInfo& info, TiffWriterOptions options) {
  options.by_band = false;  // it takes as long
  const int64_t side = options.block;
  BlockEncoder encoder("the result", info, options, PageKind{});
  double seconds = 0;
  int64_t blocks = 0;
  for (int64_t y = 0; y + side <= fine.window.h; y += side)
    for (int64_t x = 0; x + side <= fine.window.w; x += side) {
      Raster block = cut(fine, {fine.window.x + x, fine.window.y + y, side, side});
      seconds += seconds_of([&] { encoder.encode(std::move(block)); });
      ++blocks;
    }
  return blocks == 0 ? 0 : seconds / static_cast<double>(blocks * side * side);
}

}  // namespace

Forecast forecast(PreparedScene& scene, const SceneOptions& options, bool with_bicubic) {
  const auto [tile, window] = trial_window(scene);
  SceneSettings settings = scene.settings;
  set_trial_ranges(settings, scene, options, window);
  const bool on_gpu = !scene.gpus.empty();
  const auto gpu = on_gpu ? std::optional(scene.gpus[0]) : std::nullopt;
  std::optional<TileComputer> compute;
  FineTile fine;
  double computing = 0;
  // Of the first run much is preparation, on a GPU of the second too.
  for (int run = 0; run < (on_gpu ? 3 : 2); ++run)
    computing = seconds_of([&] {
      if (!compute || !on_gpu)
        compute.emplace(scene.model, settings, with_bicubic, gpu);  // it keeps uniform tiles
      fine = (*compute)(window, tile);
    });
  const TiffInfo info = fine_info(scene);
  const Raster& result = scene.upscaled ? fine.result : *fine.bicubic;
  const int64_t pixels = info.width * info.height;
  // Compressing shares the processor with a network that computes there.
  const int threads = scene.model && !on_gpu ? omp_get_max_threads() : scene.planning.writing.threads;
  Forecast found;
  found.measured = tile;
  found.result_bytes = pixels * info.bands * bytes_of(info.type) + (info.has_mask ? pixels / 8 : 0);
  found.seconds = computing * pixels_to_compute(scene.plan.grid) / static_cast<double>(tile.read.pixels()) /
                  static_cast<double>(std::max<size_t>(1, scene.gpus.size()));
  found.seconds += compressing(result, info, scene.planning.writing) * static_cast<double>(pixels) *
                   scene.planning.results / threads;
  return found;
}

}  // namespace sr

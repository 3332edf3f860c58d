#include "scene/tile/tile_computer.h"

#include <algorithm>
#include <memory>

#include "io/uniform.h"
#include "scene/tile/tile_on_cuda.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"

namespace sr {
namespace {

// Each coarse pixel's mask on the fine pixels of the core that it covers.
std::vector<uint8_t> enlarged_mask(const Raster& window, const Window& core, int64_t factor) {
  std::vector<uint8_t> mask(static_cast<size_t>(core.pixels() * factor * factor));
  uint8_t* to = mask.data();
  for (int64_t y = 0; y < core.h * factor; ++y) {
    const int64_t row = core.y - window.window.y + y / factor;
    const uint8_t* from = window.mask.data() + row * window.window.w + core.x - window.window.x;
    for (int64_t x = 0; x < core.w; ++x, to += factor) std::fill_n(to, factor, from[x]);
  }
  return mask;
}

// Of copied bands alone.
FineTile repeated(const SceneSettings& s, const Raster& window, const Tile& tile, bool with_bicubic) {
  const int64_t f = s.factor;
  const Window& core = tile.core;
  const Raster nothing({core.x * f, core.y * f, core.w * f, core.h * f}, 0, window.type);
  FineTile fine;
  fine.result = with_copied_bands(nothing, window, s.copied_bands, s.factor);
  if (with_bicubic) fine.bicubic = fine.result;
  return fine;
}

}  // namespace

TileComputer::TileComputer(const Model* model, const SceneSettings& settings, bool with_bicubic,
                           std::optional<int> gpu, SpareSamples* spare)
    : factor_(settings.factor) {
  if (settings.bands == 0) {
    compute_ = [=](const Raster& window, const Tile& tile) {
      return repeated(settings, window, tile, with_bicubic);
    };
    return;
  }
  if (!settings.copied_bands.empty()) {
    SceneSettings picture = settings;
    picture.copied_bands.clear();
    // Without spare samples, which are of the whole result.
    const auto others = std::make_shared<TileComputer>(model, picture, with_bicubic, gpu);
    compute_ = [=](const Raster& window, const Tile& tile) {
      FineTile fine = others->compute_(without_bands(window, settings.copied_bands), tile);
      const auto whole = [&](const Raster& part) {
        return with_copied_bands(part, window, settings.copied_bands, settings.factor);
      };
      if (model) fine.result = whole(fine.result);
      if (fine.bicubic) fine.bicubic = whole(*fine.bicubic);
      return fine;
    };
    return;
  }
  if (!gpu || !model) {
    compute_ = [=](const Raster& window, const Tile& tile) {
      return upscale_tile(model, settings, window, tile, with_bicubic, spare);
    };
    return;
  }
  if constexpr (cuda::kBuilt) {
    cuda::use_device(*gpu);
    const auto on_gpu = std::make_shared<cuda::TileOnCuda>(*model, settings, spare);
    compute_ = [=](const Raster& window, const Tile& tile) { return (*on_gpu)(window, tile, with_bicubic); };
  } else {
    throw Error(Error::Kind::device, "tiles on a GPU: this build has no CUDA");
  }
}

FineTile TileComputer::operator()(const Raster& window, const Tile& tile) {
  std::optional<Key> key = key_of_uniform(window, tile);
  if (!key) return computed(window, tile);
  const auto kept = std::find_if(kept_.begin(), kept_.end(), [&](const auto& k) { return k.first == *key; });
  if (kept != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, kept);
    return moved_to(tile.core, kept_.front().second);
  }
  if (kept_.size() == kUniformTiles) kept_.pop_back();
  kept_.emplace_front(std::move(*key), computed(window, tile));
  return kept_.front().second;
}

std::optional<TileComputer::Key> TileComputer::key_of_uniform(const Raster& raster, const Tile& tile) {
  std::optional<std::vector<std::byte>> pixel = only_pixel(raster);
  if (!pixel) return {};
  const auto& [core, read] = tile;
  constexpr int64_t kGrid = 4;  // of Winograd's tiles: a value's bits depend on its place there
  return Key{
      std::move(*pixel),
      {core.x - read.x, core.y - read.y, core.w, core.h, read.w, read.h, read.x % kGrid, read.y % kGrid}};
}

FineTile TileComputer::computed(const Raster& window, const Tile& tile) const {
  FineTile fine = compute_(window, tile);
  if (window.mask.empty()) return fine;
  std::vector<uint8_t> mask = enlarged_mask(window, tile.core, factor_);
  if (fine.bicubic) fine.bicubic->mask = mask;
  fine.result.mask = std::move(mask);
  return fine;
}

FineTile TileComputer::moved_to(const Window& core, FineTile fine) const {
  const int64_t f = factor_;
  const Window place{core.x * f, core.y * f, core.w * f, core.h * f};
  fine.result.window = place;
  if (fine.bicubic) fine.bicubic->window = place;
  if (fine.spread) fine.spread->window = place;
  return fine;
}

}  // namespace sr

// Tiles of one scene, computed on one device.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "scene/tile/spare_samples.h"
#include "scene/tile/tile.h"

namespace sr {

/// Bands that are copied are taken out before the others are computed, and put back. Uniform tiles (sea,
/// collars, blocks that the file leaves out) are computed only once: windows of the same pixel all over, as
/// far from their tile's core and as large, become the same bits. For the thread that made it.
class TileComputer {
 public:
  /// Without a model only the bicubic part, but both results where all bands are copied. On the processor, or
  /// on the GPU of that number. Results lie in samples of `spare`, if there is any. Errors: device, limit.
  TileComputer(const Model* model, const SceneSettings& settings, bool with_bicubic,
               std::optional<int> gpu = {}, SpareSamples* spare = nullptr);

  /// What upscale_tile gives, with the window's mask on the finer grid if there is one. Errors: device,
  /// limit.
  FineTile operator()(const Raster& window, const Tile& tile);

 private:
  // The one pixel (and its mask), and where the core lies in the window.
  using Key = std::pair<std::vector<std::byte>, std::array<int64_t, 8>>;

  static std::optional<Key> key_of_uniform(const Raster& window, const Tile& tile);
  FineTile computed(const Raster& window, const Tile& tile) const;
  FineTile moved_to(const Window& core, FineTile fine) const;

  int factor_;
  std::function<FineTile(const Raster&, const Tile&)> compute_;
  std::list<std::pair<Key, FineTile>> kept_;  // the last used first
};

/// Uniform tiles that are kept: in a row of tiles the first, those between and the last differ.
constexpr int kUniformTiles = 3;

}  // namespace sr

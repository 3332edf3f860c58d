#include "scene/verify.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

#include "io/counted.h"
#include "scene/tile/tile_computer.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace sr {
namespace {

// Random windows computed anew with twice the margin and compared with the file.
void verify(const std::string& path, TiffReader& reader, const Model* model, const SceneSettings& s,
            const Window& region, int windows, std::optional<int> gpu, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const Reach margin = margin_for(model, s) + margin_for(model, s);
  TiffReader written(path, {.cache_bytes = 0}, SampleReading::codes);
  TileComputer compute(model, s, false, gpu);
  Random random{static_cast<uint64_t>(info.width * 31 + info.height)};
  for (int i = 0; i < windows; ++i) {
    events.progress(0, region.pixels());  // it may want to stop
    const int64_t w = std::min(kVerifySide, region.w), h = std::min(kVerifySide, region.h);
    const int64_t x = region.x + random.integer(region.w - w + 1);
    const Window core{x, region.y + random.integer(region.h - h + 1), w, h};
    const Tile tile = tile_around(core, info.width, info.height, margin);
    const Raster again = compute(reader.read(tile.read), tile).result;
    const Raster stored = written.read(in_result(again.window, region, s.factor));
    if (std::memcmp(again.samples.data(), stored.samples.data(), again.samples.size()) != 0)
      throw Error(Error::Kind::format, path, ": the window at ", stored.window.x, ", ", stored.window.y,
                  " of ", stored.window.w, " x ", stored.window.h,
                  " pixels differs from the same pixels computed without tiles; the result was removed");
  }
  events.say("verified: " + counted(windows, "window") + " computed again without tiles, every bit the same");
}

}  // namespace

void verify_or_remove(PreparedScene& scene, const SceneResults& results, int windows,
                      const SceneEvents& events) {
  try {
    const auto gpu = scene.gpus.empty() ? std::nullopt : std::optional(scene.gpus[0]);
    verify(results.upscaled, scene.reader, scene.model, scene.settings, scene.region, windows, gpu, events);
  } catch (...) {
    std::filesystem::remove(results.upscaled);
    if (scene.settings.spread) std::filesystem::remove(results.spread);
    throw;
  }
}

}  // namespace sr

#include "scene/scene.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "io/counted.h"
#include "io/tiff/gdal_metadata.h"
#include "io/tiff/grid_texts.h"
#include "scene/choose_range.h"
#include "scene/code_bands.h"
#include "scene/prepare.h"
#include "scene/repeated_pixels.h"
#include "scene/spread.h"
#include "scene/tile_computer.h"
#include "tensor/allocator.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/random.h"

namespace sr {
namespace {

std::string precision_of([[maybe_unused]] const std::vector<int>& gpus) {
  if constexpr (cuda::kBuilt)
    if (!gpus.empty()) return cuda::name_of(cuda::precision());
  return "fp32";
}

// What the file of a result made by that model, or of the bicubic one, says of itself.
TiffInfo described(const PreparedScene& scene, const SceneOptions& options, const Model* by) {
  TiffInfo result = fine_info(scene);
  const double top = scene.settings.top;
  result.declared_top = std::isfinite(top) ? std::optional(top) : std::nullopt;
  result.tags.gdal_metadata = with_items(
      result.tags.gdal_metadata,
      provenance(options.origin, scene.reader.info(), scene.settings, by, precision_of(scene.gpus)));
  return result;
}

// From the scene's fine pixels to the result's, which begin at the region.
Window in_result(const Window& fine, const TileGrid& grid, int factor) {
  const Window region = grid.covered();
  return {fine.x - region.x * factor, fine.y - region.y * factor, fine.w, fine.h};
}

// Random windows computed anew with twice the margin and compared with the file.
void verify(const std::string& path, TiffReader& reader, const Model* model, const SceneSettings& s,
            const TileGrid& grid, int windows, std::optional<int> gpu, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const Window region = grid.covered();
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
    const Raster stored = written.read(in_result(again.window, grid, s.factor));
    if (std::memcmp(again.samples.data(), stored.samples.data(), again.samples.size()) != 0)
      throw Error(Error::Kind::format, path, ": the window at ", stored.window.x, ", ", stored.window.y,
                  " of ", stored.window.w, " x ", stored.window.h,
                  " pixels differs from the same pixels computed without tiles; the result was removed");
  }
  events.say("verified: " + counted(windows, "window") + " computed again without tiles, every bit the same");
}

void tell(const PreparedScene& scene, const SceneEvents& events) {
  const TiffInfo& info = scene.reader.info();
  const SceneSettings& s = scene.settings;
  events.say(description(scene));
  for (const std::string& note : info.notes) events.say(note);
  for (const std::string& note : notes_on_texts(info.tags)) events.say(note);
  if (info.stored_bits < 8 && info.palette.empty() && s.copied_bands.empty())
    events.say("its samples of " + counted(info.stored_bits, "bit") +
               " are scaled to 0..255; --copy_bands keeps those of bands that are no picture");
  if (const std::optional<int> alpha = info.alpha_band())
    events.say("band " + std::to_string(*alpha + 1) + " is taken for alpha" +
               (info.premultiplied() ? ", by which colours were multiplied" : "") +
               (info.asked_alpha ? "" : "; --alpha none makes it picture"));
  if (info.type == SampleType::u32 || info.type == SampleType::i32 || info.type == SampleType::f64)
    events.say(std::string(name_of(info.type)) +
               " samples are computed in float32: 24 bits of the value range are kept");
}

}  // namespace

SceneDone upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                        const SceneOptions& options, const SceneEvents& events) {
  reset_pool_peak();  // what other scenes needed is not this one's
  PreparedScene scene = prepare_scene(path, results, model, factor, options);
  TiffReader& reader = scene.reader;
  const TileGrid& grid = scene.plan.grid;
  tell(scene, events);
  const bool told =
      reader.info().stored_bits < 8 && scene.settings.copied_bands.empty();  // what to do about codes
  if (const std::string hint = told ? "" : hint_of_codes(reader, scene.settings.copied_bands); !hint.empty())
    events.say(hint);
  if (const std::string hint = scene.model ? hint_of_repeated_pixels(reader) : ""; !hint.empty())
    events.say(hint);
  const std::string range_source = choose_ranges(scene.settings, reader, scene.model, options, grid, events);

  const bool with_bicubic = !results.bicubic.empty();
  std::unique_ptr<TiffWriter> upscaled, bicubic, spread;
  const auto writer_of = [&](const std::string& result, const Model* by) {
    return std::make_unique<TiffWriter>(result, described(scene, options, by), scene.planning.writing);
  };
  if (scene.upscaled) upscaled = writer_of(results.upscaled, scene.model);
  if (with_bicubic) bicubic = writer_of(results.bicubic, nullptr);
  if (scene.settings.spread)
    spread = std::make_unique<TiffWriter>(results.spread, spread_info(fine_info(scene), scene.settings),
                                          spread_writing(scene.planning.writing));
  upscale(scene.model, scene.settings, grid, with_bicubic,
          {.read = [&](const Window& window) { return reader.read(window); },
           .write =
               [&](FineTile& tile) {
                 const auto write = [&](TiffWriter& writer, Raster& samples) {
                   samples.window = in_result(samples.window, grid, factor);
                   writer.write(samples);
                 };
                 if (upscaled) write(*upscaled, tile.result);
                 if (bicubic) write(*bicubic, *tile.bicubic);
                 if (spread) write(*spread, *tile.spread);
               },
           .progress = [&](int64_t done) { events.progress(done, scene.region.pixels()); }},
          scene.gpus);
  for (TiffWriter* writer : {spread.get(), upscaled.get(), bicubic.get()})
    if (writer) writer->finish();
  if (const std::string note = reader.decoding_note(); !note.empty()) events.say(note);
  reset_pool_peak();  // what the tiles needed is not for what comes after them
  const SceneDone done{scene.settings, scene.region, range_source, scene.plan.cache_bytes};
  if (!scene.upscaled || options.verify_windows == 0) return done;
  try {
    const auto gpu = scene.gpus.empty() ? std::nullopt : std::optional(scene.gpus[0]);
    verify(results.upscaled, reader, scene.model, scene.settings, grid, options.verify_windows, gpu, events);
  } catch (...) {
    std::filesystem::remove(results.upscaled);
    if (scene.settings.spread) std::filesystem::remove(results.spread);
    throw;
  }
  return done;
}

}  // namespace sr

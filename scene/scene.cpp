#include "scene/scene.h"

#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <sstream>

#include "io/counted.h"
#include "io/tiff/block_encoder.h"
#include "io/tiff/georeference.h"
#include "scene/plan.h"
#include "scene/tile_computer.h"
#include "scene/value_range.h"
#include "tensor/allocator.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/random.h"

namespace sr {
namespace {

// What a file may make the reader allocate before it is known what it is needed for.
TiffLimits limits_for(const SceneOptions& options) {
  return {.block_bytes = options.max_memory_bytes / 4, .cache_bytes = options.max_memory_bytes / 8};
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

// The range that the net sees as 0..1, and where it comes from.
ValueRange choose_range(TiffReader& reader, const Model* model, const SceneOptions& options, TileGrid pieces,
                        const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  pieces.region = {};  // a part of the scene has the whole scene's range
  const auto told = [&](const ValueRange& range, const char* source) {
    events.say("value range " + text_of(range.low) + ".." + text_of(range.high) + " (" + source + ")");
    return range;
  };
  if (options.value_range) return told(*options.value_range, "as given");
  if (const auto range = range_of_type(info)) return *range;
  if (model && model->range) return told(*model->range, "recorded with the weights");
  // The bicubic part alone does not depend on it where float32 holds every sample.
  const bool wide =
      info.type == SampleType::i32 || info.type == SampleType::u32 || info.type == SampleType::f64;
  if (!model && !wide) return {0, 1};
  RangeMeter meter;
  for (int64_t i = 0; i < pieces.size(); ++i) {
    events.progress(0, info.width * info.height);
    const Raster raster = reader.read(pieces[i].core);
    const Invalid invalid =
        may_have_holes(info) ? find_invalid(raster, info.nodata, info.alpha_band()) : Invalid();
    meter.add(raster, invalid, info.alpha_band());
  }
  return told(meter.range(), "measured over the scene, 0.1 to 99.9 percent");
}

// What each thread that computes on a GPU may take of its memory: all of them get as much as the fullest one
// has.
int64_t bytes_per_tile(const std::vector<int>& gpus) {
  constexpr double kShare =
      0.8;  // of what is free: the rest is for what the runtime loads and holes between blocks
  int64_t least = std::numeric_limits<int64_t>::max();
  if constexpr (cuda::kBuilt) {
    for (const int gpu : gpus) least = std::min(least, cuda::free_bytes(gpu));
  }
  return gpus.empty() ? least : static_cast<int64_t>(kShare * static_cast<double>(least)) / kThreadsPerGpu;
}

// More gain nothing, and each has a handle of the file, or a codec, and a stack.
constexpr int kMostFileThreads = 32;

// The plan with as many threads that decode the scene and compress the result as an eighth of the memory
// serves; with one of each if there is then too little for the rest, or if the processor is busy with the
// network.
ScenePlan plan_with_threads(TiffReader& reader, const Model* model, const SceneSettings& settings,
                            PlanOptions& options) {
  const auto threads = [&](int64_t bytes_each) {
    const int64_t fit = options.max_memory_bytes / 8 / std::max<int64_t>(bytes_each, 1);
    return static_cast<int>(std::clamp<int64_t>(fit, 1, std::min(omp_get_max_threads(), kMostFileThreads)));
  };
  if (!model || options.gpus > 0) {
    const TiffInfo& info = reader.info();
    const int64_t block = int64_t{kResultBlock} * kResultBlock * info.bands * bytes_of(info.type);
    options.writer_threads = threads(block + BlockEncoder::working_bytes(block));
    reader.set_threads(threads(reader.decoding_bytes() + (1 << 20)));
    try {
      return plan_scene(reader, model, settings, options);
    } catch (const Error& e) {
      if (e.kind() != Error::Kind::limit) throw;
    }
    options.writer_threads = 1;
    reader.set_threads(1);
  }
  return plan_scene(reader, model, settings, options);
}

TiffInfo fine_info(const TiffInfo& info, const Window& region, int factor) {
  TiffInfo fine = info;
  fine.width = region.w * factor;
  fine.height = region.h * factor;
  fine.tags = scaled(cropped(info.tags, region.x, region.y), factor);
  return fine;
}

// From the scene's fine pixels to the result's, which begin at the region.
Window in_result(const Window& fine, const TileGrid& grid, int factor) {
  const Window region = grid.covered();
  return {fine.x - region.x * factor, fine.y - region.y * factor, fine.w, fine.h};
}

// The mask page: each coarse pixel's mask on the fine pixels that it covers.
void write_mask(TiffWriter& writer, TiffReader& reader, const TileGrid& grid, int factor,
                const SceneEvents& events) {
  writer.begin_mask();
  for (int64_t i = 0; i < grid.size(); ++i) {
    events.progress(0, grid.covered().pixels());  // it may want to stop
    const Window core = grid[i].core;
    const Raster coarse = reader.read(core);
    Raster fine({core.x * factor, core.y * factor, core.w * factor, core.h * factor}, 1, SampleType::u8);
    for (int64_t y = 0; y < fine.window.h; ++y)
      for (int64_t x = 0; x < fine.window.w; ++x)
        fine.data<uint8_t>()[y * fine.window.w + x] =
            coarse.mask[static_cast<size_t>(y / factor * core.w + x / factor)];
    fine.window = in_result(fine.window, grid, factor);
    writer.write(fine);
  }
}

// Random windows computed anew with twice the margin and compared with the file.
void verify(const std::string& path, TiffReader& reader, const Model& model, const SceneSettings& s,
            const TileGrid& grid, int windows, std::optional<int> gpu, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const Window region = grid.covered();
  const Reach margin = margin_for(&model, s) + margin_for(&model, s);
  TiffReader written(path, {.cache_bytes = 0});
  TileComputer compute(&model, s, false, gpu);
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

void describe(const TiffInfo& info, const SceneSettings& s, const ScenePlan& plan, const Model* model,
              const SceneEvents& events) {
  constexpr const char* kModes[] = {"luma through the network", "each band through the network",
                                    "all bands together through the network"};
  std::ostringstream text;
  const Window region = plan.grid.covered();
  text << info.width << " x " << info.height << " x " << info.bands << ' ' << name_of(info.type);
  if (plan.grid.region == region)
    text << ", of which " << region.w << " x " << region.h << " pixels at " << region.x << ", " << region.y;
  text << " -> " << region.w * s.factor << " x " << region.h * s.factor << ", "
       << (model ? kModes[static_cast<int>(s.mode)] : "bicubic") << ", " << counted(plan.grid.size(), "tile")
       << " of " << plan.grid.tile_width << " x " << plan.grid.tile_height << ", margin "
       << plan.grid.margin.before << '/' << plan.grid.margin.after << ", at most " << (plan.peak_bytes >> 20)
       << " MB";
  events.say(text.str());
  for (const std::string& note : info.notes) events.say(note);
  if (info.type == SampleType::u32 || info.type == SampleType::i32 || info.type == SampleType::f64)
    events.say(std::string(name_of(info.type)) +
               " samples are computed in float32: 24 bits of the value range are kept");
}

}  // namespace

void upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                   const SceneOptions& options, const SceneEvents& events) {
  const bool with_bicubic = !results.bicubic.empty();
  const Model* used = results.upscaled.empty() ? nullptr : model;
  if (used && used->factor() != factor)
    throw Error(Error::Kind::usage, "the weights are for factor ", used->factor(), ", factor ", factor,
                " was asked for");
  reset_pool_peak();  // what other scenes needed is not this one's
  TiffReader reader(path, limits_for(options));
  const TiffInfo& info = reader.info();
  NetworkOptions network;
  network.factor = factor;
  SceneSettings settings = scene_settings(info, used ? used->options() : network, {}, options.mode);
  const Window region = window_of(options.region, info);
  const bool whole = region == Window{0, 0, info.width, info.height};
  const std::vector<int> gpus = used ? options.gpus : std::vector<int>();
  PlanOptions planning{.region = whole ? Window() : region,
                       .max_memory_bytes = options.max_memory_bytes,
                       .num_tiles_w = options.num_tiles_w,
                       .num_tiles_h = options.num_tiles_h,
                       .gpus = gpus.size(),
                       .gpu_bytes = bytes_per_tile(gpus),
                       .results = (used ? 1 : 0) + (with_bicubic ? 1 : 0),
                       .verify = used && options.verify_windows > 0};
  const ScenePlan plan = plan_with_threads(reader, used, settings, planning);
  const TileGrid& grid = plan.grid;
  reader.set_cache_limit(plan.cache_bytes);
  describe(info, settings, plan, used, events);
  settings.range = choose_range(reader, used, options, grid, events);

  const TiffInfo fine = fine_info(info, region, factor);
  const TiffWriterOptions writing{
      .compression = options.compression, .block = kResultBlock, .threads = planning.writer_threads};
  std::unique_ptr<TiffWriter> upscaled, bicubic;
  if (used) upscaled = std::make_unique<TiffWriter>(results.upscaled, fine, writing);
  if (with_bicubic) bicubic = std::make_unique<TiffWriter>(results.bicubic, fine, writing);
  upscale(used, settings, grid, with_bicubic,
          {.read = [&](const Window& window) { return reader.read(window); },
           .write =
               [&](FineTile& tile) {
                 const auto write = [&](TiffWriter& writer, Raster& samples) {
                   samples.window = in_result(samples.window, grid, factor);
                   writer.write(samples);
                 };
                 if (upscaled) write(*upscaled, tile.result);
                 if (bicubic) write(*bicubic, *tile.bicubic);
               },
           .progress = [&](int64_t done) { events.progress(done, region.pixels()); }},
          gpus);
  for (TiffWriter* writer : {upscaled.get(), bicubic.get()}) {
    if (!writer) continue;
    if (info.has_mask) write_mask(*writer, reader, grid, factor, events);
    writer->finish();
  }
  reset_pool_peak();  // what the tiles needed is not for what comes after them
  if (!used || options.verify_windows == 0) return;
  try {
    const auto gpu = gpus.empty() ? std::nullopt : std::optional(gpus[0]);
    verify(results.upscaled, reader, *used, settings, grid, options.verify_windows, gpu, events);
  } catch (...) {
    std::filesystem::remove(results.upscaled);
    throw;
  }
}

}  // namespace sr

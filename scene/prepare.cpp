#include "scene/prepare.h"

#include <omp.h>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <utility>

#include "io/counted.h"
#include "io/tiff/tags/georeference.h"
#include "scene/code_bands.h"
#include "scene/value_range.h"
#include "tensor/error.h"

namespace sr {
namespace {

// Blocks too large for the memory are the plan's to refuse: it knows what all of it takes.
TiffLimits limits_for(const SceneOptions& options) {
  return {.block_bytes = int64_t{1} << 40, .cache_bytes = options.max_memory_bytes / 8};
}

// As the samples are to be read. A palette for which nobody chose may not be a map of classes.
TiffReader open_scene(const std::string& path, const SceneOptions& options) {
  const TiffLimits limits = limits_for(options);
  if (!options.copy_bands.empty()) return TiffReader(path, limits, SampleReading::codes);
  TiffReader reader(path, limits);
  if (reader.info().palette.empty()) return reader;
  if (options.palette == PaletteUse::copy) return TiffReader(path, limits, SampleReading::codes);
  if (options.palette) return reader;
  if (const std::string sign = sign_of_classes(path, limits); !sign.empty())
    throw Error(
        Error::Kind::unsupported, path, ": its palette ", sign,
        ": it looks like a map of classes, which is no picture; --palette copy repeats the classes as "
        "they are, --palette rgb enlarges their colours");
  return reader;
}

// More gain nothing, and each has a handle of the file, or a codec, and a stack.
constexpr int kMostFileThreads = 32;

// The plan with as many threads that compress the result as an eighth of the memory serves, and, if the
// processor is not busy with the network, that decode the scene; with one of each if there is then too little
// for the rest.
ScenePlan plan_with_threads(TiffReader& reader, const Model* model, const SceneSettings& settings,
                            PlanOptions& options) {
  const auto threads = [&](int64_t bytes_each) {
    const int64_t fit = options.max_memory_bytes / 8 / std::max<int64_t>(bytes_each, 1);
    return static_cast<int>(std::clamp<int64_t>(fit, 1, std::min(omp_get_max_threads(), kMostFileThreads)));
  };
  TiffWriterOptions& writing = options.writing;
  writing.threads = 2;
  const int64_t two = TiffWriter::working_bytes(reader.info(), writing, writing.block, writing.block);
  writing.threads = 1;
  writing.threads =
      threads(two - TiffWriter::working_bytes(reader.info(), writing, writing.block, writing.block));
  if (!model || options.gpus > 0) reader.set_threads(threads(reader.decoding_bytes() + (1 << 20)));
  try {
    return plan_scene(reader, model, settings, options);
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::limit) throw;
  }
  writing.threads = 1;
  reader.set_threads(1);
  return plan_scene(reader, model, settings, options);
}

constexpr const char* kModes[] = {"luma through the network", "each band through the network",
                                  "all bands together through the network"};

}  // namespace

PreparedScene prepare_scene(const std::string& path, const SceneResults& results, const Model* model,
                            int factor, const SceneOptions& options) {
  const bool upscaled = !results.upscaled.empty() && model;
  const Model* used = upscaled ? model : nullptr;
  if (used && used->factor() != factor)
    throw Error(Error::Kind::usage, "the weights are for factor ", used->factor(), ", factor ", factor,
                " was asked for");
  TiffReader reader = open_scene(path, options);
  if (options.alpha) reader.choose_alpha(*options.alpha);
  const TiffInfo& info = reader.info();
  const BandList copied = copied_bands(info, options.copy_bands);
  NetworkOptions network;
  network.factor = factor;
  SceneSettings settings =
      scene_settings(without_bands(info, copied), used ? used->options() : network, {}, options.mode);
  settings.copied_bands = copied;
  if (settings.bands == 0) used = nullptr;  // nothing to compute
  settings.on_gpu = used && !options.gpus.empty();
  settings.self_ensemble = used && options.self_ensemble;
  settings.spread = settings.self_ensemble && !results.spread.empty();
  const Window region = window_of(options.region, info);
  const bool whole = region == Window{0, 0, info.width, info.height};
  const std::vector<int> gpus = used ? options.gpus : std::vector<int>();
  PlanOptions planning{.region = whole ? Window() : region,
                       .max_memory_bytes = options.max_memory_bytes,
                       .num_tiles_w = options.num_tiles_w,
                       .num_tiles_h = options.num_tiles_h,
                       .gpus = gpus.size(),
                       .gpu_bytes = gpu_bytes_per_tile(gpus),
                       .results = (upscaled ? 1 : 0) + (results.bicubic.empty() ? 0 : 1),
                       .writing = options.writing,
                       .verify = upscaled && options.verify_windows > 0,
                       .quality = upscaled && options.quality};
  planning.writing.block = result_block(info, options.writing);
  planning.writing.copied_bands = copied;
  const ScenePlan plan = plan_with_threads(reader, used, settings, planning);
  reader.set_cache_limit(plan.cache_bytes);
  return {std::move(reader), used, upscaled, settings, region, gpus, planning, plan};
}

SceneCost cost_of(const std::string& path, int factor, const SceneOptions& options) {
  try {
    const bool as_codes = !options.copy_bands.empty() || options.palette == PaletteUse::copy;
    const TiffReader reader(path, limits_for(options),
                            as_codes ? SampleReading::codes : SampleReading::picture);
    const Window region = window_of(options.region, reader.info());
    const int64_t block = result_block(reader.info(), options.writing);
    return {region.h, region.w, block / std::gcd(block, factor)};
  } catch (const Error& e) {
    if (e.kind() == Error::Kind::stopped) throw;
    return {};
  }
}

std::string description(const PreparedScene& scene) {
  const TiffInfo& info = scene.reader.info();
  const Window& region = scene.region;
  const TileGrid& grid = scene.plan.grid;
  const int factor = scene.settings.factor;
  std::ostringstream text;
  text << info.width << " x " << info.height << " x " << info.bands << ' ' << name_of(info.type);
  if (grid.region == region)
    text << ", of which " << region.w << " x " << region.h << " pixels at " << region.x << ", " << region.y;
  text << " -> " << region.w * factor << " x " << region.h * factor << ", "
       << (scene.settings.bands == 0 ? "copied"
           : scene.model             ? kModes[static_cast<int>(scene.settings.mode)]
                                     : "bicubic")
       << ", " << counted(grid.size(), "tile") << " of " << grid.tile_width << " x " << grid.tile_height
       << ", margin " << grid.margin.before << '/' << grid.margin.after << ", at most "
       << (scene.plan.peak_bytes >> 20) << " MB";
  return text.str();
}

Window in_result(const Window& fine, const Window& region, int factor) {
  return {fine.x - region.x * factor, fine.y - region.y * factor, fine.w, fine.h};
}

TiffInfo fine_info(const PreparedScene& scene) {
  const int factor = scene.settings.factor;
  TiffInfo fine = scene.reader.info();
  fine.width = scene.region.w * factor;
  fine.height = scene.region.h * factor;
  fine.tags = scaled(cropped(fine.tags, scene.region.x, scene.region.y), factor);
  return fine;
}

}  // namespace sr

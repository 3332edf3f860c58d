#include "scene/windows.h"

#include <cmath>
#include <limits>

#include "io/tiff/input/alpha_band.h"
#include "scene/choose_range.h"
#include "scene/pipeline.h"
#include "scene/plan.h"
#include "scene/tile/tile_computer.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr uint16_t kPhotometricRgb = 2;

bool is_unsigned(SampleType type) {
  return type == SampleType::u8 || type == SampleType::u16 || type == SampleType::u32;
}

void check(const SourcePicture& p) {
  constexpr int64_t kLongest = std::numeric_limits<int32_t>::max();
  constexpr int kMostBands = std::numeric_limits<uint16_t>::max();
  if (p.width < 1 || p.height < 1 || p.width > kLongest || p.height > kLongest || p.bands < 1 ||
      p.bands > kMostBands)
    throw Error(Error::Kind::usage, "a source of ", p.width, " x ", p.height, " pixels of ", p.bands,
                " bands; want 1 to ", kLongest, " each way and 1 to ", kMostBands, " bands");
  const int64_t bits = 8 * bytes_of(p.type);
  if (p.significant_bits != 0 &&
      (!is_unsigned(p.type) || p.significant_bits < 1 || p.significant_bits > bits))
    throw Error(Error::Kind::usage, "significant_bits of ", p.significant_bits, " for samples of ",
                name_of(p.type), "; want 1 to all bits of an unsigned type, or 0");
  if (p.has_alpha && p.bands < 2)
    throw Error(Error::Kind::usage, "a source of one band, which is alpha: there is no picture");
}

// As a file of these samples would say it.
TiffInfo info_of(const SourcePicture& p) {
  TiffInfo info;
  info.width = p.width, info.height = p.height;
  info.bands = p.bands;
  info.type = p.type;
  info.significant_bits =
      p.significant_bits > 0 ? p.significant_bits : static_cast<int>(8 * bytes_of(p.type));
  const int colours = p.bands - (p.has_alpha ? 1 : 0);
  if (colours == 3) info.photometric = kPhotometricRgb;
  info.extra_samples.resize(static_cast<size_t>(p.bands - (colours == 3 ? 3 : 1)));
  info.asked_alpha = p.has_alpha ? p.bands - 1 : kNoAlpha;
  info.nodata = p.nodata;
  info.has_mask = p.has_mask;
  return info;
}

SceneSettings settings_for(const Model& model, const TiffInfo& info, const WindowOptions& options) {
  SceneSettings s = scene_settings(info, model.options(), {}, options.mode);
  s.on_gpu = !options.gpus.empty();
  s.self_ensemble = options.self_ensemble;
  SceneOptions given;
  given.value_ranges = options.value_ranges;
  const std::optional<KnownRanges> known = known_ranges(s, info, &model, given);
  if (!known)
    throw Error(Error::Kind::usage, "which values of ", name_of(info.type),
                " are a picture's 0 and 1 follows neither from the type nor from the weights; give "
                "WindowOptions::value_ranges");
  s.ranges = with_alpha(s, known->ranges, info.type);
  if (info.significant_bits < 8 * bytes_of(info.type)) s.top = std::exp2(info.significant_bits) - 1;
  return s;
}

// What the tiles take for granted.
void check_window(const Raster& raster, const Window& asked, const SourcePicture& p) {
  const Window& w = raster.window;
  if (w != asked || raster.bands != p.bands || raster.type != p.type)
    throw Error(Error::Kind::usage, "the source gave the window at ", w.x, ", ", w.y, " of ", w.w, " x ", w.h,
                " pixels, ", raster.bands, " bands, ", name_of(raster.type), "; asked for was ", asked.x,
                ", ", asked.y, " of ", asked.w, " x ", asked.h, ", ", p.bands, " bands, ", name_of(p.type));
  const auto pixels = static_cast<size_t>(asked.pixels());
  const auto bytes = pixels * static_cast<size_t>(p.bands * bytes_of(p.type));
  if (raster.samples.size() != bytes || raster.mask.size() != (p.has_mask ? pixels : 0))
    throw Error(Error::Kind::usage, "the source gave ", raster.samples.size(), " bytes of samples and ",
                raster.mask.size(), " of mask for the window at ", w.x, ", ", w.y, "; want ", bytes, " and ",
                p.has_mask ? pixels : 0);
}

}  // namespace

void upscale_windows(const Model& model, const SourcePicture& picture, const WindowStreams& streams,
                     const WindowOptions& options) {
  check(picture);
  if (!streams.read || !streams.write)
    throw Error(Error::Kind::usage, "upscale_windows: there is no function to read or to write");
  const TiffInfo info = info_of(picture);
  const SceneSettings settings = settings_for(model, info, options);
  const ScenePlan plan = plan_tiles(info, {}, &model, settings,
                                    {.max_memory_bytes = options.max_memory_bytes,
                                     .num_tiles_w = options.num_tiles_w,
                                     .num_tiles_h = options.num_tiles_h,
                                     .gpus = options.gpus.size(),
                                     .gpu_bytes = gpu_bytes_per_tile(options.gpus)});
  const auto throw_if_stopped = [&] {
    if (options.stop.stop_requested()) throw Error(Error::Kind::stopped, "stopped, as was requested");
  };
  const int64_t all = picture.width * picture.height;
  upscale(&model, settings, plan.grid, false,
          {.read =
               [&](const Window& window) {
                 throw_if_stopped();
                 Raster raster = streams.read(window);
                 check_window(raster, window, picture);
                 return raster;
               },
           .write = [&](FineTile& tile) { streams.write(tile.result); },
           .progress =
               [&](int64_t done) {
                 if (streams.progress) streams.progress(done, all);
                 if (done < all) throw_if_stopped();
               }},
          options.gpus);
}

}  // namespace sr

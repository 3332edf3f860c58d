#include "idn/scene.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <sstream>

#include "idn/value_range.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace sr {
namespace {

constexpr int64_t kProgramBytes = int64_t{64} << 20;  // code, libraries, weights, scratch rows
constexpr int64_t kLargestCache = int64_t{256} << 20;
constexpr int64_t kLargestCore = 2048;  // beyond this the margin costs nothing worth saving
constexpr int64_t kSmallestCore = 16;
constexpr int64_t kBlock = 256;  // side of a block of the result

// What the reader may take: beside what a block of the file wants, enough not to decode a block twice.
TiffLimits limits_for(const SceneOptions& options) {
  return {.block_bytes = options.max_memory_bytes / 4,
          .cache_bytes = std::min(kLargestCache, options.max_memory_bytes / 8)};
}

// Blocks are used again by the tiles beside and below: a band of rows as high as a tile's read window and the
// blocks that reach out of it serves them all, so memory follows the width of a scene and not its area.
int64_t useful_cache(const TiffInfo& info, const TileGrid& grid) {
  constexpr int64_t kBlockRows = 512;
  const int64_t rows =
      std::min(info.height, grid.tile_height + grid.margin.before + grid.margin.after + kBlockRows);
  return info.width * rows * info.bands * bytes_of(info.type);
}

// All memory of a run whose largest tile has this core.
int64_t bytes_for(const TiffInfo& info, const SceneSettings& s, const Reach& margin, int64_t tile_w,
                  int64_t tile_h, int64_t reader_bytes, int results) {
  const Window read{0, 0, std::min(info.width, tile_w + margin.before + margin.after),
                    std::min(info.height, tile_h + margin.before + margin.after)};
  const Tile tile{{0, 0, std::min(info.width, tile_w), std::min(info.height, tile_h)}, read};
  const int64_t sample = info.bands * bytes_of(info.type);
  const int64_t coarse = tile.read.pixels() * (sample + (info.has_mask ? 1 : 0));
  const int64_t fine = tile.core.pixels() * s.factor * s.factor * sample * results;
  return kProgramBytes + reader_bytes + (kTilesInFlight + 1) * (coarse + fine) + working_bytes(s, tile);
}

std::string megabytes(int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MB";
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", value);
  return text;
}

// The range that the net sees as 0..1, and where it comes from.
ValueRange choose_range(TiffReader& reader, const Model* model, const SceneOptions& options,
                        const TileGrid& pieces, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const auto told = [&](const ValueRange& range, const char* source) {
    events.say("value range " + text_of(range.low) + ".." + text_of(range.high) + " (" + source + ")");
    return range;
  };
  if (options.value_range) return told(*options.value_range, "as given");
  if (const auto range = range_of_type(info)) return *range;
  if (model && model->range) return told(*model->range, "recorded with the weights");
  if (!model) return {0, 1};  // the bicubic part alone does not depend on it
  RangeMeter meter;
  for (int64_t i = 0; i < pieces.size(); ++i) {
    events.progress(0, info.width * info.height);
    const Raster raster = reader.read(pieces[i].core);
    meter.add(raster, find_invalid(raster, info.nodata, info.alpha_band()), info.alpha_band());
  }
  return told(meter.range(), "measured over the scene, 0.1 to 99.9 percent");
}

TiffInfo fine_info(const TiffInfo& info, int factor) {
  TiffInfo fine = info;
  fine.width *= factor;
  fine.height *= factor;
  fine.tags = scaled(info.tags, factor);
  return fine;
}

// The mask page: each coarse pixel's mask on the fine pixels that it covers.
void write_mask(TiffWriter& writer, TiffReader& reader, const TileGrid& grid, int factor) {
  writer.begin_mask();
  for (int64_t i = 0; i < grid.size(); ++i) {
    const Window core = grid[i].core;
    const Raster coarse = reader.read(core);
    Raster fine({core.x * factor, core.y * factor, core.w * factor, core.h * factor}, 1, SampleType::u8);
    for (int64_t y = 0; y < fine.window.h; ++y)
      for (int64_t x = 0; x < fine.window.w; ++x)
        fine.data<uint8_t>()[y * fine.window.w + x] =
            coarse.mask[static_cast<size_t>(y / factor * core.w + x / factor)];
    writer.write(fine);
  }
}

// Random windows computed anew with twice the margin and compared with the file.
void verify(const std::string& path, TiffReader& reader, const Model& model, const SceneSettings& s,
            int windows, const SceneEvents& events) {
  constexpr int64_t kSide = 48;
  const TiffInfo& info = reader.info();
  const Reach margin = margin_for(&model, s) + margin_for(&model, s);
  TiffReader written(path, TiffLimits{});
  Random random{static_cast<uint64_t>(info.width * 31 + info.height)};
  for (int i = 0; i < windows; ++i) {
    const int64_t w = std::min(kSide, info.width), h = std::min(kSide, info.height);
    const Window core{random.integer(info.width - w + 1), random.integer(info.height - h + 1), w, h};
    const Tile tile = tile_around(core, info.width, info.height, margin);
    const Raster again = upscale_tile(&model, s, reader.read(tile.read), tile, false).result;
    const Raster stored = written.read(again.window);
    if (std::memcmp(again.samples.data(), stored.samples.data(), again.samples.size()) != 0)
      throw Error(Error::Kind::format, path, ": the window at ", again.window.x, ", ", again.window.y, " of ",
                  again.window.w, " x ", again.window.h,
                  " pixels differs from the same pixels computed without tiles; the result was removed");
  }
  events.say("verified: " + std::to_string(windows) +
             " windows computed again without tiles, every bit the same");
}

void describe(const TiffInfo& info, const SceneSettings& s, const TileGrid& grid, const Model* model,
              const SceneEvents& events) {
  constexpr const char* kModes[] = {"luma through the network", "each band through the network",
                                    "all bands together through the network"};
  std::ostringstream text;
  text << info.width << " x " << info.height << " x " << info.bands << ' ' << name_of(info.type) << " -> "
       << info.width * s.factor << " x " << info.height * s.factor << ", "
       << (model ? kModes[static_cast<int>(s.mode)] : "bicubic") << ", " << grid.size() << " tiles of "
       << grid.tile_width << " x " << grid.tile_height << ", margin " << grid.margin.before << '/'
       << grid.margin.after;
  events.say(text.str());
  for (const std::string& note : info.notes) events.say(note);
  if (info.type == SampleType::u32 || info.type == SampleType::i32 || info.type == SampleType::f64)
    events.say(std::string(name_of(info.type)) +
               " samples are computed in float32: 24 bits of the value range are kept");
}

}  // namespace

TileGrid plan_tiles(const TiffInfo& info, const Model* model, const SceneSettings& s,
                    const SceneOptions& options, int64_t reader_bytes, int results) {
  const Reach margin = margin_for(model, s);
  const auto fits = [&](int64_t w, int64_t h) {
    return bytes_for(info, s, margin, w, h, reader_bytes, results) <= options.max_memory_bytes;
  };
  int64_t w = info.width, h = info.height;
  if (options.num_tiles_w > 0) w = (info.width + options.num_tiles_w - 1) / options.num_tiles_w;
  if (options.num_tiles_h > 0) h = (info.height + options.num_tiles_h - 1) / options.num_tiles_h;
  if (!fits(w, h) || (options.num_tiles_w == 0 && w > kLargestCore) ||
      (options.num_tiles_h == 0 && h > kLargestCore)) {
    const int64_t unit = kBlock / std::gcd(kBlock, int64_t{s.factor});
    int64_t side = kLargestCore;
    while (side > kSmallestCore && !fits(std::min(w, side), std::min(h, side)))
      side = side > unit ? side - unit : side / 2;
    w = std::min(w, side), h = std::min(h, side);
  }
  if (!fits(w, h))
    throw Error(Error::Kind::limit, "max_memory of ", megabytes(options.max_memory_bytes),
                " is too small for this scene: tiles of ", w, " x ", h, " pixels want ",
                megabytes(bytes_for(info, s, margin, w, h, reader_bytes, results)));
  return {info.width, info.height, w, h, margin};
}

void upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                   const SceneOptions& options, const SceneEvents& events) {
  const bool with_bicubic = !results.bicubic.empty();
  const Model* used = results.upscaled.empty() ? nullptr : model;
  if (used && used->factor() != factor)
    throw Error(Error::Kind::usage, "the weights are for factor ", used->factor(), ", factor ", factor,
                " was asked for");
  TiffLimits limits = limits_for(options);
  const TiffReader first_look(path, limits);
  const TiffInfo info = first_look.info();
  NetworkOptions network;
  network.factor = factor;
  SceneSettings settings = scene_settings(info, used ? used->options() : network, {}, options.mode);
  const TileGrid grid = plan_tiles(info, used, settings, options, first_look.cache_bytes(),
                                   (used ? 1 : 0) + (with_bicubic ? 1 : 0));
  limits.cache_bytes = std::min(limits.cache_bytes, useful_cache(info, grid));
  TiffReader reader(path, limits);
  describe(info, settings, grid, used, events);
  settings.range = choose_range(reader, used, options, grid, events);

  const TiffInfo fine = fine_info(info, factor);
  const TiffWriterOptions writing{.compression = options.compression, .block = static_cast<int>(kBlock)};
  std::unique_ptr<TiffWriter> upscaled, bicubic;
  if (used) upscaled = std::make_unique<TiffWriter>(results.upscaled, fine, writing);
  if (with_bicubic) bicubic = std::make_unique<TiffWriter>(results.bicubic, fine, writing);
  const int64_t all = info.width * info.height;
  upscale(used, settings, grid, with_bicubic,
          {.read = [&](const Window& window) { return reader.read(window); },
           .write =
               [&](FineTile tile) {
                 if (upscaled) upscaled->write(tile.result);
                 if (bicubic) bicubic->write(*tile.bicubic);
               },
           .progress = [&](int64_t done) { events.progress(done, all); }});
  for (TiffWriter* writer : {upscaled.get(), bicubic.get()}) {
    if (!writer) continue;
    if (info.has_mask) write_mask(*writer, reader, grid, factor);
    writer->finish();
  }
  if (!used || options.verify_windows == 0) return;
  try {
    verify(results.upscaled, reader, *used, settings, options.verify_windows, events);
  } catch (...) {
    std::filesystem::remove(results.upscaled);
    throw;
  }
}

}  // namespace sr

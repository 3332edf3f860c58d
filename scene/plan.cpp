#include "scene/plan.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "scene/pipeline.h"
#include "scene/quality.h"
#include "scene/tile/spread.h"
#include "scene/tile/tile_on_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"

namespace sr {
namespace {

constexpr int64_t kLargestCore = 2048, kSmallestCore = 16;
constexpr double kGoodEnough = 1.02;  // margins that cost less are not worth more memory
constexpr int64_t kCacheShare = 8;    // the cache takes such a part of what the computing takes
constexpr int64_t kFillingBytes =
    4 + 4 + 1 + 8;  // per sample: its value, twice; whether it is a hole; the fill's list

int64_t bytes_of(const Model& model) {
  int64_t values = 0;
  for (const Parameter& p : model.params->list()) values += p.var.shape().size();
  constexpr int64_t kPacked = 4;      // Winograd's transforms make 36 values of 9
  return (2 + kPacked) * 4 * values;  // the packed ones are compared with a copy
}

class Planner {
 public:
  /// keep_rows: the cache holds a row of tiles of strips that are decoded from their first row.
  Planner(const TiffInfo& info, const StreamMemory& streams, const Model* model,
          const SceneSettings& settings, const PlanOptions& options, bool keep_rows)
      : keep_rows_(keep_rows),
        info_(info),
        streams_(streams),
        model_(model),
        settings_(settings),
        options_(options),
        region_(TileGrid{info_.width, info_.height, 1, 1, {}, options.region}.covered()),
        margin_(margin_for(model, settings)),
        unit_(options.writing.block / std::gcd(options.writing.block, settings.factor)) {}

  const Window& region() const { return region_; }
  ScenePlan with_tiles(int64_t w, int64_t h) const;
  double cost(int64_t w, int64_t h) const;
  std::vector<int64_t> sides(int64_t longest) const;
  std::optional<ScenePlan> best(const std::vector<int64_t>& widths,
                                const std::vector<int64_t>& heights) const;
  ScenePlan least(const std::vector<int64_t>& widths, const std::vector<int64_t>& heights) const;

 private:
  Tile largest_tile(int64_t w, int64_t h, int margins) const;
  int64_t tile_bytes(const Tile& tile) const;
  int64_t spread_bytes() const { return settings_.spread ? 4 * spread_bands(settings_) : 0; }
  int64_t sample_bytes() const { return info_.bands * bytes_of(info_.type); }
  int64_t picture_bytes() const { return settings_.bands * bytes_of(info_.type); }

  bool keep_rows_;
  const TiffInfo& info_;
  const StreamMemory& streams_;
  const Model* model_;
  const SceneSettings& settings_;
  const PlanOptions& options_;
  Window region_;
  Reach margin_;
  int64_t unit_;  // coarse pixels: cores of whole units are whole blocks of the result
};

// A core of that size with so many margins on each side, as far as the scene goes.
Tile Planner::largest_tile(int64_t w, int64_t h, int margins) const {
  const int64_t more = margins * (margin_.before + margin_.after);
  return {{0, 0, w, h}, {0, 0, std::min(info_.width, w + more), std::min(info_.height, h + more)}};
}

// What is computed, and the windows on their way in and out.
int64_t Planner::tile_bytes(const Tile& tile) const {
  const int64_t f2 = int64_t{settings_.factor} * settings_.factor;
  const int64_t mask = info_.has_mask ? 1 : 0, coarse = tile.read.pixels() * (sample_bytes() + mask);
  const int64_t fine =
      tile.core.pixels() * f2 * ((sample_bytes() + mask) * options_.results + spread_bytes());
  const TilesInFlight tiles = tiles_in_flight(options_.gpus);
  const int64_t in_and_out = tiles.windows * coarse + tiles.fine * fine;
  // Of what is computed where other bands are copied, which are put back at the end.
  const int64_t parts = settings_.copied_bands.empty()
                            ? 0
                            : tile.read.pixels() * (picture_bytes() + (info_.has_mask ? 1 : 0)) +
                                  tile.core.pixels() * f2 * picture_bytes() * options_.results;
  if (options_.gpus == 0) return in_and_out + parts + working_bytes(model_, settings_, tile);
  // Each thread's pinned memory, and where holes are filled, samples as float32.
  const int64_t filling = settings_.may_have_holes ? tile.read.pixels() * info_.bands * kFillingBytes : 0;
  const int64_t spread = tile.read.pixels() * f2 * 2 * spread_bytes();  // what it is made of
  return in_and_out +
         kThreadsPerGpu * static_cast<int64_t>(options_.gpus) * (coarse + fine + filling + parts + spread);
}

ScenePlan Planner::with_tiles(int64_t w, int64_t h) const {
  const Tile tile = largest_tile(w, h, 1);
  const Tile again = largest_tile(std::min(kVerifySide, region_.w), std::min(kVerifySide, region_.h), 2);
  const int64_t tiles = std::max({tile_bytes(tile), options_.verify ? tile_bytes(again) : 0,
                                  options_.quality ? quality_bytes(settings_, info_.type) : 0});
  ScenePlan plan{.grid = {info_.width, info_.height, w, h, margin_, options_.region}};
  const int64_t computing = kProgramBytes + (model_ ? bytes_of(*model_) : 0) + tiles;
  plan.cache_bytes = streams_.has_cache ? computing / kCacheShare : 0;
  if (keep_rows_) plan.cache_bytes = std::max(plan.cache_bytes, streams_.cache_of_rows(tile.read.h));
  if constexpr (cuda::kBuilt) {
    if (options_.gpus > 0)
      plan.gpu_bytes = cuda::device_bytes(*model_, settings_, tile, sr::bytes_of(info_.type));
  }
  plan.peak_bytes = computing + plan.cache_bytes + streams_.reading + streams_.writing(w, h);
  return plan;
}

// Sides of cores to choose from, the shortest first.
std::vector<int64_t> Planner::sides(int64_t longest) const {
  std::vector<int64_t> list;
  for (int64_t side = unit_ / 2; side >= kSmallestCore; side /= 2) list.insert(list.begin(), side);
  for (int64_t side = unit_; side <= kLargestCore; side += unit_) list.push_back(side);
  std::erase_if(list, [&](int64_t side) { return side >= longest; });
  if (longest <= kLargestCore) list.push_back(longest);
  return list;
}

// What is computed for a pixel of a core, margins included. It depends on the scene only if a tile is as
// long.
double Planner::cost(int64_t w, int64_t h) const {
  const auto with_margins = [&](int64_t side, int64_t length) {
    return side == length
               ? 1
               : 1 + static_cast<double>(margin_.before + margin_.after) / static_cast<double>(side);
  };
  return std::max(kGoodEnough, with_margins(w, info_.width) * with_margins(h, info_.height));
}

std::optional<ScenePlan> Planner::best(const std::vector<int64_t>& widths,
                                       const std::vector<int64_t>& heights) const {
  std::optional<ScenePlan> best;
  double least = 0;
  // From low to high: of the tiles that are good enough, low ones need less of a file to be kept. But of a
  // COG's overviews a row of blocks waits for those below, the less the higher the tiles are.
  for (const int64_t h : heights)
    for (const int64_t w : widths) {
      const double costs = cost(w, h);
      const bool as_good = best && costs == least && options_.writing.cog;
      if (best && costs >= least && !as_good) continue;
      const ScenePlan plan = with_tiles(w, h);
      if (as_good && plan.peak_bytes >= best->peak_bytes) continue;
      if (plan.peak_bytes > options_.max_memory_bytes || plan.gpu_bytes > options_.gpu_bytes) continue;
      best = plan, least = costs;
    }
  return best;
}

// With the least memory: not always of the smallest tiles, whose blocks of the result wait for their
// neighbours.
ScenePlan Planner::least(const std::vector<int64_t>& widths, const std::vector<int64_t>& heights) const {
  ScenePlan least = with_tiles(widths.front(), heights.front());
  for (const int64_t h : heights)
    for (const int64_t w : widths)
      if (const ScenePlan plan = with_tiles(w, h); plan.peak_bytes < least.peak_bytes) least = plan;
  return least;
}

// Of the results of one scene, for cores of w x h.
int64_t writer_bytes(const TiffInfo& info, const SceneSettings& settings, const PlanOptions& options,
                     int64_t w, int64_t h) {
  const int64_t f = settings.factor;
  const Window region = TileGrid{info.width, info.height, 1, 1, {}, options.region}.covered();
  TiffInfo fine = info;
  fine.width = region.w * f, fine.height = region.h * f;
  const int64_t spread = settings.spread
                             ? TiffWriter::working_bytes(spread_info(fine, settings),
                                                         spread_writing(options.writing), w * f, h * f)
                             : 0;
  return options.results * TiffWriter::working_bytes(fine, options.writing, w * f, h * f) + spread;
}

std::string megabytes(int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MB";
}

}  // namespace

int result_block(const TiffInfo& info, const TiffWriterOptions& writing) {
  constexpr int64_t kBlockBytes = int64_t{16} << 20;
  const int64_t pixel = (writing.by_band ? 1 : info.bands) * bytes_of(info.type);
  int side = writing.cog ? 512 : 256;
  while (side > 16 && int64_t{side} * side * pixel > kBlockBytes) side /= 2;
  return side;
}

int64_t gpu_bytes_per_tile(const std::vector<int>& gpus) {
  constexpr double kShare =
      0.8;  // of what is free: the rest is for what the runtime loads and holes between blocks
  int64_t least = std::numeric_limits<int64_t>::max();
  if constexpr (cuda::kBuilt) {
    for (const int gpu : gpus) least = std::min(least, cuda::free_bytes(gpu));
  }
  return gpus.empty() ? least : static_cast<int64_t>(kShare * static_cast<double>(least)) / kThreadsPerGpu;
}

ScenePlan plan_tiles(const TiffInfo& info, const StreamMemory& streams, const Model* model,
                     const SceneSettings& settings, const PlanOptions& options) {
  const auto side_asked_for = [](int64_t length, int tiles) {
    return tiles > 0 ? (length + tiles - 1) / tiles : length;
  };
  const Planner planner(info, streams, model, settings, options, false);
  const Planner keeping(info, streams, model, settings, options, true);
  const int64_t w = side_asked_for(planner.region().w, options.num_tiles_w);
  const int64_t h = side_asked_for(planner.region().h, options.num_tiles_h);
  const std::vector<int64_t> widths = planner.sides(w), heights = planner.sides(h);
  const std::vector<int64_t> asked_w = options.num_tiles_w > 0 ? std::vector{w} : widths;
  const std::vector<int64_t> asked_h = options.num_tiles_h > 0 ? std::vector{h} : heights;
  // As asked for goes before quickly read.
  if (const auto plan = keeping.best(asked_w, asked_h)) return *plan;
  if (const auto plan = planner.best(asked_w, asked_h)) return *plan;
  if (const auto plan = keeping.best(widths, heights)) return *plan;
  if (const auto plan = planner.best(widths, heights)) return *plan;
  const ScenePlan smallest = planner.with_tiles(widths.front(), heights.front());
  if (smallest.gpu_bytes > options.gpu_bytes)
    throw Error(Error::Kind::limit, "the GPU's free memory is too small: tiles of ", smallest.grid.tile_width,
                " x ", smallest.grid.tile_height, " pixels want ", megabytes(smallest.gpu_bytes),
                ", there are ", megabytes(options.gpu_bytes),
                " for each that is computed; use --device cpu or another GPU");
  const ScenePlan least = planner.least(widths, heights);
  throw Error(Error::Kind::limit, "max_memory of ", megabytes(options.max_memory_bytes),
              " is too small for this scene: tiles of ", least.grid.tile_width, " x ", least.grid.tile_height,
              " pixels", options.verify ? " with --verify" : "", " want ",
              megabytes(least.peak_bytes + streams.most_reading - streams.reading));
}

ScenePlan plan_scene(const TiffReader& reader, const Model* model, const SceneSettings& settings,
                     const PlanOptions& options) {
  const StreamMemory streams{
      .reading = reader.decoding_bytes(),
      .most_reading = reader.most_decoding_bytes(),
      .has_cache = true,
      .cache_of_rows = [&](int64_t rows) { return reader.bytes_of_rows(rows); },
      .writing = [&](int64_t w, int64_t h) { return writer_bytes(reader.info(), settings, options, w, h); }};
  return plan_tiles(reader.info(), streams, model, settings, options);
}

}  // namespace sr

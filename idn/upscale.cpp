#include "idn/upscale.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "idn/bounded_queue.h"

namespace sr {
namespace {

// The first failure of any stage.
class Failure {
 public:
  void capture() {
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = std::current_exception();
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

struct ReadTile {
  Tile tile;
  Raster window;
};

// Computes tiles, but uniform ones (sea, collars, blocks that the file leaves out) only once: windows of the
// same pixel all over, as far from their tile's core and as large, become the same bits.
class TileComputer {
 public:
  TileComputer(const Model* model, const SceneSettings& settings, bool with_bicubic)
      : model_(model), settings_(settings), with_bicubic_(with_bicubic) {}

  FineTile operator()(const ReadTile& next) {
    std::optional<Key> key = key_of_uniform(next);
    if (!key) return upscale_tile(model_, settings_, next.window, next.tile, with_bicubic_);
    const auto kept =
        std::find_if(kept_.begin(), kept_.end(), [&](const auto& k) { return k.first == *key; });
    if (kept != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, kept);
      return moved_to(next.tile.core, kept_.front().second);
    }
    if (kept_.size() == kUniformTiles) kept_.pop_back();
    kept_.emplace_front(std::move(*key),
                        upscale_tile(model_, settings_, next.window, next.tile, with_bicubic_));
    return kept_.front().second;
  }

 private:
  // The one pixel (and its mask), and where the core lies in the window.
  using Key = std::pair<std::vector<std::byte>, std::array<int64_t, 6>>;

  static bool repeats(const void* bytes, size_t size, size_t period) {
    const auto* first = static_cast<const std::byte*>(bytes);
    return size <= period || std::memcmp(first, first + period, size - period) == 0;
  }

  static std::optional<Key> key_of_uniform(const ReadTile& next) {
    const auto& [window, bands, type, samples, mask] = next.window;
    const auto pixel_bytes = static_cast<size_t>(bands * bytes_of(type));
    if (!repeats(samples.data(), samples.size(), pixel_bytes)) return {};
    if (!repeats(mask.data(), mask.size(), 1)) return {};
    std::vector<std::byte> pixel(samples.begin(), samples.begin() + static_cast<ptrdiff_t>(pixel_bytes));
    if (!mask.empty()) pixel.push_back(std::byte{mask[0]});
    const auto& [core, read] = next.tile;
    return Key{std::move(pixel), {core.x - read.x, core.y - read.y, core.w, core.h, read.w, read.h}};
  }

  FineTile moved_to(const Window& core, FineTile fine) const {
    const int64_t f = settings_.factor;
    const Window place{core.x * f, core.y * f, core.w * f, core.h * f};
    fine.result.window = place;
    if (fine.bicubic) fine.bicubic->window = place;
    return fine;
  }

  const Model* model_;
  const SceneSettings& settings_;
  bool with_bicubic_;
  std::list<std::pair<Key, FineTile>> kept_;  // the last used first
};

}  // namespace

void upscale(const Model* model, const SceneSettings& settings, const TileGrid& grid, bool with_bicubic,
             const UpscaleStreams& streams) {
  BoundedQueue<ReadTile> ahead(1);
  BoundedQueue<FineTile> behind(1);
  Failure failure;
  const auto close_all = [&] {
    ahead.close();
    behind.close();
  };
  std::thread reader([&] {
    try {
      for (int64_t i = 0; i < grid.size(); ++i)
        if (const Tile tile = grid[i]; !ahead.push({tile, streams.read(tile.read)})) break;
      ahead.close();
    } catch (...) {
      failure.capture();
      close_all();
    }
  });
  std::thread writer([&] {
    try {
      while (std::optional<FineTile> fine = behind.pop()) streams.write(std::move(*fine));
    } catch (...) {
      failure.capture();
      close_all();
    }
  });
  try {
    TileComputer compute(model, settings, with_bicubic);
    int64_t done = 0;
    while (std::optional<ReadTile> next = ahead.pop()) {
      const int64_t pixels = next->tile.core.pixels();
      if (!behind.push(compute(*next))) break;
      streams.progress(done += pixels);
    }
  } catch (...) {
    failure.capture();
    ahead.close();
  }
  behind.close();
  reader.join();
  writer.join();
  failure.rethrow();
}

}  // namespace sr

#include "idn/upscale.h"

#include <exception>
#include <mutex>
#include <thread>

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
    int64_t done = 0;
    while (std::optional<ReadTile> next = ahead.pop()) {
      if (!behind.push(upscale_tile(model, settings, next->window, next->tile, with_bicubic))) break;
      streams.progress(done += next->tile.core.pixels());
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

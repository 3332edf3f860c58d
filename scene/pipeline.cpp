#include "scene/pipeline.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "scene/bounded_queue.h"
#include "scene/tile/spare_samples.h"
#include "scene/tile/tile_computer.h"
#include "tensor/error.h"

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
  int64_t index = 0;
  Tile tile;
  Raster window;
};

// Brings what several threads make into order: each waits until it is its turn.
class Turns {
 public:
  explicit Turns(BoundedQueue<FineTile>& to) : to_(to) {}

  /// False if it was closed.
  bool push(int64_t index, FineTile tile) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || next_ == index; });
    if (closed_ || !to_.push(std::move(tile))) return false;
    ++next_;
    changed_.notify_all();
    return true;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  BoundedQueue<FineTile>& to_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t next_ = 0;
  bool closed_ = false;
};

// The threads that compute on GPUs, between the queue of read tiles and that of computed ones.
class GpuThreads {
 public:
  GpuThreads(const Model* model, const SceneSettings& settings, bool with_bicubic,
             const std::vector<int>& gpus, BoundedQueue<ReadTile>& from, SpareSamples& spare,
             Failure& failure)
      : computed_(1), turns_(computed_), attempts_(kThreadsPerGpu * std::ssize(gpus)) {
    const int count = running_ = able_ = kThreadsPerGpu * static_cast<int>(gpus.size());
    const int share = std::max(1, omp_get_max_threads() / std::max(1, count));
    for (int i = 0; i < count; ++i)
      threads_.emplace_back(
          [&, gpu = gpus[static_cast<size_t>(i) % gpus.size()], share, with_bicubic, model] {
            try {
              omp_set_num_threads(share);  // holes are found and filled by the processor
              std::optional<TileComputer> compute = computer(model, settings, with_bicubic, gpu, spare);
              while (std::optional<ReadTile> next = compute ? from.pop() : std::nullopt)
                if (!turns_.push(next->index, (*compute)(next->window, next->tile))) break;
            } catch (...) {
              failure.capture();
              from.close();
              close();
            }
            // Also where reading has failed: nobody else tells who waits for tiles that there are no more.
            if (--running_ == 0) computed_.close();
          });
  }
  ~GpuThreads() {
    for (std::thread& t : threads_) t.join();
  }
  GpuThreads(const GpuThreads&) = delete;
  GpuThreads& operator=(const GpuThreads&) = delete;

  /// Nothing if no more come.
  std::optional<FineTile> pop() { return computed_.pop(); }
  void close() {
    computed_.close();
    turns_.close();
  }

 private:
  // A thread's own; nothing where the GPU's memory holds no more of them and other threads compute. One is
  // made at a time, and none computes before all were tried: two do not fail of what one of them would have.
  std::optional<TileComputer> computer(const Model* model, const SceneSettings& settings, bool with_bicubic,
                                       int gpu, SpareSamples& spare) {
    std::optional<TileComputer> made;
    std::exception_ptr failure;
    {
      const std::lock_guard lock(making_);
      try {
        made.emplace(model, settings, with_bicubic, gpu, &spare);
      } catch (const Error& e) {
        if (e.kind() != Error::Kind::limit || --able_ == 0) failure = std::current_exception();
      } catch (...) {
        failure = std::current_exception();
      }
    }
    attempts_.arrive_and_wait();
    if (failure) std::rethrow_exception(failure);
    return made;
  }

  BoundedQueue<FineTile> computed_;
  Turns turns_;
  std::mutex making_;
  int able_ = 0;  // threads that have not given up; of making_
  std::latch attempts_;
  std::atomic<int> running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

TilesInFlight tiles_in_flight(size_t gpus) {
  const int threads = gpus == 0 ? 1 : kThreadsPerGpu * static_cast<int>(gpus);
  const int handed_over = gpus == 0 ? 0 : 1;  // from the GPUs' threads to the caller's
  const int spare = threads;
  return {2 + threads, 2 + threads + handed_over + spare + threads * kUniformTiles};
}

void upscale(const Model* model, const SceneSettings& settings, const TileGrid& grid, bool with_bicubic,
             const UpscaleStreams& streams, const std::vector<int>& gpus) {
  std::vector<int64_t> tiles;
  int64_t pixels = 0;  // that are done
  for (int64_t i = 0; i < grid.size(); ++i)
    if (const Tile tile = grid[i]; streams.wanted(tile))
      tiles.push_back(i);
    else
      pixels += tile.core.pixels();
  BoundedQueue<ReadTile> ahead(1);
  BoundedQueue<FineTile> behind(1);
  const size_t results = with_bicubic && model ? 2 : 1;
  SpareSamples spare(std::max<size_t>(1, gpus.size() * kThreadsPerGpu) * results);
  Failure failure;
  std::thread reader([&] {
    try {
      for (int64_t i = 0; i < std::ssize(tiles); ++i)
        if (const Tile tile = grid[tiles[static_cast<size_t>(i)]];
            !ahead.push({i, tile, streams.read(tile.read)}))
          break;
    } catch (...) {
      failure.capture();
      behind.close();
    }
    ahead.close();
  });
  std::thread writer([&] {
    try {
      while (std::optional<FineTile> fine = behind.pop()) {
        streams.write(*fine);
        spare.give_back(std::move(fine->result.samples));
        if (fine->bicubic) spare.give_back(std::move(fine->bicubic->samples));
      }
    } catch (...) {
      failure.capture();
      ahead.close();
      behind.close();
    }
  });
  size_t done = 0;
  // False if there is nobody who takes it.
  const auto hand_on = [&](FineTile fine) {
    if (!behind.push(std::move(fine))) return false;
    streams.progress(pixels += grid[tiles[done++]].core.pixels());
    return true;
  };
  try {
    if (gpus.empty()) {
      TileComputer compute(model, settings, with_bicubic, {}, &spare);
      while (std::optional<ReadTile> next = ahead.pop())
        if (!hand_on(compute(next->window, next->tile))) break;
    } else {
      GpuThreads threads(model, settings, with_bicubic, gpus, ahead, spare, failure);
      try {
        while (done < tiles.size()) {
          std::optional<FineTile> fine = threads.pop();
          if (!fine || !hand_on(std::move(*fine))) break;
        }
      } catch (...) {
        failure.capture();
      }
      ahead.close();
      threads.close();
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

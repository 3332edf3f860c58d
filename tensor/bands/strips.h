// How an image's columns are cut into strips, each of which goes through all stages of a band of rows before
// the next one does: what a stage makes is then still in the caches when the next one reads it, however wide
// the image is, and threads wait for their neighbour only, not for each other at every stage.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "tensor/bands/kernels.h"
#include "tensor/bands/program.h"
#include "tensor/bands/schedule.h"

namespace sr::bands {

/// A stage's part of a strip ends further left than that of the stage before: by the columns to its right
/// that it reads, which are then there, and by those to their left that the stage before reads, whose place
/// may be given to rows of this stage. So a strip needs nothing of those to its right, and of the one to its
/// left that it is a stage ahead.
class Strips {
 public:
  /// As wide as is good for the caches, and narrower where `threads` would not have one each. `phases` are
  /// the columns' (grid_phases()).
  Strips(const Program& program, const std::vector<PackedStage>& packed, const Kernels& kernels,
         int64_t width, const std::vector<int64_t>& phases, int64_t threads);

  int64_t size() const { return static_cast<int64_t>(ends_.size() / stages_); }
  /// Columns begin .. end-1 of a stage; none where they are equal.
  int64_t begin(int64_t strip, size_t stage) const { return strip == 0 ? 0 : end(strip - 1, stage); }
  int64_t end(int64_t strip, size_t stage) const {
    return ends_[static_cast<size_t>(strip) * stages_ + stage];
  }
  /// The last strip of a band that still reads columns where this one of the next band writes.
  int64_t last_before(int64_t strip) const { return last_before_[static_cast<size_t>(strip)]; }
  /// How many threads can be at work at once, each on a strip.
  int64_t at_once() const { return at_once_; }

 private:
  void cut(const Program& program, const std::vector<PackedStage>& packed, int64_t align, int64_t width,
           const std::vector<int64_t>& phases, int64_t columns);

  size_t stages_;
  std::vector<int64_t> ends_;         // [strip][stage]
  std::vector<int64_t> last_before_;  // of each strip
  int64_t at_once_ = 0;
};

/// The steps of a Schedule, band by band.
class BandSteps {
 public:
  explicit BandSteps(const Schedule& schedule) : walk_(schedule), more_(walk_.next()) {}

  /// Goes on to band `number`, 0, 1, ..., if it is not there yet; false if there are not so many.
  bool go_to(int64_t number);

  const std::vector<Schedule>& steps() const { return steps_; }
  int64_t before() const { return before_; }  ///< steps of all bands before this one

 private:
  Schedule walk_;
  bool more_;
  int64_t number_ = -1, before_ = 0;
  std::vector<Schedule> steps_;
};

/// How many steps of a strip are done, of all bands together.
class alignas(64) Progress {
 public:
  void wait_for(int64_t steps) const {
    for (int64_t now; (now = done_.load(std::memory_order_acquire)) < steps;)
      done_.wait(now, std::memory_order_acquire);
  }
  void set(int64_t steps) {
    done_.store(steps, std::memory_order_release);
    done_.notify_all();
  }

 private:
  std::atomic<int64_t> done_{0};
};

}  // namespace sr::bands

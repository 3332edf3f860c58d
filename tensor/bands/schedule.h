// Which rows of which stage are computed when, and where they are kept for as long as a stage needs them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/bands/program.h"

namespace sr::bands {

/// Walks the stages of a program over an image of `height` rows: a band of the image's rows comes in, every
/// stage computes what can be computed of it, rows that nobody needs any more give their places to the next
/// ones. A place that became free last is taken first, since it is still in a cache. Every thread has a copy
/// and walks it by itself.
class Schedule {
 public:
  /// Bands of `band` rows, a multiple of `align`. Stages end at rows r with (r + phase()) % align == 0, or at
  /// the image's end; of the image itself the phase is `origin`, 0 .. align-1.
  Schedule(const Program& program, int64_t height, int64_t band, int64_t align, int64_t origin);

  /// Goes to the next step; false when all is done.
  bool next();

  size_t stage() const { return stage_; }
  int64_t first() const { return first_; }  ///< rows of the stage's output to compute: first .. last - 1
  int64_t last() const { return last_; }
  /// Of a stage: where its bands end.
  int64_t phase(size_t stage) const { return phases_[stage]; }

  static constexpr int kOutside = -1;
  /// The place of a row among those of its number of channels, or kOutside of the image.
  int place(const Rows& rows, int64_t row) const;
  /// Places of this many channels that have been needed so far.
  int places(int64_t channels) const;

 private:
  struct Kept {
    int64_t first = 0, end = 0;  // rows that are kept
    std::vector<int> places;     // of them, in order
  };
  struct Places {
    int64_t channels = 0;
    int all = 0;
    std::vector<int> free;  // the last is taken first
  };

  void begin(size_t stage, int64_t last);
  void finish();
  void release(const Rows& rows);
  int64_t reachable(const Stage& stage, size_t index) const;
  Places& places_of(int64_t channels);

  const std::vector<Stage>* stages_;
  const std::vector<int64_t>* channels_;
  int64_t height_, band_, align_;
  int64_t image_rows_;  // that have come in
  size_t stage_ = 0;    // in work, or the first to be asked
  bool working_ = false;
  int64_t first_ = 0, last_ = 0;
  std::vector<int64_t> phases_, done_;  // of each stage
  std::vector<Kept> kept_;              // of each Rows
  std::vector<Places> places_;
};

}  // namespace sr::bands

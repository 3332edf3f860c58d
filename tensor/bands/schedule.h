// Which rows of which stage are computed when, and where they are kept for as long as a stage needs them.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/bands/program.h"

namespace sr::bands {

/// Where the grid of tiles of `align` rows (or columns) lies for each stage of a program: tiles begin at rows
/// r with (r + phase) % align == 0. `origin` is the image's, 0 .. align-1. A stage's tiles lie as much
/// further up as it reads rows below: so it can compute whole tiles of what those before it have made, and
/// looks less far than if all tiles lay alike.
std::vector<int64_t> grid_phases(const Program& program, int64_t align, int64_t origin);

/// How far a pixel of the result looks in the image, in coarse pixels, in rows and columns alike: as far as
/// its layers reach, and where one is computed in tiles of the grid (`in_tiles`, by stage) to what its tile
/// is made of: a value of Winograd's F(4x4, 3x3) is a sum in which inputs that it does not depend on cancel,
/// but for their rounding.
struct Span {
  int64_t before = 0, after = 0;
};
Span span_of(const Program& program, int64_t align, const std::vector<bool>& in_tiles);

/// Walks the stages of a program over an image of `height` rows: a band of the image's rows comes in, every
/// stage computes what can be computed of it, rows that nobody needs any more give their places to the next
/// ones. A place that became free last is taken first, since it is still in a cache. Every thread has a copy
/// and walks it by itself.
class Schedule {
 public:
  /// Bands of `band` rows, a multiple of `align`. Stages end where tiles of the grid do (grid_phases()), or
  /// at the image's end.
  Schedule(const Program& program, int64_t height, int64_t band, int64_t align, int64_t origin);

  /// Goes to the next step; false when all is done.
  bool next();

  size_t stage() const { return stage_; }
  int64_t band() const { return bands_; }   ///< how many have come in
  int64_t first() const { return first_; }  ///< rows of the stage's output to compute: first .. last - 1
  int64_t last() const { return last_; }
  /// Of the stage in work.
  int64_t phase() const { return phases_[stage_]; }

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
  int64_t bands_ = 0;
  size_t stage_ = 0;  // in work, or the first to be asked
  bool working_ = false;
  int64_t first_ = 0, last_ = 0;
  std::vector<int64_t> phases_, done_;  // of each stage
  std::vector<Kept> kept_;              // of each Rows
  std::vector<Places> places_;
};

}  // namespace sr::bands

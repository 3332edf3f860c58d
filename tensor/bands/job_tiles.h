// The tiles of Winograd's transforms that a job's outputs lie in. Included by *_simd.cpp files only (see
// tensor/simd/lanes.h).
#pragma once

#include "tensor/bands/winograd_layer.h"

namespace {

using sr::bands::Job;
using sr::bands::winograd::kTile;

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Rows of the job's first tile that are not its own: input rows that come before those it reads.
inline int64_t rows_above(const Job& job) {
  return (job.row + job.row_phase) % kTile;
}

// A tile's first output, from the job's first tile's row and the image's column 0 on.
struct JobTile {
  int64_t row, column;
};

class JobTiles {
 public:
  explicit JobTiles(const Job& job)
      : left_(job.x - (job.x + job.column_phase) % kTile),
        across_((job.x + job.columns - left_ + kTile - 1) / kTile),
        size_((rows_above(job) + job.rows + kTile - 1) / kTile * across_) {}
  int64_t size() const { return size_; }
  JobTile operator[](int64_t i) const { return {i / across_ * kTile, left_ + i % across_ * kTile}; }

 private:
  int64_t left_, across_, size_;
};

}  // namespace

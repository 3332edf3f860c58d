// Where the rows between stages lie, and the jobs of a step, which say so to the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/bands/kernels.h"
#include "tensor/bands/program.h"
#include "tensor/bands/schedule.h"

namespace sr::bands {

/// The least multiple of b that is not below a, for a >= 0.
constexpr int64_t round_up(int64_t a, int64_t b) {
  return (a + b - 1) / b * b;
}

/// The rows between stages: of each number of channels so many places, and one row of zeros.
class RowMemory {
 public:
  /// For what a schedule has needed that has been walked to its end.
  RowMemory(const Schedule& walked, const Program& program, const Kernels& kernels, int64_t width);

  int64_t bytes() const { return bytes_; }
  void use(std::byte* memory) { memory_ = memory; }

  /// Zeros where rows have no pixels.
  void clear_margins() const;

  /// Pixel 0 of a place, or of the zeros (Schedule::kOutside).
  std::byte* row(int64_t channels, int place) const;

 private:
  struct OfChannels {
    int64_t channels, row, first;  // bytes of a row, and where the first one lies
  };
  const OfChannels* find(int64_t channels) const;

  int64_t element_bytes_, width_, pixels_;
  std::vector<OfChannels> of_channels_;
  int64_t bytes_ = 0;
  std::byte* memory_ = nullptr;
};

struct Image {
  const float* data;
  int64_t height, width, channels;
};

struct Result {
  float* data;
  int64_t row_floats;  ///< from row to row
};

/// A step of a schedule, and everything that a Job needs to know of it.
class Step {
 public:
  Step(const Schedule& schedule, const Stage& stage, const RowMemory& memory, const Kernels& kernels,
       const Image& image, const Result& result, int64_t column_phase);

  /// Columns x .. end-1 of up to `rows` rows, a multiple of Kernels::align: those number `down` from where
  /// the grid's tile begins, so that only a step's first job may begin within one.
  Job& job(int64_t rows, int64_t down, int64_t x, int64_t end);

  /// As many jobs down as reach the step's last row.
  int64_t jobs_down(int64_t rows) const;

 private:
  int64_t floor_to_grid(int64_t row) const;
  void set_rows(int64_t tile_row, int64_t rows);
  std::byte* row_of(const Rows& rows, int64_t row) const;
  const void* input_row(int64_t row) const;

  const Schedule& schedule_;
  const Stage& stage_;
  const RowMemory& memory_;
  const Kernels& kernels_;
  const Image& image_;
  Job job_;
};

}  // namespace sr::bands

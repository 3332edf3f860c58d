#include "tensor/bands/step.h"

#include <algorithm>
#include <cstring>

namespace sr::bands {

RowMemory::RowMemory(const Schedule& walked, const Program& program, const Kernels& kernels, int64_t width)
    : element_bytes_(kernels.element_bytes),
      width_(width),
      pixels_(kMargin + round_up(width + kernels.columns, kernels.columns) + kMargin) {
  for (const int64_t channels : program.channels()) {
    if (find(channels)) continue;
    // An odd number of cache lines, so that a column's pixels spread over all sets.
    const int64_t row = (round_up(pixels_ * channels * element_bytes_, 64) / 64 | 1) * 64;
    of_channels_.push_back({channels, row, bytes_});
    bytes_ += row * (walked.places(channels) + 1);
  }
}

void RowMemory::clear_margins() const {
  for (size_t i = 0; i < of_channels_.size(); ++i) {
    const OfChannels& c = of_channels_[i];
    const int64_t end = i + 1 < of_channels_.size() ? of_channels_[i + 1].first : bytes_;
    const auto pixel = static_cast<size_t>(c.channels * element_bytes_);
    const size_t before = kMargin * pixel, after = before + static_cast<size_t>(width_) * pixel;
    const auto row = static_cast<size_t>(c.row);
    std::memset(memory_ + c.first, 0, row);
#pragma omp parallel for schedule(static)
    for (int64_t at = c.first + c.row; at < end; at += c.row) {
      std::memset(memory_ + at, 0, before);
      std::memset(memory_ + at + after, 0, row - after);
    }
  }
}

std::byte* RowMemory::row(int64_t channels, int place) const {
  const OfChannels& c = *find(channels);
  return memory_ + c.first + c.row * (place + 1) + kMargin * channels * element_bytes_;
}

const RowMemory::OfChannels* RowMemory::find(int64_t channels) const {
  for (const OfChannels& c : of_channels_)
    if (c.channels == channels) return &c;
  return nullptr;
}

Step::Step(const Schedule& schedule, const Stage& stage, const RowMemory& memory, const Kernels& kernels,
           const Image& image, const Result& result, int64_t column_phase)
    : schedule_(schedule), stage_(stage), memory_(memory), kernels_(kernels), image_(image) {
  job_.width = image.width;
  job_.row_phase = schedule.phase(), job_.column_phase = column_phase;
  job_.in_pitch = stage.from.channels;
  for (size_t i = 0; i < stage.added.size(); ++i) job_.added_pitch[i] = stage.added[i].channels;
  for (size_t i = 0; i < stage.to.size(); ++i) job_.out_pitch[i] = stage.to[i].channels;
  job_.result = result.data, job_.result_pitch = result.row_floats;
}

Job& Step::job(int64_t rows, int64_t down, int64_t x, int64_t end) {
  const int64_t tile_row = floor_to_grid(schedule_.first()) + down * rows;
  job_.row = std::max(schedule_.first(), tile_row);
  job_.rows = std::min(tile_row + rows, schedule_.last()) - job_.row;
  job_.x = x, job_.columns = end - x;
  set_rows(tile_row, round_up(rows, kernels_.align));
  return job_;
}

int64_t Step::jobs_down(int64_t rows) const {
  return (schedule_.last() - floor_to_grid(schedule_.first()) + rows - 1) / rows;
}

int64_t Step::floor_to_grid(int64_t row) const {
  return (row + job_.row_phase) / kernels_.align * kernels_.align - job_.row_phase;
}

void Step::set_rows(int64_t tile_row, int64_t rows) {
  const int64_t span = rows + stage_.before + stage_.after;
  for (int64_t k = 0; k < span; ++k) job_.in[k] = input_row(tile_row - stage_.before + k);
  for (int64_t k = 0; k < job_.rows; ++k) {
    for (size_t i = 0; i < stage_.added.size(); ++i) job_.added[i][k] = row_of(stage_.added[i], job_.row + k);
    for (size_t i = 0; i < stage_.to.size(); ++i) job_.out[i][k] = row_of(stage_.to[i], job_.row + k);
  }
}

std::byte* Step::row_of(const Rows& rows, int64_t row) const {
  return memory_.row(rows.channels, schedule_.place(rows, row));
}

const void* Step::input_row(int64_t row) const {
  if (stage_.from.index != 0) {
    // Rows below the step's last may not be there yet: a tile that ends beyond reads them for values it
    // drops.
    const int64_t made = schedule_.last() + stage_.after;
    return row < made ? row_of(stage_.from, row) : memory_.row(stage_.from.channels, Schedule::kOutside);
  }
  if (row < 0 || row >= image_.height) return nullptr;
  return image_.data + row * image_.width * image_.channels;
}

}  // namespace sr::bands

#include "tensor/bands/network.h"

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "tensor/allocator.h"
#include "tensor/error.h"
#include "tensor/stop.h"

namespace sr::bands {
namespace {

int64_t round_up(int64_t a, int64_t b) {
  return (a + b - 1) / b * b;
}

/// The rows between stages: of each number of channels so many places, and one row of zeros.
class RowMemory {
 public:
  RowMemory(const Schedule& walked, const Program& program, const Kernels& k, int64_t width)
      : element_bytes_(k.element_bytes),
        width_(width),
        pixels_(kMargin + round_up(width + k.columns, k.columns) + kMargin) {
    for (const int64_t channels : program.channels()) {
      if (find(channels)) continue;
      // An odd number of cache lines, so that a column's pixels spread over all sets.
      const int64_t row = (round_up(pixels_ * channels * element_bytes_, 64) / 64 | 1) * 64;
      of_channels_.push_back({channels, row, bytes_});
      bytes_ += row * (walked.places(channels) + 1);
    }
  }

  int64_t bytes() const { return bytes_; }
  void use(std::byte* memory) { memory_ = memory; }

  /// Zeros where rows have no pixels.
  void clear_margins() const {
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

  /// Pixel 0 of a place, or of the zeros.
  std::byte* row(int64_t channels, int place) const {
    const OfChannels& c = *find(channels);
    return memory_ + c.first + c.row * (place + 1) + kMargin * channels * element_bytes_;
  }

 private:
  struct OfChannels {
    int64_t channels, row, first;  // bytes of a row, and where the first one lies
  };
  const OfChannels* find(int64_t channels) const {
    for (const OfChannels& c : of_channels_)
      if (c.channels == channels) return &c;
    return nullptr;
  }

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
  int64_t row_floats;  // from row to row
};

/// How a step's rows and columns are cut into jobs: small enough to keep all threads busy to the end.
struct Cut {
  int64_t rows, columns;  // of a job
  int64_t across;

  Cut(int64_t step_rows, const Kernels& k, int64_t width, int64_t column_phase, int64_t threads)
      : columns(k.columns), across(jobs_across(width + column_phase)) {
    constexpr int64_t kJobsPerThread = 4;
    const int64_t parts = std::max<int64_t>(1, (kJobsPerThread * threads + across - 1) / across);
    rows = std::clamp(round_up(step_rows / parts, k.rows), k.rows, kBand);
    for (const int64_t down = (step_rows + rows - 1) / rows;
         columns > k.least_columns && across * down < threads; across = jobs_across(width + column_phase))
      columns /= 2;
  }

 private:
  int64_t jobs_across(int64_t all) const { return (all + columns - 1) / columns; }
};

/// Everything that a Job needs to know of a step.
class Step {
 public:
  Step(const Schedule& schedule, const Stage& stage, const RowMemory& memory, const Kernels& kernels,
       const Image& image, const Result& result, int64_t column_phase)
      : schedule_(schedule),
        stage_(stage),
        memory_(memory),
        kernels_(kernels),
        image_(image),
        result_(result) {
    job_.width = image.width;
    job_.row_phase = schedule.phase(), job_.column_phase = column_phase;
    job_.in_pitch = stage.from.channels;
    for (size_t i = 0; i < stage.added.size(); ++i) job_.added_pitch[i] = stage.added[i].channels;
    for (size_t i = 0; i < stage.to.size(); ++i) job_.out_pitch[i] = stage.to[i].channels;
    job_.result = result.data, job_.result_pitch = result.row_floats;
  }

  /// The job in place (down, across) of a cut.
  Job& job(const Cut& cut, int64_t down, int64_t across) {
    // Rows from where the grid's tile begins, so that only a step's first job may begin within one.
    const int64_t align = kernels_.align;
    const int64_t tile_row = floor_to_grid(schedule_.first(), align) + down * cut.rows;
    job_.row = std::max(schedule_.first(), tile_row);
    job_.rows = std::min(tile_row + cut.rows, schedule_.last()) - job_.row;
    const int64_t left = across * cut.columns - job_.column_phase;
    job_.x = std::max<int64_t>(0, left);
    job_.columns = std::min(left + cut.columns, image_.width) - job_.x;
    set_rows(tile_row, round_up(cut.rows, align));
    return job_;
  }

  /// As many jobs down as reach the last row from where the grid's first tile begins.
  int64_t jobs_down(const Cut& cut) const {
    const int64_t first = floor_to_grid(schedule_.first(), kernels_.align);
    return (schedule_.last() - first + cut.rows - 1) / cut.rows;
  }

 private:
  int64_t floor_to_grid(int64_t row, int64_t align) const {
    return (row + job_.row_phase) / align * align - job_.row_phase;
  }

  void set_rows(int64_t tile_row, int64_t rows) {
    const int64_t span = rows + stage_.before + stage_.after;
    for (int64_t k = 0; k < span; ++k) job_.in[k] = input_row(tile_row - stage_.before + k);
    for (int64_t k = 0; k < job_.rows; ++k) {
      for (size_t i = 0; i < stage_.added.size(); ++i)
        job_.added[i][k] = row_of(stage_.added[i], job_.row + k);
      for (size_t i = 0; i < stage_.to.size(); ++i) job_.out[i][k] = row_of(stage_.to[i], job_.row + k);
    }
  }

  std::byte* row_of(const Rows& rows, int64_t row) const {
    return memory_.row(rows.channels, schedule_.place(rows, row));
  }

  const void* input_row(int64_t row) const {
    if (stage_.from.index != 0) {
      // Rows below the step's last may not be there yet: a tile that ends beyond reads them for values it
      // drops.
      const int64_t made = schedule_.last() + stage_.after;
      return row < made ? row_of(stage_.from, row) : memory_.row(stage_.from.channels, Schedule::kOutside);
    }
    if (row < 0 || row >= image_.height) return nullptr;
    return image_.data + row * image_.width * image_.channels;
  }

  const Schedule& schedule_;
  const Stage& stage_;
  const RowMemory& memory_;
  const Kernels& kernels_;
  const Image& image_;
  const Result& result_;
  Job job_;
};

/// Rows of the image that come in at once.
int64_t band_rows(const Kernels& k, int64_t width, int64_t threads) {
  int64_t rows = kBand;
  while (rows > k.rows && rows * width > k.band_pixels * threads) rows /= 2;
  return rows;
}

Schedule walked(Schedule schedule) {
  while (schedule.next()) {
  }
  return schedule;
}

struct GiveBack {
  void operator()(void* block) const { give_back_scratch(block); }
};
using Scratch = std::unique_ptr<void, GiveBack>;

/// The place in a grid of `align` rows and columns, also of a scene that goes on to the left or above of 0.
Origin in_grid(Origin origin, int64_t align) {
  return {((origin.row % align) + align) % align, ((origin.column % align) + align) % align};
}

int64_t scratch_bytes(const std::vector<PackedStage>& packed) {
  int64_t most = 0;
  for (const PackedStage& stage : packed) most = std::max(most, stage.scratch_bytes);
  return round_up(most, 4096);
}

}  // namespace

Network::Network(Program program, const Kernels& kernels) : program_(std::move(program)), kernels_(&kernels) {
  for (size_t i = 0; i < program_.stages().size(); ++i) {
    const Stage& stage = program_.stages()[i];
    if (kBand + kernels_->align + stage.before + stage.after > kMostRows ||
        std::max(stage.before, stage.after) >= kMargin)
      throw Error(Error::Kind::unsupported, "bands: a layer that reads ", stage.before, " rows above and ",
                  stage.after, " below");
    packed_.push_back(kernels_->pack(stage, stage.from.index == 0));
  }
}

Tensor Network::run(const Tensor& image, Origin origin, std::vector<double>* seconds) const {
  const Shape& s = image.shape();
  if (s.c != program_.channels()[0])
    throw Error(Error::Kind::shape, "bands: an image of ", s, " for a network of ", program_.channels()[0],
                " channels");
  const Tensor dense = image.is_contiguous() ? image : image.clone();
  const int64_t f = program_.factor();
  Tensor result(Shape{s.n, s.h * f, s.w * f, program_.result_channels()});
  if (seconds) seconds->assign(packed_.size(), 0);
  for (int64_t n = 0; n < s.n && s.h > 0 && s.w > 0; ++n)
    run_one(dense.data() + n * s.h * s.w * s.c,
            result.data() + n * s.h * s.w * f * f * program_.result_channels(), s.h, s.w,
            in_grid(origin, kernels_->align), seconds);
  throw_if_stopping();  // with rows left out
  return result;
}

void Network::run_one(const float* image, float* result, int64_t height, int64_t width, Origin origin,
                      std::vector<double>* seconds) const {
  const int threads = omp_get_max_threads();
  const Schedule schedule(program_, height, band_rows(*kernels_, width, threads), kernels_->align,
                          origin.row);
  RowMemory memory(walked(schedule), program_, *kernels_, width);
  const int64_t own = scratch_bytes(packed_);
  const Scratch block(take_scratch(memory.bytes() + own * threads));
  auto* bytes = static_cast<std::byte*>(block.get());
  memory.use(bytes);
  memory.clear_margins();
  const Image in{image, height, width, program_.channels()[0]};
  const Result out{result, width * program_.factor() * program_.result_channels()};
  const std::vector<int64_t> column_phases = grid_phases(program_, kernels_->align, origin.column);
  std::vector<Schedule> walks(static_cast<size_t>(threads), schedule);
#pragma omp parallel
  {
    const auto thread = static_cast<size_t>(omp_get_thread_num());
    Schedule& mine = walks[thread];
    void* scratch = bytes + memory.bytes() + own * static_cast<int64_t>(thread);
    std::vector<double> took(seconds ? packed_.size() : 0);
    while (mine.next()) {
      const Stage& stage = program_.stages()[mine.stage()];
      const PackedStage& packed = packed_[mine.stage()];
      const int64_t column_phase = column_phases[mine.stage()];
      Step step(mine, stage, memory, *kernels_, in, out, column_phase);
      const Cut cut(mine.last() - mine.first(), *kernels_, width, column_phase, threads);
      const int64_t jobs = step.jobs_down(cut) * cut.across;
#pragma omp for schedule(dynamic)
      for (int64_t i = 0; i < jobs; ++i) {
        if (stopping()) continue;  // run() throws
        Job& job = step.job(cut, i / cut.across, i % cut.across);
        job.scratch = scratch;
        const double start = seconds ? omp_get_wtime() : 0;
        packed.run(packed.weights.get(), job);
        if (seconds) took[mine.stage()] += omp_get_wtime() - start;
      }
    }
#pragma omp critical
    for (size_t i = 0; i < took.size(); ++i) (*seconds)[i] += took[i];
  }
}

Span Network::span() const {
  std::vector<bool> in_tiles;
  for (const PackedStage& stage : packed_) in_tiles.push_back(stage.in_tiles);
  return span_of(program_, kernels_->align, in_tiles);
}

int64_t Network::working_bytes(int64_t width, int64_t height) const {
  // The same bands come again and again: a few tell of all.
  constexpr int64_t kEnough = 16 * kBand;
  const int64_t rows = height <= kEnough ? height : kEnough + height % kBand;
  const int threads = omp_get_max_threads();
  const Schedule schedule(program_, rows, band_rows(*kernels_, width, threads), kernels_->align, 0);
  const RowMemory memory(walked(schedule), program_, *kernels_, width);
  return memory.bytes() + scratch_bytes(packed_) * threads;
}

}  // namespace sr::bands

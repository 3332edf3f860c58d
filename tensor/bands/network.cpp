#include "tensor/bands/network.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "tensor/allocator.h"
#include "tensor/bands/step.h"
#include "tensor/bands/strips.h"
#include "tensor/error.h"
#include "tensor/stop.h"

namespace sr::bands {
namespace {

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

/// A thread's time in each stage, added to all threads' at its end, if that is wanted.
class Timed {
 public:
  explicit Timed(std::vector<double>* of_all) : of_all_(of_all), own_(of_all ? of_all->size() : 0) {}
  Timed(const Timed&) = delete;
  ~Timed() {
#pragma omp critical
    for (size_t i = 0; i < own_.size(); ++i) (*of_all_)[i] += own_[i];
  }

  template <class F>
  void run(size_t stage, const F& f) {
    const double start = of_all_ ? omp_get_wtime() : 0;
    f();
    if (of_all_) own_[stage] += omp_get_wtime() - start;
  }

 private:
  std::vector<double>* of_all_;
  std::vector<double> own_;
};

/// An image's way through all stages.
struct Pass {
  const Program& program;
  const std::vector<PackedStage>& packed;
  const Kernels& kernels;
  const RowMemory& memory;
  Image image;
  Result result;
  const std::vector<int64_t>& column_phases;  // of each stage
  std::byte* scratch;                         // of all threads, each of which has `scratch_bytes`
  int64_t scratch_bytes;
  std::vector<double>* seconds;

  /// Every thread takes strips of its own.
  void strip_by_strip(const Schedule& schedule, const Strips& strips) const;
  /// All threads share each stage's rows and columns: of images too narrow for a strip each.
  void stage_by_stage(const Schedule& schedule, int threads) const;

 private:
  Step step_of(const Schedule& now) const {
    const size_t stage = now.stage();
    return {now, program.stages()[stage], memory, kernels, image, result, column_phases[stage]};
  }
  void run_strip(const Schedule& now, int64_t begin, int64_t end, void* own, Timed& timed) const;
  void* own_scratch() const { return scratch + scratch_bytes * omp_get_thread_num(); }
};

void Pass::strip_by_strip(const Schedule& schedule, const Strips& strips) const {
  std::vector<Progress> progress(static_cast<size_t>(strips.size()));
  std::atomic<int64_t> next{0};  // strips in the order in which they depend on each other, band by band
#pragma omp parallel
  {
    Timed timed(seconds);
    BandSteps band(schedule);
    for (int64_t i = next++; band.go_to(i / strips.size()); i = next++) {
      const int64_t strip = i % strips.size();
      const auto at = progress.begin() + strip;
      progress[static_cast<size_t>(strips.last_before(strip))].wait_for(band.before());
      int64_t done = band.before();
      for (const Schedule& now : band.steps()) {
        if (strip > 0) at[-1].wait_for(done + 1);
        run_strip(now, strips.begin(strip, now.stage()), strips.end(strip, now.stage()), own_scratch(),
                  timed);
        at->set(++done);
      }
    }
  }
}

void Pass::run_strip(const Schedule& now, int64_t begin, int64_t end, void* own, Timed& timed) const {
  const size_t stage = now.stage();
  Step step = step_of(now);
  const int64_t rows = std::clamp(round_up(now.last() - now.first(), kernels.rows), kernels.rows, kBand);
  for (int64_t down = 0; down < step.jobs_down(rows); ++down)
    for (int64_t x = begin, next; x < end && !stopping(); x = next) {  // Network::run() throws
      next = x + kernels.columns;
      next = next < end ? next - (next + column_phases[stage]) % kernels.align : end;
      Job& job = step.job(rows, down, x, next);
      job.scratch = own;
      timed.run(stage, [&] { packed[stage].run(packed[stage].weights.get(), job); });
    }
}

void Pass::stage_by_stage(const Schedule& schedule, int threads) const {
#pragma omp parallel
  {
    Timed timed(seconds);
    Schedule now = schedule;
    while (now.next()) {
      const size_t stage = now.stage();
      const int64_t phase = column_phases[stage];
      Step step = step_of(now);
      const Cut cut(now.last() - now.first(), kernels, image.width, phase, threads);
      const int64_t jobs = step.jobs_down(cut.rows) * cut.across;
#pragma omp for schedule(dynamic)
      for (int64_t i = 0; i < jobs; ++i) {
        if (stopping()) continue;  // Network::run() throws
        const int64_t left = i % cut.across * cut.columns - phase;
        Job& job = step.job(cut.rows, i / cut.across, std::max<int64_t>(0, left),
                            std::min(left + cut.columns, image.width));
        job.scratch = own_scratch();
        timed.run(stage, [&] { packed[stage].run(packed[stage].weights.get(), job); });
      }
    }
  }
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
  const Schedule schedule(program_, height, kBand, kernels_->align, origin.row);
  RowMemory memory(walked(schedule), program_, *kernels_, width);
  const int64_t own = scratch_bytes(packed_);
  const Scratch block(take_scratch(memory.bytes() + own * threads));
  auto* bytes = static_cast<std::byte*>(block.get());
  memory.use(bytes);
  memory.clear_margins();
  const std::vector<int64_t> column_phases = grid_phases(program_, kernels_->align, origin.column);
  const Pass pass{program_,
                  packed_,
                  *kernels_,
                  memory,
                  {image, height, width, program_.channels()[0]},
                  {result, width * program_.factor() * program_.result_channels()},
                  column_phases,
                  bytes + memory.bytes(),
                  own,
                  seconds};
  const Strips strips(program_, packed_, *kernels_, width, column_phases, threads);
  if (strips.at_once() >= threads)
    pass.strip_by_strip(schedule, strips);
  else
    pass.stage_by_stage(schedule, threads);
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
  const Schedule schedule(program_, rows, kBand, kernels_->align, 0);
  const RowMemory memory(walked(schedule), program_, *kernels_, width);
  return memory.bytes() + scratch_bytes(packed_) * threads;
}

}  // namespace sr::bands

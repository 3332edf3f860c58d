#include "bench/measure.h"

#include <omp.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ranges>

#include "bench/peak.h"

namespace sr::bench {
namespace {

double process_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Times the work; false if its result is wrong.
void time_work(benchmark::State& state, const Work& work, int threads) {
  work.run();  // which finds its memory
  const double peak_before = peak(Unit::fma, threads);
  const double cpu_before = process_seconds(), wall_before = wall_seconds();
  for (auto _ : state) work.run();
  const double cpu = (process_seconds() - cpu_before) / threads, wall = wall_seconds() - wall_before;
  const double most = (peak_before + peak(Unit::fma, threads)) / 2,
               runs = static_cast<double>(state.iterations());
  state.counters["x_peak"] = 2 * work.multiply_adds * runs / cpu / most;
  state.counters["x_peak_wall"] = 2 * work.multiply_adds * runs / wall / most;
  state.counters["peak_gflops"] = most * 1e-9;
  state.counters["mpix_s"] = work.pixels * runs / cpu * 1e-6;
}

void add_one(const std::string& name, const std::function<Work()>& make, Simd simd, int threads) {
  const auto checked = std::make_shared<bool>(false);
  const std::string full = name + '/' + name_of(simd) + '/' + std::to_string(threads) + "_threads";
  benchmark::RegisterBenchmark(
      full.c_str(),
      [=](benchmark::State& state) {
        set_simd(simd);
        omp_set_num_threads(threads);
        const Work work = make();
        if (!*checked) {
          const double difference = work.difference();
          if (!(difference <= work.allowed)) {
            state.SkipWithError(("wrong result: differs by " + std::to_string(difference)).c_str());
            return;
          }
          *checked = true;
        }
        time_work(state, work, threads);
      })
      ->Unit(benchmark::kMillisecond)
      ->MeasureProcessCPUTime()
      ->UseRealTime();
}

}  // namespace

std::vector<Simd> float_sets() {
  std::vector<Simd> sets;
  for (const Simd simd : float_simd() | std::views::reverse)
    if (simd <= best_simd()) sets.push_back(simd);
  return sets;
}

void add_benchmark(const std::string& name, const std::function<Work()>& make,
                   const std::vector<Simd>& sets) {
  for (const Simd simd : sets)
    for (const int threads : {1, 2}) add_one(name, make, simd, threads);
}

int run_benchmarks(int argc, char** argv) {
  benchmark::AddCustomContext("instruction_set", name_of(best_simd()));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

Tensor crop(const Tensor& t, int64_t y, int64_t x, int64_t h, int64_t w) {
  const Shape& s = t.shape();
  Tensor part(Shape{s.n, h, w, s.c});
  float* to = part.data();
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t i = 0; i < h; ++i)
      for (int64_t j = 0; j < w; ++j, to += s.c)
        std::copy_n(t.data() + ((n * s.h + y + i) * s.w + x + j) * t.pitch(), s.c, to);
  return part;
}

}  // namespace sr::bench

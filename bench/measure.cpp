#include "bench/measure.h"

#include <omp.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ranges>

#include "bench/fma_peak.h"

namespace sr::bench {
namespace {

constexpr double kLargestDifference = 2e-5;

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
  const double peak_before = fma_peak(threads);
  const double cpu_before = process_seconds(), wall_before = wall_seconds();
  for (auto _ : state) work.run();
  const double cpu = (process_seconds() - cpu_before) / threads, wall = wall_seconds() - wall_before;
  const double peak = (peak_before + fma_peak(threads)) / 2, runs = static_cast<double>(state.iterations());
  state.counters["x_peak"] = 2 * work.multiply_adds * runs / cpu / peak;
  state.counters["x_peak_wall"] = 2 * work.multiply_adds * runs / wall / peak;
  state.counters["peak_gflops"] = peak * 1e-9;
  state.counters["mpix_s"] = work.pixels * runs / cpu * 1e-6;
}

}  // namespace

std::vector<Setting> settings(bool every_set) {
  std::vector<Simd> sets{best_simd()};
  if (every_set) sets = float_simd();
  std::vector<Setting> list;
  for (const Simd simd : sets | std::views::reverse)
    for (const int threads : {1, 2})
      if (simd <= best_simd()) list.push_back({simd, threads});
  return list;
}

void add_benchmark(const std::string& name, const std::function<Work()>& make, bool every_set) {
  for (const Setting& setting : settings(every_set)) {
    const auto checked = std::make_shared<bool>(false);
    const std::string full =
        name + '/' + name_of(setting.simd) + '/' + std::to_string(setting.threads) + "_threads";
    benchmark::RegisterBenchmark(
        full.c_str(),
        [=](benchmark::State& state) {
          set_simd(setting.simd);
          omp_set_num_threads(setting.threads);
          const Work work = make();
          if (!*checked) {
            const double difference = work.difference();
            if (!(difference <= kLargestDifference)) {
              state.SkipWithError(("wrong result: differs by " + std::to_string(difference)).c_str());
              return;
            }
            *checked = true;
          }
          time_work(state, work, setting.threads);
        })
        ->Unit(benchmark::kMillisecond)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
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

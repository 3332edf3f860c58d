#include "bench/fma_peak.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdint>
#include <thread>
#include <vector>

#include "tensor/simd/instruction_set.h"

namespace sr::bench {

// fma_peak_simd.cpp: `rounds` rounds of multiply-adds; returns the number of operations.
namespace baseline {
double fma_rounds(int64_t rounds, const float* start, float* result);
}
namespace avx2 {
double fma_rounds(int64_t rounds, const float* start, float* result);
}
namespace avx512 {
double fma_rounds(int64_t rounds, const float* start, float* result);
}

namespace {

constexpr int kRepeats = 5;
constexpr double kSeconds = 0.01;  // of one repeat

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Span {
  double operations, seconds;
};

Span timed(int64_t rounds) {
  constexpr std::array kKernels = {baseline::fma_rounds, avx2::fma_rounds, avx512::fma_rounds};
  static_assert(kKernels.size() == kFloatSets);
  float start[64];
  for (int i = 0; i < 64; ++i) start[i] = 0.5f + 0.001f * static_cast<float>(i);
  volatile float sink = 0;
  float result[16];
  const double begin = thread_seconds();
  const double operations = kKernels[std::min(static_cast<size_t>(best_simd()), kFloatSets - 1)](rounds, start, result);
  const double seconds = thread_seconds() - begin;
  sink = result[0];
  static_cast<void>(sink);
  return {operations, seconds};
}

int64_t rounds_for(double seconds) {
  int64_t rounds = 1000;
  for (;;) {
    const Span span = timed(rounds);
    if (span.seconds > seconds / 10)
      return static_cast<int64_t>(static_cast<double>(rounds) * seconds / span.seconds) + 1;
    rounds *= 4;
  }
}

}  // namespace

double fma_peak(int threads) {
  const int64_t rounds = rounds_for(kSeconds);
  std::vector<double> rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<Span> spans(static_cast<size_t>(threads));
    std::barrier together(threads);
    std::vector<std::thread> team;
    for (Span& span : spans)
      team.emplace_back([&] {
        together.arrive_and_wait();
        span = timed(rounds);
      });
    for (std::thread& thread : team) thread.join();
    double rate = 0;
    for (const Span& span : spans) rate += span.operations / span.seconds;
    rates.push_back(rate);
  }
  std::sort(rates.begin(), rates.end());
  return rates[kRepeats / 2];
}

}  // namespace sr::bench

#include "bench/peak.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdint>
#include <thread>
#include <vector>

#include "tensor/simd/instruction_set.h"

namespace sr::bench {

// `rounds` rounds of multiply-adds; returns the number of operations.
using Rounds = double(int64_t rounds, const float* start, float* result);
namespace baseline {
Rounds fma_rounds;  // peak_simd.cpp
}
namespace avx2 {
Rounds fma_rounds;
}
namespace avx512 {
Rounds fma_rounds;
}
namespace avx512_bf16 {
Rounds dot_rounds, dot_rounds_loading;  // peak_pairs.cpp
}
namespace amx {
Rounds tile_rounds, tile_rounds_loading;  // peak_tiles.cpp
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

double fma_rounds(int64_t rounds, const float* start, float* result) {
  constexpr std::array kKernels = {baseline::fma_rounds, avx2::fma_rounds, avx512::fma_rounds};
  static_assert(kKernels.size() == kFloatSets);
  return kKernels[std::min(static_cast<size_t>(best_simd()), kFloatSets - 1)](rounds, start, result);
}

struct Measured {
  const char* name;
  Simd least;  // set that has it
  Rounds* rounds;
};
// In the order of Unit.
constexpr std::array kUnits = {
    Measured{"fma", Simd::baseline, fma_rounds},
    Measured{"dot", Simd::avx512_bf16, avx512_bf16::dot_rounds},
    Measured{"dot_loading", Simd::avx512_bf16, avx512_bf16::dot_rounds_loading},
    Measured{"tiles", Simd::amx, amx::tile_rounds},
    Measured{"tiles_loading", Simd::amx, amx::tile_rounds_loading},
};

Span timed(Rounds* kernel, int64_t rounds) {
  float start[64];
  for (int i = 0; i < 64; ++i) start[i] = 0.5f + 0.001f * static_cast<float>(i);
  volatile float sink = 0;
  float result[16];
  const double begin = thread_seconds();
  const double operations = kernel(rounds, start, result);
  const double seconds = thread_seconds() - begin;
  sink = result[0];
  static_cast<void>(sink);
  return {operations, seconds};
}

int64_t rounds_for(Rounds* kernel, double seconds) {
  int64_t rounds = 1000;
  for (;;) {
    const Span span = timed(kernel, rounds);
    if (span.seconds > seconds / 10)
      return static_cast<int64_t>(static_cast<double>(rounds) * seconds / span.seconds) + 1;
    rounds *= 4;
  }
}

}  // namespace

const char* name_of(Unit unit) {
  return kUnits[static_cast<size_t>(unit)].name;
}

std::vector<Unit> units() {
  std::vector<Unit> here;
  for (size_t i = 0; i < kUnits.size(); ++i)
    if (kUnits[i].least <= best_simd()) here.push_back(static_cast<Unit>(i));
  return here;
}

double peak(Unit unit, int threads) {
  Rounds* const kernel = kUnits[static_cast<size_t>(unit)].rounds;
  const int64_t rounds = rounds_for(kernel, kSeconds);
  std::vector<double> rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<Span> spans(static_cast<size_t>(threads));
    std::barrier together(threads);
    std::vector<std::thread> team;
    for (Span& span : spans)
      team.emplace_back([&] {
        together.arrive_and_wait();
        span = timed(kernel, rounds);
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

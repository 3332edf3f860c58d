// Products of pairs of bfloat16 by AVX-512.
#include <immintrin.h>

#include <cstdint>

namespace sr::bench {
namespace {

constexpr int kChains = 24;  // as peak_simd.cpp: more than latency times issues a cycle

struct Chains {
  __m512 x[kChains];

  explicit Chains(const float* start) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) x[i] = _mm512_loadu_ps(start + i);
  }
  void store(float* result) {
    for (int i = 1; i < kChains; ++i) x[0] = _mm512_add_ps(x[0], x[i]);  // every chain counts
    _mm512_storeu_ps(result, x[0]);
  }
  static double operations(int64_t rounds) {
    return 2.0 * 32 * kChains * static_cast<double>(rounds);
  }
};

__m512bh pairs(const float* start) {
  return _mm512_cvtne2ps_pbh(_mm512_loadu_ps(start), _mm512_loadu_ps(start + 16));
}

}  // namespace

namespace SR_SIMD {

double dot_rounds(int64_t rounds, const float* start, float* result) {
  Chains chains(start);
  const __m512bh a = pairs(start), b = pairs(start + 32);
  for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chains.x[i] = _mm512_dpbf16_ps(chains.x[i], a, b);
  chains.store(result);
  return Chains::operations(rounds);
}

double dot_rounds_loading(int64_t rounds, const float* start, float* result) {
  constexpr int64_t kLines = 8 * kChains;  // 12 KB
  alignas(64) __m512bh lines[kLines];
  for (int64_t i = 0; i < kLines; ++i) lines[i] = pairs(start + i % 32);
  Chains chains(start);
  const __m512bh a = pairs(start);
  for (int64_t r = 0; r < rounds; ++r) {
    const __m512bh* line = lines + r % 8 * kChains;
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chains.x[i] = _mm512_dpbf16_ps(chains.x[i], a, line[i]);
  }
  chains.store(result);
  return Chains::operations(rounds);
}

}  // namespace SR_SIMD
}  // namespace sr::bench

// Sixteen floats as bfloat16, and the two ways in which tiles want them. Included by files that are compiled
// once per instruction set or way to multiply only.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "tensor/simd/lanes.h"

namespace {

inline float widened_number(uint16_t v) {
  const uint32_t bits = static_cast<uint32_t>(v) << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

inline Lanes16 widened(const uint16_t* p) {
#if defined(__AVX512BF16__)
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
#else
  float v[16];
  for (int i = 0; i < 16; ++i) v[i] = widened_number(p[i]);
  return Lanes16::load(v);
#endif
}

/// To nearest, ties to even; denormal numbers become zeros, as the instruction has it.
inline void store(uint16_t* p, Lanes16 v) {
#if defined(__AVX512BF16__)
  const __m256bh halves = _mm512_cvtneps_pbh(v.a);
  std::memcpy(p, &halves, sizeof halves);
#else
  uint32_t bits[16];
  v.store(reinterpret_cast<float*>(bits));
  for (int i = 0; i < 16; ++i) {
    const uint32_t magnitude = bits[i] & 0x7fffffffu;
    const uint32_t rounded = (bits[i] + 0x7fffu + (bits[i] >> 16 & 1u)) >> 16;
    const uint32_t number = magnitude < 0x00800000u ? (bits[i] & 0x80000000u) >> 16 : rounded;
    p[i] = static_cast<uint16_t>(magnitude > 0x7f800000u ? bits[i] >> 16 | 0x40u : number);
  }
#endif
}

/// [16][2]: each lane of one beside that of the other.
inline void store_pairs(uint16_t* p, Lanes16 first, Lanes16 second) {
#if defined(__AVX512BF16__)
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const auto halves = (__m512i)_mm512_cvtne2ps_pbh(second.a, first.a);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), halves));
#else
  uint16_t halves[2][16];
  store(halves[0], first);
  store(halves[1], second);
  for (int i = 0; i < 16; ++i) p[2 * i] = halves[0][i], p[2 * i + 1] = halves[1][i];
#endif
}

/// to[0 .. count-1] = the lanes from `first` on.
inline void store_lanes(float* to, Lanes16 v, int64_t first, int64_t count) {
#if defined(__AVX512BF16__)
  _mm512_mask_storeu_ps(to - first, static_cast<__mmask16>(((1u << count) - 1) << first), v.a);
#else
  float all[16];
  v.store(all);
  std::memcpy(to, all + first, static_cast<size_t>(count) * sizeof(float));
#endif
}

/// A tile with rows and columns of pairs exchanged: pair i of row j is pair j of row i.
inline void transpose_pairs(const uint16_t (&from)[16][32], uint16_t* to) {
#if defined(__AVX512BF16__)
  __m512i a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(from[i]);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  // Of rows 4k .. 4k+3: in each quarter q column 4q + i.
#pragma GCC unroll 4
  for (int k = 0; k < 16; k += 4) {
    a[k] = _mm512_unpacklo_epi64(b[k], b[k + 2]);
    a[k + 1] = _mm512_unpackhi_epi64(b[k], b[k + 2]);
    a[k + 2] = _mm512_unpacklo_epi64(b[k + 1], b[k + 3]);
    a[k + 3] = _mm512_unpackhi_epi64(b[k + 1], b[k + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i low = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x88);      // quarters 0, 2 of both
    const __m512i low_odd = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xdd);  // quarters 1, 3
    const __m512i high = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x88);
    const __m512i high_odd = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xdd);
    _mm512_storeu_si512(to + i * 32, _mm512_shuffle_i32x4(low, high, 0x88));
    _mm512_storeu_si512(to + (i + 4) * 32, _mm512_shuffle_i32x4(low_odd, high_odd, 0x88));
    _mm512_storeu_si512(to + (i + 8) * 32, _mm512_shuffle_i32x4(low, high, 0xdd));
    _mm512_storeu_si512(to + (i + 12) * 32, _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd));
  }
#else
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) std::memcpy(to + j * 32 + 2 * i, from[i] + 2 * j, 4);
#endif
}

}  // namespace

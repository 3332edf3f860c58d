// What kernels that are written for float32 and for bfloat16 alike need of each: loads and stores of vectors
// of floats, rounded where they are stored as bfloat16, and products. Those of bfloat16 are AVX-512's
// vdpbf16ps, or its arithmetic in plain code, to the bit, so that kernels can be proven on any processor
// (slowly). Included by files that are compiled once per instruction set only (see lanes.h).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "tensor/simd/bf16.h"
#include "tensor/simd/lanes.h"

namespace {

inline Vector load(const float* p) {
  return Vector::load(p);
}

template <class V>
inline void store(float* p, V v) {
  v.store(p);
}

#if defined(__AVX512BF16__)

constexpr const char* kPairsCompiledFor = "avx512_bf16";

inline Vector load(const uint16_t* p) {
  return widened(p);
}

/// A pair of numbers for each lane.
template <class V>
struct Pairs;
template <>
struct Pairs<Lanes16> {
  __m512bh a;
  static Pairs load(const uint16_t* p) { return {(__m512bh)_mm512_loadu_si512(p)}; }
  static Pairs broadcast(const uint16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return {(__m512bh)_mm512_set1_epi32(pair)};
  }
  void add_product_to(Lanes16& sum, Pairs w) const { sum.a = _mm512_dpbf16_ps(sum.a, a, w.a); }
};
template <>
struct Pairs<Lanes8> {
  __m256bh a;
  static Pairs load(const uint16_t* p) {
    return {(__m256bh)_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static Pairs broadcast(const uint16_t* p) {
    int32_t pair;
    std::memcpy(&pair, p, sizeof pair);
    return {(__m256bh)_mm256_set1_epi32(pair)};
  }
  void add_product_to(Lanes8& sum, Pairs w) const { sum.a = _mm256_dpbf16_ps(sum.a, a, w.a); }
};

/// [8][2]: each lane of one beside that of the other.
inline void store_pairs(uint16_t* p, Lanes8 first, Lanes8 second) {
  const auto a = (__m128i)_mm256_cvtneps_pbh(first.a), b = (__m128i)_mm256_cvtneps_pbh(second.a);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_unpacklo_epi16(a, b));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm_unpackhi_epi16(a, b));
}

#else

constexpr const char* kPairsCompiledFor = "software";

inline Vector load(const uint16_t* p) {
  alignas(64) float v[16] = {};
  for (int64_t i = 0; i < kLanes; ++i) v[i] = widened_number(p[i]);
  return Vector::load(v);
}

inline void store(uint16_t* p, Lanes8 v) {
  alignas(64) float numbers[16] = {};
  alignas(64) uint16_t halves[16];
  v.store(numbers);
  store(halves, Lanes16::load(numbers));
  std::memcpy(p, halves, 8 * sizeof *p);
}

/// [8][2]: each lane of one beside that of the other.
inline void store_pairs(uint16_t* p, Lanes8 first, Lanes8 second) {
  uint16_t halves[2][8];
  store(halves[0], first);
  store(halves[1], second);
  for (int i = 0; i < 8; ++i) p[2 * i] = halves[0][i], p[2 * i + 1] = halves[1][i];
}

/// A pair of numbers for each lane.
template <class V>
struct Pairs {
  uint16_t numbers[V::kLanes][2];

  static Pairs load(const uint16_t* p) {
    Pairs pairs;
    std::memcpy(pairs.numbers, p, sizeof pairs.numbers);
    return pairs;
  }
  static Pairs broadcast(const uint16_t* p) {
    Pairs pairs;
    for (auto& numbers : pairs.numbers) std::memcpy(numbers, p, sizeof numbers);
    return pairs;
  }
  // The instruction's order: the second product first, each added by a fused multiply-add. Denormal numbers
  // are zeros to it, whatever the thread has set for others.
  [[gnu::noinline]] void add_product_to(V& sum, const Pairs& w) const {
    constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x40;
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | kFlushResults | kFlushOperands);
    alignas(64) float sums[V::kLanes];
    sum.store(sums);
    for (int i = 0; i < V::kLanes; ++i)
      for (const int of_pair : {1, 0})
        sums[i] = __builtin_fmaf(widened_number(numbers[i][of_pair]), widened_number(w.numbers[i][of_pair]),
                                 sums[i]);
    sum = V::load(sums);
    _mm_setcsr(before);
  }
};

#endif

/// What the lanes of a product take: a float of each factor, or a pair of numbers in bfloat16.
template <class V, class Element>
struct Factors;
template <class V>
struct Factors<V, float> {
  static constexpr int kTogether = 1;  // elements of a lane
  using Scalar = typename V::Scalar;
  static V load(const float* p) { return V::load(p); }
  static Scalar broadcast(const float* p) { return V::broadcast(p); }
  template <class X>
  static void add_product(V& sum, X x, V w) {
    sum.add_product(x, w);
  }
};
template <class V>
struct Factors<V, uint16_t> {
  static constexpr int kTogether = 2;
  using Scalar = Pairs<V>;
  static Pairs<V> load(const uint16_t* p) { return Pairs<V>::load(p); }
  static Pairs<V> broadcast(const uint16_t* p) { return Pairs<V>::broadcast(p); }
  static void add_product(V& sum, const Pairs<V>& x, const Pairs<V>& w) { x.add_product_to(sum, w); }
};

}  // namespace

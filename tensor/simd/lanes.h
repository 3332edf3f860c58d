// Sixteen and eight floats side by side, in the registers of the instruction set that this file is compiled
// for. Only files that are compiled once per
// set include it (CMakeLists.txt); they use no templates of the standard library, whose instances the
// linker could otherwise share between instruction sets.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace {

// load_first(p, count) of the vectors below: floats of the first `count` lanes, zeros in the others, whatever
// the count; and store_first(p, count) writes those of the first, none to all. By masks where there are some:
// a vector that is loaded where single floats have just been stored waits until all stores before it have
// reached the first-level cache.
#if defined(__AVX2__)
inline __m256 load_first_of_eight(const float* p, int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane));
}
#else
template <class V>
V load_first_of_array(const float* p, int64_t count) {
  float v[V::kLanes] = {};
  for (int64_t i = 0; i < V::kLanes && i < count; ++i) v[i] = p[i];
  return V::load(v);
}
#endif
template <class V>
void store_first_of_array(const V& v, float* p, int64_t count) {
  float lanes[V::kLanes];
  v.store(lanes);
  for (int64_t i = 0; i < V::kLanes && i < count; ++i) p[i] = lanes[i];
}

#if defined(__AVX512F__) && defined(__AVX512VL__)

constexpr const char* kCompiledFor = "avx512";
constexpr int kLargestVectors = 5;  // accumulators of Lanes16 side by side that leave room for enough pixels
constexpr int kAccumulators = 24;   // Lanes16 in registers beside weights and broadcast

struct Lanes16 {
  static constexpr int kLanes = 16;
  using Scalar = __m512;
  __m512 a;
  static Lanes16 zero() { return {_mm512_setzero_ps()}; }
  static Lanes16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Lanes16 load_first(const float* p, int64_t count) {
    if (count >= kLanes) return load(p);
    return {_mm512_maskz_loadu_ps(static_cast<__mmask16>(count > 0 ? (1u << count) - 1 : 0), p)};
  }
  static Scalar broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Scalar all(float value) { return _mm512_set1_ps(value); }
  void store(float* p) const { _mm512_storeu_ps(p, a); }
  void store_first(float* p, int64_t count) const {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), a);
  }
  void store_past_caches(float* p) const { _mm512_stream_ps(p, a); }  // p is aligned to 64 bytes
  void add_product(Scalar x, Lanes16 w) { a = _mm512_fmadd_ps(x, w.a, a); }
  void add_product(Lanes16 x, Lanes16 w) { a = _mm512_fmadd_ps(x.a, w.a, a); }
  Lanes16 operator+(Lanes16 b) const { return {_mm512_add_ps(a, b.a)}; }
  Lanes16 operator-(Lanes16 b) const { return {_mm512_sub_ps(a, b.a)}; }
  Lanes16 leaky(float leak) const { return {_mm512_max_ps(a, _mm512_mul_ps(a, _mm512_set1_ps(leak)))}; }
};

#elif defined(__AVX2__) && defined(__FMA__)

constexpr const char* kCompiledFor = "avx2";
constexpr int kLargestVectors = 1;
constexpr int kAccumulators = 6;

struct Lanes16 {
  static constexpr int kLanes = 16;
  using Scalar = __m256;
  __m256 a, b;
  static Lanes16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Lanes16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Lanes16 load_first(const float* p, int64_t count) {
    return {load_first_of_eight(p, count), load_first_of_eight(p + 8, count - 8)};
  }
  static Scalar broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Scalar all(float value) { return _mm256_set1_ps(value); }
  void store(float* p) const { _mm256_storeu_ps(p, a), _mm256_storeu_ps(p + 8, b); }
  void store_first(float* p, int64_t count) const { store_first_of_array(*this, p, count); }
  void add_product(Scalar x, Lanes16 w) { a = _mm256_fmadd_ps(x, w.a, a), b = _mm256_fmadd_ps(x, w.b, b); }
  void add_product(Lanes16 x, Lanes16 w) {
    a = _mm256_fmadd_ps(x.a, w.a, a), b = _mm256_fmadd_ps(x.b, w.b, b);
  }
  Lanes16 operator+(Lanes16 y) const { return {_mm256_add_ps(a, y.a), _mm256_add_ps(b, y.b)}; }
  Lanes16 operator-(Lanes16 y) const { return {_mm256_sub_ps(a, y.a), _mm256_sub_ps(b, y.b)}; }
  Lanes16 leaky(float leak) const {
    const __m256 l = _mm256_set1_ps(leak);
    return {_mm256_max_ps(a, _mm256_mul_ps(a, l)), _mm256_max_ps(b, _mm256_mul_ps(b, l))};
  }
};

#else

constexpr const char* kCompiledFor = "baseline";
constexpr int kLargestVectors = 1;
constexpr int kAccumulators = 2;

struct Lanes16 {
  static constexpr int kLanes = 16;
  using Scalar = __m128;
  __m128 a[4];
  static Lanes16 zero() { return {{_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()}}; }
  static Lanes16 load(const float* p) {
    return {{_mm_loadu_ps(p), _mm_loadu_ps(p + 4), _mm_loadu_ps(p + 8), _mm_loadu_ps(p + 12)}};
  }
  static Lanes16 load_first(const float* p, int64_t count) { return load_first_of_array<Lanes16>(p, count); }
  static Scalar broadcast(const float* p) { return _mm_set1_ps(*p); }
  static Scalar all(float value) { return _mm_set1_ps(value); }
  void store(float* p) const {
    for (int i = 0; i < 4; ++i) _mm_storeu_ps(p + 4 * i, a[i]);
  }
  void store_first(float* p, int64_t count) const { store_first_of_array(*this, p, count); }
  void add_product(Scalar x, Lanes16 w) {
    for (int i = 0; i < 4; ++i) a[i] = _mm_add_ps(a[i], _mm_mul_ps(x, w.a[i]));
  }
  void add_product(Lanes16 x, Lanes16 w) {
    for (int i = 0; i < 4; ++i) a[i] = _mm_add_ps(a[i], _mm_mul_ps(x.a[i], w.a[i]));
  }
  Lanes16 operator+(Lanes16 y) const {
    Lanes16 sum = *this;
    for (int i = 0; i < 4; ++i) sum.a[i] = _mm_add_ps(a[i], y.a[i]);
    return sum;
  }
  Lanes16 operator-(Lanes16 y) const {
    Lanes16 difference = *this;
    for (int i = 0; i < 4; ++i) difference.a[i] = _mm_sub_ps(a[i], y.a[i]);
    return difference;
  }
  Lanes16 leaky(float leak) const {
    Lanes16 y = *this;
    for (int i = 0; i < 4; ++i) y.a[i] = _mm_max_ps(a[i], _mm_mul_ps(a[i], _mm_set1_ps(leak)));
    return y;
  }
};

#endif

#if defined(__AVX2__) && defined(__FMA__)

struct Lanes8 {
  static constexpr int kLanes = 8;
  using Scalar = __m256;
  __m256 a;
  static Lanes8 zero() { return {_mm256_setzero_ps()}; }
  static Lanes8 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Lanes8 load_first(const float* p, int64_t count) { return {load_first_of_eight(p, count)}; }
  static Scalar broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Scalar all(float value) { return _mm256_set1_ps(value); }
  void store(float* p) const { _mm256_storeu_ps(p, a); }
  void store_first(float* p, int64_t count) const { store_first_of_array(*this, p, count); }
  void add_product(Scalar x, Lanes8 w) { a = _mm256_fmadd_ps(x, w.a, a); }
  void add_product(Lanes8 x, Lanes8 w) { a = _mm256_fmadd_ps(x.a, w.a, a); }
  Lanes8 operator+(Lanes8 b) const { return {_mm256_add_ps(a, b.a)}; }
  Lanes8 operator-(Lanes8 b) const { return {_mm256_sub_ps(a, b.a)}; }
  Lanes8 leaky(float leak) const { return {_mm256_max_ps(a, _mm256_mul_ps(a, _mm256_set1_ps(leak)))}; }
};

#else

struct Lanes8 {
  static constexpr int kLanes = 8;
  using Scalar = __m128;
  __m128 a, b;
  static Lanes8 zero() { return {_mm_setzero_ps(), _mm_setzero_ps()}; }
  static Lanes8 load(const float* p) { return {_mm_loadu_ps(p), _mm_loadu_ps(p + 4)}; }
  static Lanes8 load_first(const float* p, int64_t count) { return load_first_of_array<Lanes8>(p, count); }
  static Scalar broadcast(const float* p) { return _mm_set1_ps(*p); }
  static Scalar all(float value) { return _mm_set1_ps(value); }
  void store(float* p) const { _mm_storeu_ps(p, a), _mm_storeu_ps(p + 4, b); }
  void store_first(float* p, int64_t count) const { store_first_of_array(*this, p, count); }
  void add_product(Scalar x, Lanes8 w) {
    a = _mm_add_ps(a, _mm_mul_ps(x, w.a)), b = _mm_add_ps(b, _mm_mul_ps(x, w.b));
  }
  void add_product(Lanes8 x, Lanes8 w) {
    a = _mm_add_ps(a, _mm_mul_ps(x.a, w.a)), b = _mm_add_ps(b, _mm_mul_ps(x.b, w.b));
  }
  Lanes8 operator+(Lanes8 y) const { return {_mm_add_ps(a, y.a), _mm_add_ps(b, y.b)}; }
  Lanes8 operator-(Lanes8 y) const { return {_mm_sub_ps(a, y.a), _mm_sub_ps(b, y.b)}; }
  Lanes8 leaky(float leak) const {
    const __m128 l = _mm_set1_ps(leak);
    return {_mm_max_ps(a, _mm_mul_ps(a, l)), _mm_max_ps(b, _mm_mul_ps(b, l))};
  }
};

#endif

// As many floats as one register of the set holds, for code that needs many registers at once.
#if defined(__AVX512F__) && defined(__AVX512VL__)
using Vector = Lanes16;
#else
using Vector = Lanes8;
#endif

constexpr int64_t kLanes = Vector::kLanes;
// Vectors that sums may occupy, with room for two to four factors.
constexpr int kVectorSums = kAccumulators == 24 ? 24 : kAccumulators == 6 ? 12 : 6;

// The sum of sixteen lanes, by halves: lane i + lane i+8, then i+4, i+2, i+1.
inline float sum_of(const Lanes16& x) {
#if defined(__AVX512F__) && defined(__AVX512VL__)
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.a), _mm512_extractf32x8_ps(x.a, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#elif defined(__AVX2__) && defined(__FMA__)
  const __m256 eight = _mm256_add_ps(x.a, x.b);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#else
  const __m128 four = _mm_add_ps(_mm_add_ps(x.a[0], x.a[2]), _mm_add_ps(x.a[1], x.a[3]));
#endif
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

}  // namespace

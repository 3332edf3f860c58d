// The logistic function and what is made of it, on registers: __m128, __m256, __m512 or any other vector of
// floats. Included by files that are compiled once per instruction set only (see lanes.h).
//
// Products and sums are rounded one by one, none is fused, so that every instruction set, every lane and the
// GPU (tensor/ops/activations.cuh) has the same bits.
#pragma once

#include <cstdint>

#include "tensor/simd/lanes.h"

namespace {

/// x, but from -limit to limit.
inline __m128 within(__m128 x, float limit) {
  return _mm_max_ps(_mm_min_ps(x, _mm_set1_ps(limit)), _mm_set1_ps(-limit));
}
#if defined(__AVX2__)
inline __m256 within(__m256 x, float limit) {
  return _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(limit)), _mm256_set1_ps(-limit));
}
#endif
#if defined(__AVX512F__)
inline __m512 within(__m512 x, float limit) {
  return _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(limit)), _mm512_set1_ps(-limit));
}
#endif

/// 1 / (1 + exp(-x)), within 2e-7 of the value, relative, down to x = -87, below which it is that value's.
/// exp(-x) = 2^n exp(r) with |r| <= ln(2) / 2, where exp(r) = 1 + r + r^2 q(r) and q is of fourth degree, its
/// relative error as small and as even as can be (3e-9).
template <class Floats>
[[gnu::always_inline]] inline Floats sigmoid(Floats x) {
  using Integers = decltype(x < x);  // as many of 32 bits
  x = within(x, 87);
  constexpr float kRounding = 12582912.0f;  // 1.5 * 2^23: what is added to it becomes whole
  const Floats shifted = x * -1.44269504f + kRounding, n = shifted - kRounding;
  const Floats r = (n * -0.693145751953125f - x) - n * 1.42860677e-6f;  // the first product is exact
  Floats q = r * 0.0013814527774229646f + 0.008368744514882565f;
  q = q * r + 0.04166839271783829f;
  q = q * r + 0.1666652113199234f;
  q = q * r + 0.4999999403953552f;
  const Floats exp_r = (q * (r * r) + r) + 1.0f;
  const auto exponent = reinterpret_cast<Integers>(shifted) << 23;  // n, in the sum's lowest bits
  return 1.0f / (1.0f + reinterpret_cast<Floats>(reinterpret_cast<Integers>(exp_r) + exponent));
}

/// x * sigmoid(x).
template <class Floats>
[[gnu::always_inline]] inline Floats silu(Floats x) {
  return x * sigmoid(x);
}

/// (z + x) * (sigmoid(z) - 1/2).
template <class Floats>
[[gnu::always_inline]] inline Floats gate(Floats z, Floats x) {
  return (z + x) * (sigmoid(z) - 0.5f);
}

// f of the registers of each.
#if defined(__AVX512F__) && defined(__AVX512VL__)
template <class F, class... L>
[[gnu::always_inline]] inline Lanes16 of_registers(F f, const Lanes16& first, const L&... others) {
  return {f(first.a, others.a...)};
}
#elif defined(__AVX2__) && defined(__FMA__)
template <class F, class... L>
[[gnu::always_inline]] inline Lanes16 of_registers(F f, const Lanes16& first, const L&... others) {
  return {f(first.a, others.a...), f(first.b, others.b...)};
}
#else
template <class F, class... L>
[[gnu::always_inline]] inline Lanes16 of_registers(F f, const Lanes16& first, const L&... others) {
  return {{f(first.a[0], others.a[0]...), f(first.a[1], others.a[1]...), f(first.a[2], others.a[2]...),
           f(first.a[3], others.a[3]...)}};
}
#endif

template <class F, class... L>
[[gnu::always_inline]] inline Lanes8 of_registers(F f, const Lanes8& first, const L&... others) {
#if defined(__AVX2__) && defined(__FMA__)
  return {f(first.a, others.a...)};
#else
  return {f(first.a, others.a...), f(first.b, others.b...)};
#endif
}

template <class Lanes>
[[gnu::always_inline]] inline Lanes silu_of(const Lanes& x) {
  return of_registers([](auto a) { return silu(a); }, x);
}
template <class Lanes>
[[gnu::always_inline]] inline Lanes gate_of(const Lanes& z, const Lanes& x) {
  return of_registers([](auto a, auto b) { return gate(a, b); }, z, x);
}

}  // namespace

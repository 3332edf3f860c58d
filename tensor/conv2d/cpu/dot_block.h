// Products of pixels with filters where the lanes are input channels: for few outputs and many inputs.
// Included by *_simd.cpp files only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/simd/lanes.h"

namespace {

// sums[p][q] += products of P pixels with Q filters under one kernel row, in lanes 16 floats apart; `terms`
// and `channels` are multiples of 16.
template <int Q, int P>
void dot_block(const float* x, int64_t channels, const float* w, int64_t filter_floats, int64_t terms,
               float* sums) {
  Vector sum[P][Q];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) sum[p][q] = Vector::load(sums + (p * Q + q) * 16);
  for (int64_t k = 0; k < terms; k += 16) {
    Vector weights[Q];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) weights[q] = Vector::load(w + q * filter_floats + k);
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      const Vector value = Vector::load(x + p * channels + k);
#pragma GCC unroll 4
      for (int q = 0; q < Q; ++q) sum[p][q].add_product(value, weights[q]);
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) sum[p][q].store(sums + (p * Q + q) * 16);
}

constexpr int kFilters = kAccumulators == 24 ? 4 : kAccumulators == 6 ? 3 : 2;
constexpr int kLargestDotPixels = 12;
// Pixels that go through all kernel rows together: a row of their inputs and of the filters, and their sums,
// stay in the first-level cache.
constexpr int64_t kDotPixels = 24;

// Pixels of a dot_block for Q filters.
constexpr int dot_pixels(int filters) {
  return filters == 1 && kVectorSums > 12 ? 12 : kVectorSums / filters;
}
static_assert(kDotPixels % dot_pixels(1) == 0 && dot_pixels(1) <= kLargestDotPixels);
static_assert(kDotPixels % dot_pixels(kFilters) == 0 && dot_pixels(kFilters) <= kLargestDotPixels);

}  // namespace

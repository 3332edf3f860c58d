// Products of pixels with filters where the lanes are input channels: for few outputs and many inputs.
// Included by files that are compiled once per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

// sums[p][q] += products of P pixels with Q filters under one kernel row, in lanes 16 floats apart. Pixels
// are `channels` elements apart, filters `filter_elements`; `terms` is a multiple of what 16 lanes take.
template <int Q, int P, class Element>
void dot_block(const Element* x, int64_t channels, const Element* w, int64_t filter_elements, int64_t terms,
               float* sums) {
  using F = Factors<Vector, Element>;
  Vector sum[P][Q];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) sum[p][q] = Vector::load(sums + (p * Q + q) * 16);
  for (int64_t k = 0; k < terms; k += 16 * F::kTogether) {
    decltype(F::load(w)) weights[Q];
#pragma GCC unroll 4
    for (int q = 0; q < Q; ++q) weights[q] = F::load(w + q * filter_elements + k);
#pragma GCC unroll 12
    for (int p = 0; p < P; ++p) {
      const auto value = F::load(x + p * channels + k);
#pragma GCC unroll 4
      for (int q = 0; q < Q; ++q) F::add_product(sum[p][q], value, weights[q]);
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

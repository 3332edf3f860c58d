// The product of a tall matrix with a packed one, whose outputs are the lanes. Included by *_simd.cpp files
// only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/conv2d/cpu/output_blocks.h"
#include "tensor/simd/lanes.h"

namespace {

// to[tile][N vectors] = from[tile][depth] * weights[depth][N vectors] for `tiles`, P at a time: the last P
// may reach beyond. A value's terms are added in the order of depth.
template <class V, int N, int P>
void multiply(const float* from, int64_t from_step, int64_t depth, const float* weights, int64_t tiles,
              float* to, int64_t to_step) {
  for (int64_t t = 0; t < tiles; t += P, from += P * from_step, to += P * to_step) {
    V sum[P][N];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
    const float* w = weights;
    for (int64_t k = 0; k < depth; ++k, w += N * V::kLanes) {
      V weight[N];
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) weight[i] = V::load(w + i * V::kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p) {
        const typename V::Scalar value = V::broadcast(from + p * from_step + k);
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) sum[p][i].add_product(value, weight[i]);
      }
    }
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i].store(to + p * to_step + i * V::kLanes);
  }
}

using MultiplyFunction = void (*)(const float*, int64_t, int64_t, const float*, int64_t, float*, int64_t);

// For blocks of so many vectors of outputs. The tiles at a time divide 24 (where kAccumulators is less, 12 as
// well), so that the last ones stay within a buffer for as many.
inline MultiplyFunction multiply_function(int64_t og, int vectors) {
  if (uses_eight(og)) return multiply < Lanes8, 1, kAccumulators == 24 ? 24 : 2 * kAccumulators > ;
  if constexpr (kLargestVectors > 1) {
    switch (vectors) {
      case 2:
        return multiply<Lanes16, 2, 12>;
      case 3:
        return multiply<Lanes16, 3, 8>;
      case 4:
        return multiply<Lanes16, 4, 6>;
      case 5:
        return multiply<Lanes16, 5, 4>;
      default:
        break;
    }
  }
  return multiply<Lanes16, 1, kAccumulators>;
}

}  // namespace

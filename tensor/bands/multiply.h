// The product of pixels or tiles with packed weights: from[16 channels][row][16] to lanes of outputs. Rows
// lie a constant step apart, so that their addresses take no registers. Included by *_simd.cpp files only
// (see tensor/simd/lanes.h).
#pragma once

#include "tensor/bands/fp32.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::fp32::Weights;

constexpr int64_t kStep = 16;  // floats from row to row

struct Matrix {
  const float* data;
  int64_t block;  // floats from one 16 channels to the next
};

// sum[P rows][N vectors] of channels first .. last-1.
template <class V, int N, int P>
[[gnu::always_inline]] inline void sum_products(const Matrix& from, int64_t first, int64_t last,
                                                const float* w, V (&sum)[P][N]) {
#pragma GCC unroll 24
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
    for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
  for (int64_t k = first; k < last;) {
    const int64_t end = k / kStep * kStep + kStep;
    const float* x = from.data + k / kStep * from.block + k % kStep;
    for (; k < end && k < last; ++k, ++x, w += N * V::kLanes) {
      V weight[N];
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) weight[i] = V::load(w + i * V::kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p) {
        const typename V::Scalar value = V::broadcast(x + p * kStep);
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) sum[p][i].add_product(value, weight[i]);
      }
    }
  }
}

// to[row, `to_step` apart][N vectors] for so many rows, P at a time: the last P may reach beyond.
template <class V, int N, int P>
void multiply(Matrix from, int64_t first, int64_t last, const float* w, int64_t rows, float* to,
              int64_t to_step) {
  for (int64_t t = 0; t < rows; t += P, from.data += P * kStep) {
    V sum[P][N];
    sum_products<V, N, P>(from, first, last, w, sum);
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p, to += to_step)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i].store(to + i * V::kLanes);
  }
}

using MultiplyFunction = void (*)(Matrix, int64_t, int64_t, const float*, int64_t, float*, int64_t);

// The rows at a time divide 24, so that the last ones stay within a buffer for as many.
inline MultiplyFunction multiply_function(const Weights& w) {
  if (w.group_outputs <= 8) return multiply < Lanes8, 1, kAccumulators == 24 ? 24 : 2 * kAccumulators > ;
  if constexpr (kLargestVectors > 1) {
    switch (w.vectors) {
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

// to[row][result_floats] = from[row] * the weights of a place.
inline void multiply_place(const Weights& w, int64_t place, const Matrix& from, int64_t rows, float* to) {
  const MultiplyFunction multiply = multiply_function(w);
  const float* values = w.values + place * w.blocks * w.block_floats;
  for (int64_t b = 0; b < w.blocks; ++b) {
    const int64_t first = b / w.group_blocks * w.inputs;
    multiply(from, first, first + w.inputs, values + b * w.block_floats, rows, to + w.first_output[b],
             w.result_floats);
  }
}

}  // namespace

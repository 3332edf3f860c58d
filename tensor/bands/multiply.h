// The product of pixels or tiles with packed weights: from[16 channels][row][16] to lanes of outputs. Rows
// lie a constant step apart, so that their addresses take no registers. Included by files that are compiled
// once per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/bands/winograd_layer.h"
#include "tensor/conv2d/cpu/multiply_choice.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::winograd::Weights;

constexpr int64_t kStep = 16;  // elements from row to row

template <class Element>
struct Matrix {
  const Element* data;
  int64_t block;  // elements from one 16 channels to the next
};

// sum[P rows][N vectors] of channels first .. last-1.
template <class V, int N, int P, class Element>
[[gnu::always_inline]] inline void sum_products(const Matrix<Element>& from, int64_t first, int64_t last,
                                                const Element* w, V (&sum)[P][N]) {
  using F = Factors<V, Element>;
#pragma GCC unroll 24
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
    for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
  // Where blocks are small, many follow: the next one's weights are asked for, which come from the third
  // level of the cache. With larger ones both would not fit the first.
  constexpr bool kAsks = kLargestVectors == 1;
  const int64_t next_block = (last - first) * N * V::kLanes;
  for (int64_t k = first; k < last;) {
    const int64_t end = k / kStep * kStep + kStep;
    const Element* x = from.data + k / kStep * from.block + k % kStep;
    for (; k < end && k < last; k += F::kTogether, x += F::kTogether, w += N * V::kLanes * F::kTogether) {
      decltype(F::load(w)) weight[N];
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) weight[i] = F::load(w + i * V::kLanes * F::kTogether);
      if constexpr (kAsks) __builtin_prefetch(w + next_block);
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p) {
        const typename F::Scalar value = F::broadcast(x + p * kStep);
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) F::add_product(sum[p][i], value, weight[i]);
      }
    }
  }
}

// to[row, `to_step` apart][N vectors] for so many rows, P at a time: the last P may reach beyond.
template <class V, int N, int P, class Element>
void multiply(Matrix<Element> from, int64_t first, int64_t last, const Element* w, int64_t rows, float* to,
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

// The rows at a time divide 24, so that the last ones stay within a buffer for as many.
template <class Element>
struct Multiply {
  using Function = void (*)(Matrix<Element>, int64_t, int64_t, const Element*, int64_t, float*, int64_t);
  template <class V, int N, int P>
  static Function of() {
    return multiply<V, N, P, Element>;
  }
};

// to[row][result_floats] = from[row] * the weights of a place.
template <class Element>
void multiply_place(const Weights& w, int64_t place, const Matrix<Element>& from, int64_t rows, float* to) {
  const auto multiply = multiply_function<Multiply<Element>>(w.group_outputs <= 8, w.vectors);
  const Element* values = static_cast<const Element*>(w.values) + place * w.blocks * w.block_elements;
  for (int64_t b = 0; b < w.blocks; ++b) {
    const int64_t first = b / w.group_blocks * w.inputs;
    multiply(from, first, first + w.inputs, values + b * w.block_elements, rows, to + w.first_output[b],
             w.result_floats);
  }
}

}  // namespace

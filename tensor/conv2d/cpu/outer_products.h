// Sums of outer products in registers: the loops behind the gradients for weights. Included by files
// that are compiled once per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include <cstdint>

#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

constexpr int kLargestCount = kAccumulators == 24 ? 4 : 3;  // T

constexpr int values_for(int vectors) {
  return kVectorSums / vectors < 8 ? kVectorSums / vectors : 8;
}

// One side of the products: elements from one pixel to the next, and from one row of pixels. Of bfloat16 a
// pixel is two, whose values of a channel lie side by side.
template <class Element>
struct Walk {
  const Element* first;
  int64_t pixel, row;
};

// total[q][t] += sum over rows x columns pixels of value q * vector t. The vectors of a pixel lie `step`
// elements apart, its values side by side; q's totals lie `total_step` apart, t's side by side.
template <int Q, int T, class Element>
void sum_products(const Walk<Element>& vectors, int64_t step, const Walk<Element>& values, int64_t rows,
                  int64_t columns, float* total, int64_t total_step) {
  using F = Factors<Vector, Element>;
  Vector sum[Q][T];
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[q][t] = Vector::zero();
  for (int64_t i = 0; i < rows; ++i) {
    const Element *vector_at = vectors.first + i * vectors.row, *value_at = values.first + i * values.row;
    for (int64_t j = 0; j < columns; ++j) {
      decltype(F::load(vector_at)) vector[T];
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) vector[t] = F::load(vector_at + t * step);
#pragma GCC unroll 8
      for (int q = 0; q < Q; ++q) {
        const typename F::Scalar value = F::broadcast(value_at + q * F::kTogether);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) F::add_product(sum[q][t], value, vector[t]);
      }
      vector_at += vectors.pixel;
      value_at += values.pixel;
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      float* to = total + q * total_step + kLanes * t;
      (Vector::load(to) + sum[q][t]).store(to);
    }
}

template <class Element>
using SumFunction = void (*)(const Walk<Element>&, int64_t, const Walk<Element>&, int64_t, int64_t, float*,
                             int64_t);

template <class Element, int T, int Q = values_for(T)>
SumFunction<Element> sum_function_of(int64_t values) {
  if constexpr (Q > 1)
    if (values < Q) return sum_function_of<Element, T, Q - 1>(values);
  return sum_products<Q, T, Element>;
}

template <class Element>
SumFunction<Element> sum_function(int64_t values, int64_t vectors) {
  if (vectors == 1) return sum_function_of<Element, 1>(values);
  if (vectors == 2) return sum_function_of<Element, 2>(values);
  if constexpr (kLargestCount >= 4)
    if (vectors == 4) return sum_function_of<Element, 4>(values);
  return sum_function_of<Element, 3>(values);
}

// `count` things in parts of at most `largest`, as equal as can be.
struct Parts {
  int64_t count, size, number;
  Parts(int64_t things, int64_t largest) : count(things) {
    size = (things + (things + largest - 1) / largest - 1) / ((things + largest - 1) / largest);
    number = (things + size - 1) / size;
  }
  int64_t begin(int64_t part) const { return part * size; }
  int64_t in(int64_t part) const { return smaller(size, count - part * size); }
};

}  // namespace

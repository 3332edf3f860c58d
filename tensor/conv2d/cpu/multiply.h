// Matrix products in registers: rows of inputs times packed weights. Included by files that are compiled once
// per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include <cstdint>

#include "tensor/conv2d/cpu/multiply_choice.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

// to[row][N vectors] = from[row][depth] * weights[depth][N vectors] for so many rows, P at a time: the last
// P may reach beyond.
template <class V, int N, int P, class Element>
void multiply(const Element* from, int64_t from_step, int64_t depth, const Element* weights, int64_t rows,
              float* to, int64_t to_step) {
  using F = Factors<V, Element>;
  for (int64_t t = 0; t < rows; t += P, from += P * from_step, to += P * to_step) {
    V sum[P][N];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
    const Element* w = weights;
    for (int64_t k = 0; k < depth; k += F::kTogether, w += N * V::kLanes * F::kTogether) {
      decltype(F::load(w)) weight[N];
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) weight[i] = F::load(w + i * V::kLanes * F::kTogether);
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p) {
        const typename F::Scalar value = F::broadcast(from + p * from_step + k);
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) F::add_product(sum[p][i], value, weight[i]);
      }
    }
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i].store(to + p * to_step + i * V::kLanes);
  }
}

// The rows at a time divide 24, or 12 where there are fewer registers.
template <class Element>
struct Multiply {
  using Function = void (*)(const Element*, int64_t, int64_t, const Element*, int64_t, float*, int64_t);
  template <class V, int N, int P>
  static Function of() {
    return multiply<V, N, P, Element>;
  }
};

}  // namespace

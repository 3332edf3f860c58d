// The kernel of a FirstLayer. Included by files that are compiled once per instruction set only (see
// tensor/simd/lanes.h).
#pragma once

#include <cstring>

#include "tensor/bands/first_layer.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::FirstLayer;
using sr::bands::Job;

// The image's rows that a row of outputs reads, with zeros beside them: [kernel][width][inputs].
inline void gather_rows(const FirstLayer& l, const Job& job, int64_t row, int64_t width, float* to) {
  const int64_t begin = job.x - l.kernel / 2;
  std::memset(to, 0, static_cast<size_t>(l.kernel * width * l.inputs) * 4);
  for (int64_t u = 0; u < l.kernel; ++u) {
    const auto* from = static_cast<const float*>(job.in[row + u]);
    if (!from) continue;
    const int64_t first = begin < 0 ? 0 : begin;
    const int64_t end = begin + width < job.width ? begin + width : job.width;
    std::memcpy(to + (u * width + first - begin) * l.inputs, from + first * l.inputs,
                static_cast<size_t>((end - first) * l.inputs) * 4);
  }
}

// sum[P pixels] of sixteen outputs from the gathered rows.
template <int P>
[[gnu::always_inline]] inline void sum_taps(const FirstLayer& l, const float* rows, int64_t width,
                                            const float* w, Lanes16 (&sum)[P]) {
#pragma GCC unroll 8
  for (int i = 0; i < P; ++i) sum[i] = Lanes16::zero();
  for (int64_t u = 0; u < l.kernel; ++u) {
    const float* x = rows + u * width * l.inputs;
    for (int64_t k = 0; k < l.kernel * l.inputs; ++k, w += l.outputs) {
      const Lanes16 weights = Lanes16::load(w);
#pragma GCC unroll 8
      for (int i = 0; i < P; ++i) sum[i].add_product(Lanes16::broadcast(x + i * l.inputs + k), weights);
    }
  }
}

// store(row, column, output, values) takes sixteen outputs of a pixel; row of the job, column of the image.
// `above`: rows of the job's first tile that are not the job's own.
template <class Store>
void first_layer_rows(const FirstLayer& l, const Job& job, int64_t above, const Store& store) {
  constexpr int kTogether = kAccumulators < 8 ? kAccumulators : 8;
  static_assert(kTogether <= sr::bands::kMostTogether);
  const int64_t width = job.columns + kTogether + l.kernel - 1;
  auto* rows = static_cast<float*>(job.scratch);
  for (int64_t r = 0; r < job.rows; ++r) {
    gather_rows(l, job, above + r, width, rows);
    for (int64_t o = 0; o < l.outputs; o += 16)
      for (int64_t p = 0; p < job.columns; p += kTogether) {
        Lanes16 sum[kTogether];
        sum_taps<kTogether>(l, rows + p * l.inputs, width, l.weights + o, sum);
        const Lanes16 bias = Lanes16::load(l.bias + o);
#pragma GCC unroll 8
        for (int i = 0; i < kTogether; ++i)
          if (p + i < job.columns) store(r, job.x + p + i, o, (sum[i] + bias).leaky(l.leak));
      }
  }
}

}  // namespace

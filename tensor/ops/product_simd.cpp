// Products of matrices, compiled once for each instruction set, whose name CMakeLists.txt defines SR_SIMD as.
#include <cstring>

#include "tensor/ops/pointwise_kernels.h"

namespace {

using sr::cpu::ProductRun;

#if defined(__AVX512F__)
constexpr int64_t kFloats = 16;  // of a register
constexpr int kTogether = 4;     // of them side by side, whose sums stay in registers for all kRows
#elif defined(__AVX2__)
constexpr int64_t kFloats = 8;
constexpr int kTogether = 2;
#else
constexpr int64_t kFloats = 4;
constexpr int kTogether = 2;
#endif
constexpr int kRows = 4;
using Floats = float __attribute__((vector_size(4 * kFloats)));

// V vectors of R rows, from row and column `first` on.
template <int R, int V>
void product_of(const ProductRun& r, int64_t row, int64_t first) {
  Floats sum[R][V] = {};
  const float* a = r.a + row * r.a_row;
  const float* b = r.b + first;
  for (int64_t k = 0; k < r.depth; ++k, a += r.a_depth, b += r.columns) {
    Floats factor[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) std::memcpy(&factor[v], b + v * kFloats, sizeof(Floats));
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[i][v] += factor[v] * a[i * r.a_row];
  }
  for (int i = 0; i < R; ++i) std::memcpy(r.y + (row + i) * r.columns + first, sum[i], sizeof sum[i]);
}

void product_of_one(const ProductRun& r, int64_t row, int64_t column) {
  float sum = 0;
  for (int64_t k = 0; k < r.depth; ++k)
    sum += r.b[k * r.columns + column] * r.a[row * r.a_row + k * r.a_depth];
  r.y[row * r.columns + column] = sum;
}

}  // namespace

namespace sr::cpu::SR_SIMD {

void product(const ProductRun& r, int64_t first, int64_t last) {
  for (int64_t row = first; row < last;) {
    const bool all = row + kRows <= last;
    int64_t column = 0;
    for (; column + kTogether * kFloats <= r.columns; column += kTogether * kFloats)
      all ? product_of<kRows, kTogether>(r, row, column) : product_of<1, kTogether>(r, row, column);
    for (; column + kFloats <= r.columns; column += kFloats)
      all ? product_of<kRows, 1>(r, row, column) : product_of<1, 1>(r, row, column);
    for (const int64_t end = row + (all ? kRows : 1); row < end; ++row)
      for (int64_t rest = column; rest < r.columns; ++rest) product_of_one(r, row, rest);
  }
}

}  // namespace sr::cpu::SR_SIMD

// The convolution kernels, compiled once for each instruction set, whose name CMakeLists.txt defines SR_SIMD
// as.
//
// Direct convolution: the input rows that one output row needs are copied into a ring of zero-padded rows, so
// that borders need no cases; then blocks of P pixels x V vectors of output channels stay in registers while
// the weights stream by. One value's terms are added in the order of kernel row, kernel column, channel.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/dot_block.h"
#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/output_blocks.h"
#include "tensor/conv2d/cpu/pointwise_convolution.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/lanes.h"
#include "tensor/stop.h"

namespace {

using sr::cpu::ConvDims;
using sr::cpu::ConvKernels;
using sr::cpu::kLargestKernel;

// ---- conv2d: lanes are output channels ----

// Sums for P pixels x N vectors. rows[u] points at the first pixel's leftmost tap in kernel row u.
template <class V, int N, int P>
[[gnu::always_inline]] inline void accumulate(const ConvDims& d, const float* const* rows, const float* w,
                                              int64_t cg, V (&sum)[P][N]) {
  const int64_t step = d.stride * d.c;
#pragma GCC unroll 24
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
    for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
  for (int64_t u = 0; u < d.kh; ++u) {
    for (int64_t v = 0; v < d.kw; ++v) {
      const float* x = rows[u] + v * d.c;
      for (int64_t k = 0; k < cg; ++k) {
        V weights[N];
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) weights[i] = V::load(w + i * V::kLanes);
        w += N * V::kLanes;
#pragma GCC unroll 24
        for (int p = 0; p < P; ++p) {
          const typename V::Scalar value = V::broadcast(x + p * step + k);
#pragma GCC unroll 5
          for (int i = 0; i < N; ++i) sum[p][i].add_product(value, weights[i]);
        }
      }
    }
  }
}

// One output row of one block.
template <class V, int N, int P>
void conv_row(const ConvDims& d, const OutputBlock& block, const float* weights,
              const float* const* ring_rows, const ConvEpilogue& e, int64_t first_pixel, float* y) {
  const int64_t cg = d.c / d.groups;
  V bias[N];
  for (int i = 0; i < N; ++i)
    bias[i] = bias_lanes<V>(e, block.first + i * V::kLanes, smaller(V::kLanes, block.count - i * V::kLanes));
  for (int64_t j = 0; j < d.ow; j += P) {
    const float* rows[kLargestKernel];
    for (int64_t u = 0; u < d.kh; ++u) rows[u] = ring_rows[u] + j * d.stride * d.c + block.group * cg;
    V sum[P][N];
    accumulate<V, N, P>(d, rows, weights, cg, sum);
    const int64_t pixels = smaller(P, d.ow - j);
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p) {
      if (p >= pixels) break;
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) {
        const int64_t first = block.first + i * V::kLanes;
        const int64_t count = smaller(V::kLanes, block.count - i * V::kLanes);
        const int64_t pixel = first_pixel + j + p;
        finish<V>(sum[p][i], bias[i], e, pixel, first, count, y + pixel * d.y_pitch + first);
      }
    }
  }
}

using RowFunction = void (*)(const ConvDims&, const OutputBlock&, const float*, const float* const*,
                             const ConvEpilogue&, int64_t, float*);

constexpr int pixels_for(int vectors) {
  return kAccumulators / vectors;
}

RowFunction row_function(int64_t og, int vectors) {
  if (uses_eight(og)) return conv_row < Lanes8, 1, kAccumulators == 24 ? 24 : 2 * kAccumulators > ;
  if constexpr (kLargestVectors > 1) {
    switch (vectors) {
      case 2:
        return conv_row<Lanes16, 2, pixels_for(2)>;
      case 3:
        return conv_row<Lanes16, 3, pixels_for(3)>;
      case 4:
        return conv_row<Lanes16, 4, pixels_for(4)>;
      case 5:
        return conv_row<Lanes16, 5, 5>;
      default:
        break;
    }
  }
  return conv_row<Lanes16, 1, kAccumulators>;
}

constexpr int kLargestPixels = 24;

// weight [o][kh][kw][cg] -> for each block [kh][kw][cg][vectors * lanes], missing outputs zero.
void pack_weights(const ConvDims& d, const float* weight, const OutputBlock& block, int64_t lanes,
                  float* to) {
  const int64_t taps = d.kh * d.kw * (d.c / d.groups), width = block.vectors * lanes;
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t i = 0; i < width; ++i)
      to[t * width + i] = i < block.count ? weight[(block.first + i) * taps + t] : 0.0f;
}

// Rows that a thread takes at a time: few enough to share the work evenly while other threads read and
// compress, enough that most input rows are already in the ring.
int64_t rows_at_a_time(const ConvDims& d) {
  const int64_t share = d.n * d.oh / (4 * omp_get_max_threads());
  return share < 1 ? 1 : smaller(share, 16);
}

void conv2d(const ConvDims& d, const float* x, const float* weight, const ConvEpilogue& e, float* y) {
  if (is_pointwise(d) && d.c >= kLanes) return convolve_pointwise<float>(d, x, weight, false, e, y);
  const OutputBlocks blocks(d);
  const int64_t block_floats = d.kh * d.kw * (d.c / d.groups) * blocks.width();
  Buffer weights(blocks.size() * block_floats);
  for (int64_t b = 0; b < blocks.size(); ++b)
    pack_weights(d, weight, blocks[b], lanes_for(d.o / d.groups), weights.data() + b * block_floats);
  const int64_t chunk = rows_at_a_time(d);
  const int64_t width = RowRing::width(d, kLargestPixels), ring_floats = round_up(d.kh * width * d.c, 16);
  Buffer rings(ring_floats * omp_get_max_threads());
#pragma omp parallel
  {
    RowRing ring(d, d.c, width, rings.data() + ring_floats * omp_get_thread_num());
#pragma omp for schedule(dynamic, chunk)
    for (int64_t r = 0; r < d.n * d.oh; ++r) {
      if (sr::stopping()) continue;  // the caller throws
      const int64_t n = r / d.oh, i = r % d.oh;
      const float* rows[kLargestKernel];
      for (int64_t u = 0; u < d.kh; ++u) rows[u] = ring.row(x, n, i * d.stride - d.pad_h + u);
      for (int64_t b = 0; b < blocks.size(); ++b) {
        const OutputBlock block = blocks[b];
        row_function(d.o / d.groups, block.vectors)(d, block, weights.data() + b * block_floats, rows, e,
                                                    r * d.ow, y);
      }
    }
  }
}

// ---- conv2d_shuffled: lanes are input channels ----

// Values of one row for the filters first .. first+Q; result is [ow][o].
template <int Q>
void dot_row(const ConvDims& d, const float* const* rows, int64_t channels, const float* weights,
             int64_t first, float* result) {
  constexpr int kPixels = dot_pixels(Q);
  const int64_t terms = d.kw * channels, filter_floats = d.kh * terms;
  const float* w = weights + first * filter_floats;
  for (int64_t j = 0; j < d.ow; j += kDotPixels) {
    alignas(64) float sums[kDotPixels * Q * 16] = {};
    const int64_t pixels = smaller(kDotPixels, d.ow - j);
    for (int64_t u = 0; u < d.kh; ++u)
      for (int64_t p = 0; p < pixels; p += kPixels)
        for (int64_t lane = 0; lane < 16; lane += kLanes)
          dot_block<Q, kPixels>(rows[u] + (j + p) * channels + lane, channels, w + u * terms + lane,
                                filter_floats, terms, sums + p * Q * 16 + lane);
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t q = 0; q < Q; ++q)
        result[(j + p) * d.o + first + q] = sum_of(Lanes16::load(sums + (p * Q + q) * 16));
  }
}

void dot_row_filters(const ConvDims& d, const float* const* rows, int64_t channels, const float* weights,
                     float* result) {
  const int64_t blocks = (d.o + kFilters - 1) / kFilters, each = (d.o + blocks - 1) / blocks;
  for (int64_t first = 0; first < d.o; first += each) {
    switch (smaller(each, d.o - first)) {
      case 1:
        dot_row<1>(d, rows, channels, weights, first, result);
        break;
      case 2:
        dot_row<2>(d, rows, channels, weights, first, result);
        break;
      case 3:
        if constexpr (kFilters >= 3) dot_row<3>(d, rows, channels, weights, first, result);
        break;
      default:
        if constexpr (kFilters >= 4) dot_row<4>(d, rows, channels, weights, first, result);
        break;
    }
  }
}

void conv2d_shuffled(const ConvDims& d, const float* x, const float* weight, const float* bias,
                     int64_t shuffle, float* y) {
  const int64_t channels = round_up(d.c, 16), oc = d.o / (shuffle * shuffle);
  Buffer weights(d.o * d.kh * d.kw * channels);
  for (int64_t t = 0; t < d.o * d.kh * d.kw; ++t)
    for (int64_t k = 0; k < channels; ++k)
      weights.data()[t * channels + k] = k < d.c ? weight[t * d.c + k] : 0.0f;
  const int64_t chunk = rows_at_a_time(d);
  const int64_t width = RowRing::width(d, kLargestDotPixels);
  const int64_t ring_floats = round_up(d.kh * width * channels, 16), value_floats = round_up(d.ow * d.o, 16);
  Buffer scratch((ring_floats + value_floats) * omp_get_max_threads());
#pragma omp parallel
  {
    float* mine = scratch.data() + (ring_floats + value_floats) * omp_get_thread_num();
    RowRing ring(d, channels, width, mine);
    float* values = mine + ring_floats;
#pragma omp for schedule(dynamic, chunk)
    for (int64_t r = 0; r < d.n * d.oh; ++r) {
      if (sr::stopping()) continue;  // the caller throws
      const int64_t n = r / d.oh, i = r % d.oh;
      const float* rows[kLargestKernel];
      for (int64_t u = 0; u < d.kh; ++u) rows[u] = ring.row(x, n, i - d.pad_h + u);
      dot_row_filters(d, rows, channels, weights.data(), values);
      for (int64_t pr = 0; pr < shuffle; ++pr) {
        float* to = y + ((n * d.oh + i) * shuffle + pr) * d.ow * shuffle * oc;
        for (int64_t j = 0; j < d.ow; ++j)
          for (int64_t q = 0; q < shuffle * oc; ++q)
            to[j * shuffle * oc + q] = values[j * d.o + pr * shuffle * oc + q] + (bias ? bias[q % oc] : 0.0f);
      }
    }
  }
}

}  // namespace

namespace sr::cpu::SR_SIMD {
extern const ConvKernels kConvKernels{kCompiledFor,       conv2d,          conv2d_shuffled,
                                      conv2d_grad_weight, conv2d_winograd, conv2d_grad_weight_winograd};
}

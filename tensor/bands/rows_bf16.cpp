// Stages in bfloat16, compiled once for each way to multiply, whose name CMakeLists.txt defines SR_SIMD as:
// tiles of AMX, the same in software, and the pairwise products of AVX-512.
//
// Thirty-two pixels by thirty-two outputs at a time: pixels' inputs are read in place, as rows of a tile that
// lie a pixel apart, a step's weights are a tile. Two tiles of outputs go over all of a job's pixels before
// the next two, so that their weights stay in the first-level cache. The terms of a value are added in the
// order of the steps.
#include <immintrin.h>

#include <cstring>

#include "tensor/bands/bf16.h"
#include "tensor/simd/bf16.h"
#include "tensor/simd/lanes.h"
#include "tensor/simd/tiles.h"

namespace {

using sr::bands::Job;
using sr::bands::bf16::Convolution;
using sr::bands::bf16::FirstLayer;
using sr::bands::bf16::kOutputs;
using sr::bands::bf16::kPixels;
using sr::bands::bf16::Layer;

constexpr int64_t kTileWeights = 512;  // elements of a step's
constexpr int64_t kTilePixels = 16;

int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// ---- sums ----

// sums[N tiles][32 pixels][16 outputs] for pixels from x on; rows are those that an output reads.
#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)

constexpr const char* kProductsCompiledFor = "avx512_bf16";
void products_begin() {}
void products_end() {}

template <int N>
void sum_tiles(const Convolution& c, int64_t tile, const uint16_t* const* rows, int64_t x, float* sums) {
  constexpr int kTogether = 8;
  const int64_t pixel = c.group * c.inputs;
  const int64_t first = c.shared ? 0 : tile * c.steps;
  for (int64_t p = 0; p < kPixels; p += kTogether) {
    __m512 sum[kTogether][N];
#pragma GCC unroll 8
    for (int i = 0; i < kTogether; ++i)
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) sum[i][n] = _mm512_setzero_ps();
    const uint16_t* w = c.weights + tile * c.steps * kTileWeights;
    for (int64_t s = 0; s < c.steps; ++s, w += kTileWeights) {
      const uint16_t* a = rows[c.row[first + s]] + x * c.inputs + c.offset[first + s] + p * pixel;
      for (int64_t pair = 0; pair < 16; ++pair) {
        __m512bh weights[N];
#pragma GCC unroll 2
        for (int n = 0; n < N; ++n)
          weights[n] = (__m512bh)_mm512_loadu_si512(w + n * c.steps * kTileWeights + pair * 32);
#pragma GCC unroll 8
        for (int i = 0; i < kTogether; ++i) {
          int32_t both;
          std::memcpy(&both, a + i * pixel + 2 * pair, sizeof both);
          const auto value = (__m512bh)_mm512_set1_epi32(both);
#pragma GCC unroll 2
          for (int n = 0; n < N; ++n) sum[i][n] = _mm512_dpbf16_ps(sum[i][n], value, weights[n]);
        }
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kTogether; ++i)
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n) _mm512_storeu_ps(sums + (n * kPixels + p + i) * kOutputs, sum[i][n]);
  }
}

#else

constexpr const char* kProductsCompiledFor = kTilesCompiledFor;
void products_begin() {
  tiles_begin();
}
void products_end() {
  tiles_end();
}

template <int N>
void sum_tiles(const Convolution& c, int64_t tile, const uint16_t* const* rows, int64_t x, float* sums) {
  const int64_t pixel = c.group * c.inputs, stride = pixel * 2;
  const int64_t first = c.shared ? 0 : tile * c.steps;
  const uint16_t* w = c.weights + tile * c.steps * kTileWeights;
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (N == 2) {
    tile_zero<2>();
    tile_zero<3>();
  }
  for (int64_t s = 0; s < c.steps; ++s, w += kTileWeights) {
    const uint16_t* a = rows[c.row[first + s]] + x * c.inputs + c.offset[first + s];
    tile_load<4>(a, stride);
    tile_load<6>(w, kTileRowBytes);
    tile_dot<0, 4, 6>();
    tile_load<5>(a + kTilePixels * pixel, stride);
    tile_dot<1, 5, 6>();
    if constexpr (N == 2) {
      tile_load<7>(w + c.steps * kTileWeights, kTileRowBytes);
      tile_dot<2, 4, 7>();
      tile_dot<3, 5, 7>();
    }
  }
  constexpr int64_t kHalf = kTilePixels * kOutputs;
  tile_store<0>(sums, kTileRowBytes);
  tile_store<1>(sums + kHalf, kTileRowBytes);
  if constexpr (N == 2) {
    tile_store<2>(sums + 2 * kHalf, kTileRowBytes);
    tile_store<3>(sums + 3 * kHalf, kTileRowBytes);
  }
}

#endif

// ---- layers ----

// Where a tile's outputs of a row go, and what is added to them: pixel 0, outputs 0 .. 15 of the tile.
struct Way {
  uint16_t* out;
  int64_t pitch;
  const uint16_t* added;  // or none
  int64_t added_pitch;
};

// Rows of a job as a convolution sees them.
struct Rows {
  const uint16_t* in[sr::bands::kMostRows];
  uint16_t* out[2][sr::bands::kMostRows];
  const uint16_t* added[2][sr::bands::kMostRows];
  int64_t out_pitch[2], added_pitch[2];
  int64_t split;  // outputs that go to out[0]

  Way way(int64_t row, int64_t output) const {
    const int to = output < split ? 0 : 1;
    const int from = output < added_pitch[0] ? 0 : 1;
    return {out[to][row] + output - to * split, out_pitch[to],
            added_pitch[0] > 0 ? added[from][row] + output - from * added_pitch[0] : nullptr,
            added_pitch[from]};
  }
};

void finish(const Convolution& c, int64_t tile, const float* sums, int64_t x, int64_t pixels,
            const Way& way) {
  const Lanes16 bias = Lanes16::load(c.bias + tile * kOutputs);
  for (int64_t p = 0; p < pixels; ++p) {
    Lanes16 v = (Lanes16::load(sums + p * kOutputs) + bias).leaky(c.leak);
    if (way.added) v = v + widened(way.added + (x + p) * way.added_pitch);
    store(way.out + (x + p) * way.pitch, v);
  }
}

template <int N>
void convolve_tiles(const Convolution& c, int64_t tile, const Rows& rows, int64_t count, int64_t x,
                    int64_t columns, float* sums) {
  for (int64_t r = 0; r < count; ++r)
    for (int64_t p = 0; p < columns; p += kPixels) {
      sum_tiles<N>(c, tile, rows.in + r, x + p, sums);
      for (int n = 0; n < N; ++n)
        finish(c, tile + n, sums + n * kPixels * kOutputs, x + p, smaller(kPixels, columns - p),
               rows.way(r, (tile + n) * kOutputs));
    }
}

void convolve(const Convolution& c, const Rows& rows, int64_t count, int64_t x, int64_t columns,
              float* sums) {
  int64_t tile = 0;
  if (c.shared)
    for (; tile + 1 < c.tiles; tile += 2) convolve_tiles<2>(c, tile, rows, count, x, columns, sums);
  for (; tile < c.tiles; ++tile) convolve_tiles<1>(c, tile, rows, count, x, columns, sums);
}

void layer(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  auto* sums = static_cast<float*>(job.scratch);
  Rows rows;
  for (int64_t k = 0; k < sr::bands::kMostRows; ++k) rows.in[k] = static_cast<const uint16_t*>(job.in[k]);
  for (int i = 0; i < 2; ++i) {
    for (int64_t r = 0; r < job.rows; ++r) {
      rows.out[i][r] = static_cast<uint16_t*>(job.out[i][r]);
      rows.added[i][r] = static_cast<const uint16_t*>(job.added[i][r]);
    }
    rows.out_pitch[i] = job.out_pitch[i], rows.added_pitch[i] = job.added_pitch[i];
  }
  rows.split = l.split;
  products_begin();
  if (l.pointwise.tiles == 0) {
    convolve(l.convolution, rows, job.rows, job.x, job.columns, sums);
  } else {
    // Between the two in the thread's own memory. Whole blocks are computed there, for the 1x1 convolution
    // may read a few elements beyond a pixel; that they are numbers is all it needs.
    const int64_t channels = l.pointwise.inputs, columns = (job.columns + kPixels - 1) / kPixels * kPixels;
    uint16_t* between = reinterpret_cast<uint16_t*>(sums + 2 * kPixels * kOutputs);
    std::memset(between + job.rows * columns * channels, 0, static_cast<size_t>(kPixels * channels) * 2);
    Rows last = rows;
    for (int64_t r = 0; r < job.rows; ++r) {
      rows.out[0][r] = between + (r * columns - job.x) * channels;
      last.in[r] = rows.out[0][r];
    }
    rows.out_pitch[0] = rows.split = channels;
    last.added_pitch[0] = 0;
    convolve(l.convolution, rows, job.rows, job.x, columns, sums);
    convolve(l.pointwise, last, job.rows, job.x, job.columns, sums);
  }
  products_end();
}

void upsampling(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  const Convolution& c = l.convolution;
  const int64_t together = kPixels * c.group, values = c.outputs / c.group,
                row_values = l.stride * l.result_channels;
  auto* sums = static_cast<float*>(job.scratch);
  products_begin();
  for (int64_t r = 0; r < job.rows; ++r) {
    const uint16_t* rows[sr::bands::kMostRows];
    for (int64_t k = 0; r + k < sr::bands::kMostRows; ++k)
      rows[k] = static_cast<const uint16_t*>(job.in[r + k]);
    for (int64_t p = 0; p < job.columns; p += together) {
      for (int64_t tile = 0; tile < c.tiles; ++tile)
        sum_tiles<1>(c, tile, rows, job.x + p, sums + tile * kPixels * kOutputs);
      const int64_t pixels = smaller(together, job.columns - p);
      for (int64_t i = 0; i < pixels; ++i)
        for (int64_t v = 0; v < values; ++v) {
          const int64_t output = i % c.group * values + v, tile = output / kOutputs;
          const float sum = sums[(tile * kPixels + i / c.group) * kOutputs + output % kOutputs];
          job.result[((job.row + r) * l.stride + v / row_values) * job.result_pitch +
                     (job.x + p + i) * row_values + v % row_values] = sum + c.bias[output];
        }
    }
  }
  products_end();
}

// The image's rows that a row of outputs reads, with zeros beside them: [kernel][width][inputs].
void gather_rows(const FirstLayer& l, const Job& job, int64_t row, int64_t width, float* to) {
  const int64_t begin = job.x - l.kernel / 2;
  std::memset(to, 0, static_cast<size_t>(l.kernel * width * l.inputs) * 4);
  for (int64_t u = 0; u < l.kernel; ++u) {
    const auto* from = static_cast<const float*>(job.in[row + u]);
    if (!from) continue;
    const int64_t first = begin < 0 ? 0 : begin, end = smaller(begin + width, job.width);
    std::memcpy(to + (u * width + first - begin) * l.inputs, from + first * l.inputs,
                static_cast<size_t>((end - first) * l.inputs) * 4);
  }
}

void first_layer(const void* packed, const Job& job) {
  constexpr int kTogether = 8;
  const FirstLayer& l = *static_cast<const FirstLayer*>(packed);
  const int64_t width = job.columns + kTogether + l.kernel - 1;
  auto* rows = static_cast<float*>(job.scratch);
  for (int64_t r = 0; r < job.rows; ++r) {
    gather_rows(l, job, r, width, rows);
    auto* out = static_cast<uint16_t*>(job.out[0][r]) + job.x * job.out_pitch[0];
    for (int64_t o = 0; o < l.outputs; o += kOutputs)
      for (int64_t p = 0; p < job.columns; p += kTogether) {
        Lanes16 sum[kTogether];
#pragma GCC unroll 8
        for (int i = 0; i < kTogether; ++i) sum[i] = Lanes16::zero();
        const float* w = l.weights + o;
        for (int64_t u = 0; u < l.kernel; ++u) {
          const float* x = rows + (u * width + p) * l.inputs;
          for (int64_t k = 0; k < l.kernel * l.inputs; ++k, w += l.outputs) {
            const Lanes16 weights = Lanes16::load(w);
#pragma GCC unroll 8
            for (int i = 0; i < kTogether; ++i)
              sum[i].add_product(Lanes16::broadcast(x + i * l.inputs + k), weights);
          }
        }
        const Lanes16 bias = Lanes16::load(l.bias + o);
        const int64_t pixels = smaller(kTogether, job.columns - p);
#pragma GCC unroll 8
        for (int i = 0; i < kTogether; ++i)
          if (i < pixels) store(out + (p + i) * job.out_pitch[0] + o, (sum[i] + bias).leaky(l.leak));
      }
  }
}

}  // namespace

namespace sr::bands::bf16::SR_SIMD {
extern const Functions kFunctions{kProductsCompiledFor, layer, first_layer, upsampling};
}

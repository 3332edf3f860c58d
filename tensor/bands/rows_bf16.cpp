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
#include "tensor/bands/first_layer_rows.h"
#include "tensor/simd/activations.h"
#include "tensor/simd/bf16.h"
#include "tensor/simd/lanes.h"
#include "tensor/simd/tiles.h"

namespace {

using sr::bands::Activation;
using sr::bands::bf16::Convolution;
using sr::bands::bf16::kOutputs;
using sr::bands::bf16::Layer;

constexpr int64_t kTileWeights = 512;  // elements of a step's
constexpr int64_t kTilePixels = 16;

int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// ---- sums ----

// Sixteen pixels (or groups of them) of a row of outputs, from x on; `rows` are those that the row reads.
struct Run {
  const uint16_t* const* rows;
  int64_t x;
};

constexpr int64_t kRunSums = kTilePixels * kOutputs;
constexpr int kRuns = sr::bands::bf16::kRuns;

// sums[N tiles of outputs][R runs][16 pixels][16 outputs]: two by two, or four runs that share a tile of
// weights.
#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)

constexpr const char* kProductsCompiledFor = "avx512_bf16";
void products_begin() {}
void products_end() {}

template <int R, int N>
void sum_runs(const Convolution& c, int64_t first_tile, const Run* runs, float* sums) {
  const int64_t pixel = c.group * c.inputs;
  for (int block = 0; block < R * N; ++block) {
    const int64_t tile = first_tile + block / R;
    const Run& run = runs[block % R];
    const int64_t first = c.shared ? 0 : tile * c.steps;
    __m512 sum[kTilePixels];
#pragma GCC unroll 16
    for (int i = 0; i < kTilePixels; ++i) sum[i] = _mm512_setzero_ps();
    const uint16_t* w = c.weights + tile * c.steps * kTileWeights;
    for (int64_t s = 0; s < c.steps; ++s) {
      const uint16_t* a = run.rows[c.row[first + s]] + run.x * c.inputs + c.offset[first + s];
      for (int64_t pair = 0; pair < 16; ++pair, w += 2 * kOutputs) {
        const auto weights = (__m512bh)_mm512_loadu_si512(w);
#pragma GCC unroll 16
        for (int i = 0; i < kTilePixels; ++i) {
          int32_t both;
          std::memcpy(&both, a + i * pixel + 2 * pair, sizeof both);
          sum[i] = _mm512_dpbf16_ps(sum[i], (__m512bh)_mm512_set1_epi32(both), weights);
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kTilePixels; ++i) _mm512_storeu_ps(sums + block * kRunSums + i * kOutputs, sum[i]);
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

template <int R, int N>
void sum_runs(const Convolution& c, int64_t tile, const Run* runs, float* sums) {
  static_assert((R == 2 && N <= 2) || (R == 4 && N == 1));
  const int64_t stride = c.group * c.inputs * 2;
  const int64_t first = c.shared ? 0 : tile * c.steps;
  const uint16_t* w = c.weights + tile * c.steps * kTileWeights;
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (R * N == 4) tile_zero<2>(), tile_zero<3>();
  for (int64_t s = 0; s < c.steps; ++s, w += kTileWeights) {
    const int64_t row = c.row[first + s], offset = c.offset[first + s];
    const auto pixels = [&](int r) { return runs[r].rows[row] + runs[r].x * c.inputs + offset; };
    tile_load<4>(w, kTileRowBytes);
    tile_load<5>(pixels(0), stride);
    tile_dot<0, 5, 4>();
    tile_load<6>(pixels(1), stride);
    tile_dot<1, 6, 4>();
    if constexpr (N == 2) {
      tile_load<7>(w + c.steps * kTileWeights, kTileRowBytes);
      tile_dot<2, 5, 7>();
      tile_dot<3, 6, 7>();
    }
    if constexpr (R == 4) {
      tile_load<7>(pixels(2), stride);
      tile_dot<2, 7, 4>();
      tile_load<5>(pixels(3), stride);
      tile_dot<3, 5, 4>();
    }
  }
  tile_store<0>(sums, kTileRowBytes);
  tile_store<1>(sums + kRunSums, kTileRowBytes);
  if constexpr (R * N == 4) {
    tile_store<2>(sums + 2 * kRunSums, kTileRowBytes);
    tile_store<3>(sums + 3 * kRunSums, kTileRowBytes);
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

// activate(sums, pixel) of each pixel of a row.
template <class Activate>
[[gnu::always_inline]] inline void finish_by(const Convolution& c, int64_t tile, const float* sums, int64_t x,
                                             int64_t pixels, const Way& way, const Activate& activate) {
  const Lanes16 bias = Lanes16::load(c.bias + tile * kOutputs);
  for (int64_t p = 0; p < pixels; ++p)
    store(way.out + (x + p) * way.pitch, activate(Lanes16::load(sums + p * kOutputs) + bias, x + p));
}

void finish(const Convolution& c, int64_t tile, const float* sums, int64_t x, int64_t pixels,
            const Way& way) {
  const auto by = [&](const auto& activate) { finish_by(c, tile, sums, x, pixels, way, activate); };
  const auto added = [&](int64_t pixel) { return widened(way.added + pixel * way.added_pitch); };
  if (c.activation == Activation::silu)
    by([](Lanes16 z, int64_t) { return silu_of(z); });
  else if (c.activation == Activation::gate)
    by([&](Lanes16 z, int64_t pixel) { return gate_of(z, added(pixel)); });
  else if (way.added)
    by([&](Lanes16 z, int64_t pixel) { return z.leaky(c.leak) + added(pixel); });
  else
    by([&](Lanes16 z, int64_t) { return z.leaky(c.leak); });
}

// N tiles of outputs go over all of a job's pixels before the next ones, so that their weights stay in the
// first-level cache.
template <int N>
void convolve_tiles(const Convolution& c, int64_t tile, const Rows& rows, int64_t count, int64_t x,
                    int64_t columns, float* sums) {
  constexpr int64_t kTogether = 2 * kTilePixels;
  for (int64_t r = 0; r < count; ++r)
    for (int64_t p = 0; p < columns; p += kTogether) {
      const Run runs[2] = {{rows.in + r, x + p}, {rows.in + r, x + p + kTilePixels}};
      sum_runs<2, N>(c, tile, runs, sums);
      for (int n = 0; n < N; ++n)
        finish(c, tile + n, sums + n * 2 * kRunSums, x + p, smaller(kTogether, columns - p),
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

// A row of what is joined to a convolution's outputs, behind them.
void join(const Layer& l, const Job& job, int64_t row, uint16_t* between) {
  const int64_t all = l.pointwise.inputs;
  int64_t first = l.convolution.outputs;
  for (int i = 0; first < all; first += job.added_pitch[i++]) {
    const int64_t channels = job.added_pitch[i];
    const auto* from = static_cast<const uint16_t*>(job.added[i][row]);
    for (int64_t x = job.x; x < job.x + job.columns; ++x)
      std::memcpy(between + x * all + first, from + x * channels, static_cast<size_t>(channels) * 2);
  }
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
    const int64_t channels = l.pointwise.inputs,
                  columns = (job.columns + 2 * kTilePixels - 1) / (2 * kTilePixels) * 2 * kTilePixels;
    uint16_t* between = reinterpret_cast<uint16_t*>(sums + kRuns * kRunSums);
    std::memset(between + job.rows * columns * channels, 0, static_cast<size_t>(kTilePixels * channels) * 2);
    Rows last = rows;
    for (int64_t r = 0; r < job.rows; ++r) {
      rows.out[0][r] = between + (r * columns - job.x) * channels;
      last.in[r] = rows.out[0][r];
      if (l.joins) join(l, job, r, rows.out[0][r]);
    }
    if (l.joins) rows.added_pitch[0] = 0;
    rows.out_pitch[0] = rows.split = channels;
    last.added_pitch[0] = 0;
    convolve(l.convolution, rows, job.rows, job.x, columns, sums);
    convolve(l.pointwise, last, job.rows, job.x, job.columns, sums);
  }
  products_end();
}

// Sums of one run -> the result's pixels.
void shuffle(const Layer& l, const Job& job, int64_t row, int64_t x, int64_t pixels, const float* sums,
             int64_t tile_sums) {
  const Convolution& c = l.convolution;
  const int64_t values = c.outputs / c.group, row_values = l.stride * l.result_channels;
  for (int64_t i = 0; i < pixels; ++i)
    for (int64_t v = 0; v < values; ++v) {
      const int64_t output = i % c.group * values + v;
      const float sum = sums[output / kOutputs * tile_sums + i / c.group * kOutputs + output % kOutputs];
      job.result[(row * l.stride + v / row_values) * job.result_pitch + (x + i) * row_values +
                 v % row_values] = sum + c.bias[output];
    }
}

// Two rows together, whose runs share the weights; the last row of an odd number is its own partner.
void upsampling(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  const Convolution& c = l.convolution;
  const int64_t run_pixels = kTilePixels * c.group, together = 2 * run_pixels, tile_sums = kRuns * kRunSums;
  auto* sums = static_cast<float*>(job.scratch);
  const uint16_t* rows[sr::bands::kMostRows];
  for (int64_t k = 0; k < sr::bands::kMostRows; ++k) rows[k] = static_cast<const uint16_t*>(job.in[k]);
  products_begin();
  for (int64_t r = 0; r < job.rows; r += 2)
    for (int64_t p = 0; p < job.columns; p += together) {
      const int64_t x = job.x + p, next = smaller(r + 1, job.rows - 1);
      const Run runs[kRuns] = {
          {rows + r, x}, {rows + r, x + run_pixels}, {rows + next, x}, {rows + next, x + run_pixels}};
      for (int64_t tile = 0; tile < c.tiles; ++tile)
        sum_runs<kRuns, 1>(c, tile, runs, sums + tile * tile_sums);
      const int64_t pixels = smaller(together, job.columns - p);
      for (int64_t i = r; i <= next; ++i) {
        const float* of_row = sums + (i - r) * 2 * kRunSums;
        shuffle(l, job, job.row + i, x, smaller(run_pixels, pixels), of_row, tile_sums);
        if (pixels > run_pixels)
          shuffle(l, job, job.row + i, x + run_pixels, pixels - run_pixels, of_row + kRunSums, tile_sums);
      }
    }
  products_end();
}

void first_layer(const void* packed, const Job& job) {
  first_layer_rows(*static_cast<const FirstLayer*>(packed), job, 0,
                   [&](int64_t row, int64_t column, int64_t output, Lanes16 values) {
                     store(static_cast<uint16_t*>(job.out[0][row]) + column * job.out_pitch[0] + output,
                           values);
                   });
}

}  // namespace

namespace sr::bands::bf16::SR_SIMD {
extern const Functions kFunctions{kProductsCompiledFor, layer, first_layer, upsampling};
}

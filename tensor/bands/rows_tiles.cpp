// Stages in bfloat16 by direct sums, compiled once for each way to multiply tiles of it, whose name
// CMakeLists.txt defines SR_SIMD as: AMX, and the same in software.
//
// Sixteen outputs of sixteen pixels in each of four rows at a time (block_sums.h). Pixels' inputs are read in
// place, as rows of a tile that lie a pixel apart; a tap's weights are a tile. The terms of a value are added
// step by step, and in a step from the kernel's first row to its last.
#include <immintrin.h>

#include <cstring>

#include "tensor/bands/block_sums.h"
#include "tensor/bands/first_layer_rows.h"
#include "tensor/bands/tiles_layer.h"
#include "tensor/simd/activations.h"
#include "tensor/simd/bf16.h"
#include "tensor/simd/lanes.h"
#include "tensor/simd/tiles.h"

namespace {

using sr::bands::Activation;
using sr::bands::tiles::kBlockRows;
using sr::bands::tiles::kRowsBeyond;
using sr::bands::tiles::Layer;
using sr::bands::tiles::Piece;

// ---- layers ----

// Rows of a job as a convolution sees them.
struct Rows {
  const uint16_t* in[sr::bands::kMostRows + kRowsBeyond];
  uint16_t* out[2][sr::bands::kMostRows];
  const uint16_t* added[sr::bands::kMostAdded][sr::bands::kMostRows];
  int64_t out_pitch[2], added_pitch[sr::bands::kMostAdded];
  int64_t split;  // outputs that go to out[0]

  void lead(Run& run, int64_t output) const {
    const int to = output < split ? 0 : 1;
    const int from = output < added_pitch[0] ? 0 : 1;
    run.out = out[to][run.row] + run.x * out_pitch[to] + output - to * split, run.pitch = out_pitch[to];
    if (added_pitch[0] == 0) return;
    run.added = added[from][run.row] + run.x * added_pitch[from] + output - from * added_pitch[0];
    run.added_pitch = added_pitch[from];
  }
};

// Rows that a block may read below those that are there: any that are, for what becomes of them is dropped.
void repeat_last(const uint16_t** in, int64_t rows) {
  for (int64_t k = rows; k < rows + kRowsBeyond; ++k) in[k] = in[rows - 1];
}

// What becomes of a pixel's sums with their bias, and of what is added to them.
struct Leaky {
  static constexpr bool kAdds = false;
  float leak;
  Lanes16 operator()(Lanes16 z, const uint16_t*) const { return z.leaky(leak); }
};
struct LeakyAndAdd {
  static constexpr bool kAdds = true;
  float leak;
  Lanes16 operator()(Lanes16 z, const uint16_t* added) const { return z.leaky(leak) + widened(added); }
};
struct Silu {
  static constexpr bool kAdds = false;
  Lanes16 operator()(Lanes16 z, const uint16_t*) const { return silu_of(z); }
};
struct Gate {
  static constexpr bool kAdds = true;
  Lanes16 operator()(Lanes16 z, const uint16_t* added) const { return gate_of(z, widened(added)); }
};

template <class Activate>
struct ToRows {
  Activate activate;

  [[gnu::always_inline]] void operator()(const Block& b, const Run& run, const float* sums, int64_t first,
                                         int64_t last) const {
    const Lanes16 bias = Lanes16::load(b.convolution->bias + b.tile * kOutputs);
    uint16_t* out = run.out + first * run.pitch;
    const uint16_t* added = Activate::kAdds ? run.added + first * run.added_pitch : nullptr;
    for (last = smaller(last, run.pixels); first < last; ++first) {
      store(out, activate(Lanes16::load(sums) + bias, added));
      sums += kOutputs, out += run.pitch;
      if constexpr (Activate::kAdds) added += run.added_pitch;
    }
  }
};

void convolve(const Convolution& c, Rows& rows, int64_t count, int64_t x, int64_t columns, void* sums) {
  repeat_last(rows.in, count + c.rows - 1);
  const auto by = [&](const auto& activate) {
    Blocks blocks(ToRows{activate}, sums);
    sum_blocks(c, rows.in, count, x, columns, blocks,
               [&](Run& run, int64_t tile) { rows.lead(run, tile * kOutputs); });
  };
  if (c.activation == Activation::silu)
    by(Silu{});
  else if (c.activation == Activation::gate)
    by(Gate{});
  else if (rows.added_pitch[0] > 0)
    by(LeakyAndAdd{c.leak});
  else
    by(Leaky{c.leak});
}

// A row of what is joined to a convolution's outputs, behind them.
void join(const Layer& l, const Job& job, const Rows& rows, int64_t row, uint16_t* between) {
  const int64_t all = l.pointwise.inputs;
  int64_t first = l.convolution.outputs;
  for (int i = 0; first < all; first += rows.added_pitch[i++]) {
    const int64_t channels = rows.added_pitch[i];
    for (int64_t x = job.x; x < job.x + job.columns; ++x)
      std::memcpy(between + x * l.pointwise.pitch + first, rows.added[i][row] + x * channels,
                  static_cast<size_t>(channels) * 2);
  }
}

// A convolution and the 1x1 convolution of its outputs for a block's rows, which lie in the thread's own
// memory between them: a pixel a multiple of a step's elements, for tiles whose rows cross cache lines take
// longer to load. What lies behind a pixel's channels only needs to be numbers.
void convolve_both(const Layer& l, const Job& job, Rows rows, int64_t count, unsigned char* scratch) {
  const int64_t channels = l.pointwise.inputs, pitch = l.pointwise.pitch,
                columns = (job.columns + kTilePixels - 1) / kTilePixels * kTilePixels;
  auto* between = reinterpret_cast<uint16_t*>(scratch + sr::bands::tiles::kSumBytes);
  Rows last = rows;
  for (int64_t r = 0; r < count; ++r) {
    uint16_t* row = between + r * sr::bands::tiles::kPixelsBetween * pitch;
    for (int64_t x = 0; x < columns && channels < pitch; ++x)  // they are a multiple of 16
      std::memset(row + x * pitch + channels, 0, 16 * sizeof *row);
    rows.out[0][r] = row - job.x * pitch;
    last.in[r] = rows.out[0][r];
    if (l.joins) join(l, job, rows, r, rows.out[0][r]);
  }
  if (l.joins) rows.added_pitch[0] = 0;
  rows.out_pitch[0] = pitch, rows.split = channels;
  last.added_pitch[0] = 0;
  convolve(l.convolution, rows, count, job.x, columns, scratch);
  convolve(l.pointwise, last, count, job.x, job.columns, scratch);
}

// The job's rows from `first` on.
Rows rows_of(const Layer& l, const Job& job, int64_t first) {
  Rows rows;
  for (int64_t k = 0; k + first < sr::bands::kMostRows; ++k)
    rows.in[k] = static_cast<const uint16_t*>(job.in[first + k]);
  for (size_t i = 0; i < sr::bands::kMostAdded; ++i) {
    for (int64_t r = 0; r + first < job.rows; ++r)
      rows.added[i][r] = static_cast<const uint16_t*>(job.added[i][first + r]);
    rows.added_pitch[i] = job.added_pitch[i];
  }
  for (int i = 0; i < 2; ++i) {
    for (int64_t r = 0; r + first < job.rows; ++r)
      rows.out[i][r] = static_cast<uint16_t*>(job.out[i][first + r]);
    rows.out_pitch[i] = job.out_pitch[i];
  }
  rows.split = l.split;
  return rows;
}

void layer(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  auto* scratch = static_cast<unsigned char*>(job.scratch);
  tiles_begin();
  if (l.pointwise.tiles > 0) {
    for (int64_t r = 0; r < job.rows; r += kBlockRows)
      convolve_both(l, job, rows_of(l, job, r), smaller(kBlockRows, job.rows - r), scratch);
  } else {
    Rows rows = rows_of(l, job, 0);
    convolve(l.convolution, rows, job.rows, job.x, job.columns, scratch);
  }
  tiles_end();
}

// What becomes of an upsampling's sums: the result's pixels.
struct ToResult {
  const Layer& layer;
  const Job& job;

  [[gnu::always_inline]] void operator()(const Block& b, const Run& run, const float* sums, int64_t first,
                                         int64_t last) const {
    const int64_t group = b.convolution->group, row_floats = layer.stride * layer.result_channels;
    const Lanes16 bias = Lanes16::load(b.convolution->bias + b.tile * kOutputs);
    float* row = job.result + (job.row + run.row) * layer.stride * job.result_pitch + run.x * row_floats;
    const Piece* begin = layer.pieces + layer.first_piece[b.tile];
    const Piece* end = layer.pieces + layer.first_piece[b.tile + 1];
    for (; first < last && first * group < run.pixels; ++first, sums += kOutputs) {
      const Lanes16 values = Lanes16::load(sums) + bias;
      float* to = row + first * group * row_floats;
      for (const Piece* p = begin; p < end; ++p) {
        const int64_t there = (run.pixels - first * group) * row_floats - p->column;
        if (there > 0)
          store_lanes(to + p->row * job.result_pitch + p->column, values, p->lane, smaller(p->floats, there));
      }
    }
  }
};

void upsampling(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  const Convolution& c = l.convolution;
  const uint16_t* rows[sr::bands::kMostRows + kRowsBeyond];
  for (int64_t k = 0; k < sr::bands::kMostRows; ++k) rows[k] = static_cast<const uint16_t*>(job.in[k]);
  repeat_last(rows, job.rows + c.rows - 1);
  Blocks blocks(ToResult{l, job}, job.scratch);
  tiles_begin();
  sum_blocks(c, rows, job.rows, job.x, job.columns, blocks, [](Run&, int64_t) {});
  tiles_end();
}

void first_layer(const void* packed, const Job& job) {
  first_layer_rows(*static_cast<const FirstLayer*>(packed), job, 0,
                   [&](int64_t row, int64_t column, int64_t output, Lanes16 values) {
                     store(static_cast<uint16_t*>(job.out[0][row]) + column * job.out_pitch[0] + output,
                           values);
                   });
}

}  // namespace

namespace sr::bands::tiles::SR_SIMD {
extern const Functions kFunctions{kTilesCompiledFor, layer, first_layer, upsampling};
}

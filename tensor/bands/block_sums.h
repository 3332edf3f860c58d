// Sums of products of bfloat16 for a block of pixels, in AMX's tiles or the same in software. While a block's
// products are computed the sums of the one before it are finished: two units work side by side. Included by
// *_tiles.cpp files only (see tensor/simd/tiles.h).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "tensor/bands/tiles_layer.h"
#include "tensor/simd/tiles.h"

namespace {

using sr::bands::tiles::Convolution;
using sr::bands::tiles::kBlockTiles;
using sr::bands::tiles::kOutputs;

constexpr int64_t kTileWeights = 512;  // elements of a tap's
constexpr int64_t kTilePixels = 16;
constexpr int64_t kTileSums = kTilePixels * kOutputs;
constexpr int64_t kHeldWeights = 10 * 1024;  // elements in the first-level cache beside all else

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Sixteen pixels (or groups of pixels) of a row, for which there is a tile of sums.
struct Run {
  int64_t row, x, pixels;  // of the job; of the image, from x on; what lies beyond is not wanted
  // Unless it is an upsampling's: where the tile's outputs go and what is added to them, from pixel x on.
  uint16_t* out;
  int64_t pitch;
  const uint16_t* added;
  int64_t added_pitch;
};

// A tile of outputs of four runs: of a row each, or of two in each of two rows.
struct Block {
  const Convolution* convolution;
  int64_t tile;
  const uint16_t* const* in;  // the rows that the first row of outputs reads, and those below
  Run runs[kBlockTiles];
};

// Blocks one after the other. finish(block, run, sums, first, last) takes the sums[last - first][outputs] of
// vectors first .. last-1 of a run, pixels or groups of them.
template <class Finish>
class Blocks {
 public:
  /// `sums`: room for two blocks'.
  Blocks(const Finish& how, void* sums) : finish_(how), sums_(static_cast<float*>(sums)) {}

  /// How many vectors of the block before the one in work to finish in each of so many parts: a run has a
  /// multiple of that.
  int64_t share(int64_t parts) const {
    int64_t vectors = 1;
    while (vectors < kTilePixels && vectors * parts < end_ - at_) vectors *= 2;
    return vectors;
  }
  void finish(int64_t vectors) {
    if (at_ == end_) return;
    const auto at = static_cast<uint64_t>(at_), first = at % kTilePixels;
    finish_(before_, before_.runs[at / kTilePixels], finished_ + at * kOutputs, static_cast<int64_t>(first),
            static_cast<int64_t>(first) + vectors);
    at_ += vectors;
  }
  void finish_all() {
    while (at_ < end_) finish(share(1));
  }

  /// Of the block in work.
  float* sums() const { return sums_ + side_ * kBlockTiles * kTileSums; }
  /// It has all its sums, and the one before it is finished.
  void next(const Block& block) {
    before_ = block, finished_ = sums();
    at_ = 0, end_ = kBlockTiles * kTilePixels;
    side_ = 1 - side_;
  }

 private:
  Finish finish_;
  float* sums_;
  const float* finished_ = nullptr;
  int64_t at_ = 0, end_ = 0, side_ = 0;
  Block before_{};
};

// ---- four rows of one run: tiles 0 .. 3 are sums, 4 .. 6 weights of the kernel's rows, 7 pixels ----

// Of input row k: row u of the kernel, and those below it.
template <int Rows, int K, int U>
[[gnu::always_inline]] inline void dots() {
  if constexpr (U < Rows && U <= K) {
    if constexpr (K - U < 4) tile_dot<K - U, 7, 4 + U>();
    dots<Rows, K, U + 1>();
  }
}

template <int Rows, int K, class Finish>
[[gnu::always_inline]] inline void input_rows(const uint16_t* const* in, int64_t at, int64_t stride,
                                              const uint16_t* w, Blocks<Finish>& blocks, int64_t share) {
  if constexpr (K < Rows + 3) {
    if constexpr (K < Rows) tile_load<4 + K>(w + K * kTileWeights, kTileRowBytes);
    tile_load<7>(in[K] + at, stride);
    dots<Rows, K, 0>();
    blocks.finish(share);
    input_rows<Rows, K + 1>(in, at, stride, w, blocks, share);
  }
}

// Of a kernel of 1 or 3 rows: an input row is loaded once for all that read it.
template <int Rows, class Finish>
void sum_rows(const Block& b, Blocks<Finish>& blocks) {
  static_assert(Rows <= 3);
  const Convolution& c = *b.convolution;
  const int64_t stride = c.group * c.pitch * 2, share = blocks.share(c.steps * (Rows + 3));
  const int32_t* offset = c.offset + b.tile * c.steps;
  const uint16_t* w = c.weights + b.tile * c.steps * Rows * kTileWeights;
  for (int64_t s = 0; s < c.steps; ++s, w += Rows * kTileWeights)
    input_rows<Rows, 0>(b.in, b.runs[0].x * c.pitch + offset[s], stride, w, blocks, share);
}

// ---- two rows of two runs: 0 .. 3 are sums, 4 and 5 weights of two rows of the kernel, 6 and 7 pixels ----

// Input row k, which is row k of the kernel to the first row of outputs and row k-1 to the second.
template <int Odd>
[[gnu::always_inline]] inline void input_row(const Block& b, int64_t k, int64_t at, const uint16_t* w) {
  const Convolution& c = *b.convolution;
  const int64_t stride = c.group * c.pitch * 2;
  if (k < c.rows) tile_load<4 + Odd>(w + k * kTileWeights, kTileRowBytes);
  tile_load<6>(b.in[k] + at, stride);
  tile_load<7>(b.in[k] + at + kTilePixels * c.group * c.pitch, stride);
  if (k < c.rows) tile_dot<0, 6, 4 + Odd>(), tile_dot<1, 7, 4 + Odd>();
  if (k > 0) tile_dot<2, 6, 5 - Odd>(), tile_dot<3, 7, 5 - Odd>();
}

// Of any kernel.
template <class Finish>
void sum_runs(const Block& b, Blocks<Finish>& blocks) {
  const Convolution& c = *b.convolution;
  const int64_t share = blocks.share(c.steps * (c.rows + 1));
  const int32_t* offset = c.offset + b.tile * c.steps;
  const uint16_t* w = c.weights + b.tile * c.steps * c.rows * kTileWeights;
  for (int64_t s = 0; s < c.steps; ++s, w += c.rows * kTileWeights) {
    const int64_t at = b.runs[0].x * c.pitch + offset[s];
    for (int64_t k = 0; k <= c.rows; k += 2) {
      input_row<0>(b, k, at, w);
      blocks.finish(share);
      if (k + 1 > c.rows) break;
      input_row<1>(b, k + 1, at, w);
      blocks.finish(share);
    }
  }
}

template <class Finish>
void sum_block(const Block& b, Blocks<Finish>& blocks) {
  tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
  if (b.convolution->rows == 3)
    sum_rows<3>(b, blocks);
  else if (b.convolution->rows == 1)
    sum_rows<1>(b, blocks);
  else
    sum_runs(b, blocks);
  blocks.finish_all();
  float* sums = blocks.sums();
  tile_store<0>(sums, kTileRowBytes);
  tile_store<1>(sums + kTileSums, kTileRowBytes);
  tile_store<2>(sums + 2 * kTileSums, kTileRowBytes);
  tile_store<3>(sums + 3 * kTileSums, kTileRowBytes);
}

// All blocks of a convolution: a few tiles of outputs, whose weights the first-level cache holds, over all of
// the job's pixels before the next ones. in[k]: input row k of those that the job's first row reads;
// lead(run, tile) says where the outputs of a run go.
template <class Finish, class Lead>
void sum_blocks(const Convolution& c, const uint16_t* const* in, int64_t rows, int64_t x, int64_t columns,
                Blocks<Finish>& blocks, const Lead& lead) {
  const int64_t across = c.rows == 1 || c.rows == 3 ? 1 : 2;  // runs of a row
  const int64_t down = kBlockTiles / across, run_pixels = kTilePixels * c.group;
  const int64_t held = kHeldWeights / (c.steps * c.rows * kTileWeights), together = held < 1 ? 1 : held;
  Block b{};
  b.convolution = &c;
  const auto sum = [&](int64_t row, int64_t column) {
    b.in = in + row;
    for (int64_t i = 0; i < kBlockTiles; ++i) {
      Run& run = b.runs[i];
      const int64_t begin = column + i % across * run_pixels;
      run.row = row + i / across, run.x = x + begin;
      run.pixels = run.row < rows ? smaller(run_pixels, columns - begin) : 0;
      if (run.pixels > 0) lead(run, b.tile);
    }
    sum_block(b, blocks);
    blocks.next(b);
  };
  for (int64_t first = 0; first < c.tiles; first += together)
    for (int64_t column = 0; column < columns; column += across * run_pixels)
      for (int64_t row = 0; row < rows; row += down)
        for (b.tile = first; b.tile < smaller(first + together, c.tiles); ++b.tile) sum(row, column);
  blocks.finish_all();
}

}  // namespace

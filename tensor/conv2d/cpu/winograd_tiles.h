// The grid of tiles that Winograd's transforms walk. Included by files that are compiled once per instruction
// set only (see tensor/simd/lanes.h).
#pragma once

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

struct Tile {
  int64_t n, row, column;  // its first output
};

// Those of all outputs of a convolution; the last ones of a row or column may reach beyond.
class Tiles {
 public:
  explicit Tiles(const ConvDims& d)
      : n_(d.n),
        down_((d.oh + kWinogradOutputs - 1) / kWinogradOutputs),
        across_((d.ow + kWinogradOutputs - 1) / kWinogradOutputs) {}
  int64_t size() const { return n_ * down_ * across_; }
  Tile operator[](int64_t i) const {
    return {i / (down_ * across_), i / across_ % down_ * kWinogradOutputs, i % across_ * kWinogradOutputs};
  }

 private:
  int64_t n_, down_, across_;
};

// A tensor's numbers.
struct Grid {
  const float* data;
  int64_t h, w, c, pitch;
};

// The size x size pixels from (row, column) on, zeros outside and beyond the channels, as
// [size][size][channels].
inline void copy_patch(const Grid& x, int64_t n, int64_t row, int64_t column, int64_t size, int64_t channels,
                       float* patch) {
  for (int64_t i = row; i < row + size; ++i)
    for (int64_t j = column; j < column + size; ++j, patch += channels) {
      const int64_t copied = i >= 0 && i < x.h && j >= 0 && j < x.w ? x.c : 0;
      if (copied > 0)
        std::memcpy(patch, x.data + ((n * x.h + i) * x.w + j) * x.pitch,
                    static_cast<size_t>(copied) * sizeof(float));
      std::memset(patch + copied, 0, static_cast<size_t>(channels - copied) * sizeof(float));
    }
}

// Where the channels of the size x size pixels from (row, column) on lie: zeros outside and beyond the
// grid's channels. `patch` is room for so many pixels of `channels` floats.
template <int kSize>
struct TilePixels {
  const float* at[kSize][kSize];

  TilePixels(const Grid& x, const Tile& tile, int64_t channels, float* patch) {
    if (channels != x.c)
      copy_patch(x, tile.n, tile.row, tile.column, kSize, channels, patch);
    else
      std::memset(patch, 0, static_cast<size_t>(channels) * sizeof(float));  // one that serves for all
    for (int64_t i = 0; i < kSize; ++i)
      for (int64_t j = 0; j < kSize; ++j) {
        const int64_t row = tile.row + i, column = tile.column + j;
        const bool inside = row >= 0 && row < x.h && column >= 0 && column < x.w;
        if (channels != x.c)
          at[i][j] = patch + (i * kSize + j) * channels;
        else
          at[i][j] = inside ? x.data + ((tile.n * x.h + row) * x.w + column) * x.pitch : patch;
      }
  }
};

// Asks for the next tile's pixels, a line of the cache of each: all channels at once would fill the queue for
// what is missing. Any address will do.
template <class T, class Pixel>
[[gnu::always_inline]] inline void prefetch_next(const Pixel& pixel, int64_t pitch, int64_t channel) {
  constexpr int64_t kLine = 64 / sizeof(float);
  if (channel % kLine != 0) return;
  for (int i = 0; i < T::kFrom; ++i)
    for (int j = T::kFrom - kWinogradOutputs; j < T::kFrom; ++j)
      __builtin_prefetch(pixel(i, j) + kWinogradOutputs * pitch + channel);
}

// T of a square of pixels, whose channels pixel(i, j) points to -> to[36 places, `place` apart][channels].
// `pitch`: floats from pixel to pixel.
template <class T, class Element, class Pixel>
[[gnu::always_inline]] inline void transform_pixels(const Pixel& pixel, int64_t pitch, int64_t channels,
                                                    Element* to, int64_t place) {
  for (int64_t k = 0; k < channels; k += kLanes) {
    prefetch_next<T>(pixel, pitch, k);
    transform_square_in_steps<Vector, T>(
        [&](int i, int j) { return Vector::load(pixel(i, j) + k); },
        [&](int i, int j, Vector value) { store(to + (i * T::kTo + j) * place + k, value); });
  }
}

// T of the tile of pixels -> to[36 places, `place` apart][channels], a multiple of the lanes. `patch` as
// TilePixels'.
template <class T, class Element>
void transform_tile(const Grid& x, const Tile& tile, int64_t channels, float* patch, Element* to,
                    int64_t place) {
  if (channels != x.c || tile.row < 0 || tile.row + T::kFrom > x.h || tile.column < 0 ||
      tile.column + T::kFrom > x.w) {
    const TilePixels<T::kFrom> pixels(x, tile, channels, patch);
    return transform_pixels<T>([&](int i, int j) { return pixels.at[i][j]; }, x.pitch, channels, to, place);
  }
  const float* from = x.data + ((tile.n * x.h + tile.row) * x.w + tile.column) * x.pitch;
  const int64_t row_floats = x.w * x.pitch;
  transform_pixels<T>([&](int i, int j) { return from + i * row_floats + j * x.pitch; }, x.pitch, channels,
                      to, place);
}

// T of two tiles -> to[36 places, `place` apart][channels][2], each number of one beside that of the other;
// zeros beside those of a single one. `patch` is twice TilePixels'.
template <class T>
void transform_tiles(const Grid& x, const Tile* tiles, int64_t count, int64_t channels, float* patch,
                     uint16_t* to, int64_t place) {
  constexpr Tile kOutside{0, -T::kFrom, -T::kFrom};
  const TilePixels<T::kFrom> first(x, tiles[0], channels, patch),
      second(x, count > 1 ? tiles[1] : kOutside, channels, patch + T::kFrom * T::kFrom * channels);
  for (int64_t k = 0; k < channels; k += kLanes) {
    Vector halves[2][T::kTo][T::kFrom];
#pragma GCC unroll 1
    for (int j = 0; j < T::kFrom; ++j) {
      transform_column<Vector, T>(j, halves[0],
                                  [&](int i, int c) { return Vector::load(first.at[i][c] + k); });
      transform_column<Vector, T>(j, halves[1],
                                  [&](int i, int c) { return Vector::load(second.at[i][c] + k); });
    }
#pragma GCC unroll 1
    for (int i = 0; i < T::kTo; ++i) {
      Vector row[T::kTo];
      transform_row<Vector, T>(i, halves[0], [&](int, int j, Vector value) { row[j] = value; });
      transform_row<Vector, T>(i, halves[1], [&](int, int j, Vector value) {
        store_pairs(to + (i * T::kTo + j) * place + 2 * k, row[j], value);
      });
    }
  }
}

}  // namespace

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

// T of a square of pixels, whose channels pixel(i, j) points to -> to[36 places, `place` apart][channels].
template <class T, class Element, class Pixel>
[[gnu::always_inline]] inline void transform_pixels(const Pixel& pixel, int64_t channels, Element* to,
                                                    int64_t place) {
  for (int64_t k = 0; k < channels; k += kLanes)
    transform_square_in_steps<Vector, T>(
        [&](int i, int j) { return Vector::load(pixel(i, j) + k); },
        [&](int i, int j, Vector value) { store(to + (i * T::kTo + j) * place + k, value); });
}

// The same of pixels some of which lie outside: zeros in `zeros`, room for a pixel.
template <class T, class Element>
void transform_border_tile(const Grid& x, int64_t n, int64_t row, int64_t column, float* zeros, Element* to,
                           int64_t place) {
  std::memset(zeros, 0, static_cast<size_t>(x.c) * sizeof(float));
  const float* pixels[T::kFrom][T::kFrom];
  for (int64_t i = 0; i < T::kFrom; ++i)
    for (int64_t j = 0; j < T::kFrom; ++j) {
      const bool inside = row + i >= 0 && row + i < x.h && column + j >= 0 && column + j < x.w;
      pixels[i][j] = inside ? x.data + ((n * x.h + row + i) * x.w + column + j) * x.pitch : zeros;
    }
  transform_pixels<T>([&](int i, int j) { return pixels[i][j]; }, x.c, to, place);
}

// T of the square of pixels from (row, column) on -> to[36 places, `place` apart][channels], a multiple of
// the lanes. `patch` is room for 36 * channels floats.
template <class T, class Element>
void transform_tile(const Grid& x, int64_t n, int64_t row, int64_t column, int64_t channels, float* patch,
                    Element* to, int64_t place) {
  if (channels != x.c) {
    copy_patch(x, n, row, column, T::kFrom, channels, patch);
    return transform_pixels<T>([&](int i, int j) { return patch + (i * T::kFrom + j) * channels; }, channels,
                               to, place);
  }
  if (row < 0 || row + T::kFrom > x.h || column < 0 || column + T::kFrom > x.w)
    return transform_border_tile<T>(x, n, row, column, patch, to, place);
  const float* from = x.data + ((n * x.h + row) * x.w + column) * x.pitch;
  const int64_t row_floats = x.w * x.pitch;
  for (int i = 0; i < T::kFrom; ++i)  // of the next tile
    prefetch(from + i * row_floats + T::kFrom * x.pitch,
             kWinogradOutputs * x.pitch * static_cast<int64_t>(sizeof(float)));
  transform_pixels<T>([&](int i, int j) { return from + i * row_floats + j * x.pitch; }, channels, to, place);
}

}  // namespace

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

// T of the square of pixels from (row, column) on -> to[36 places, `place` apart][channels], a multiple of
// the lanes. `patch` is room for 36 * channels floats.
template <class T, class Element>
void transform_tile(const Grid& x, int64_t n, int64_t row, int64_t column, int64_t channels, float* patch,
                    Element* to, int64_t place) {
  const float* from = x.data + ((n * x.h + row) * x.w + column) * x.pitch;
  int64_t row_floats = x.w * x.pitch, pixel_floats = x.pitch;
  if (channels != x.c || row < 0 || row + T::kFrom > x.h || column < 0 || column + T::kFrom > x.w) {
    copy_patch(x, n, row, column, T::kFrom, channels, patch);
    from = patch, row_floats = T::kFrom * channels, pixel_floats = channels;
  } else {
    for (int i = 0; i < T::kFrom; ++i)  // of the next tile
      prefetch(from + i * row_floats + T::kFrom * pixel_floats,
               kWinogradOutputs * pixel_floats * static_cast<int64_t>(sizeof(float)));
  }
  for (int64_t k = 0; k < channels; k += kLanes)
    transform_square<Vector, T>(
        [&](int i, int j) { return Vector::load(from + i * row_floats + j * pixel_floats + k); },
        [&](int i, int j, Vector value) { store(to + (i * T::kTo + j) * place + k, value); });
}

}  // namespace

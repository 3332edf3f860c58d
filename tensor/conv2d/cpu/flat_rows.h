// An image's rows in bfloat16 one after the other, with as many zeros between them as a kernel looks over: a
// tap is then a distance between pixels, the same for all. Included by *_tiles.cpp files only.
#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/bf16.h"

namespace {

constexpr int64_t kTileLines = 16;                        // rows of a tile, and pairs or sums in each
constexpr int64_t kStepDepth = 32;                        // products of a step
constexpr int64_t kTileHalves = kTileLines * kStepDepth;  // a tile of factors
constexpr int64_t kTileSums = kTileLines * kTileLines;    // a tile of sums

/// Pixels from row to row: between two rows are zeros for the one's right and the other's left side.
inline int64_t flat_pitch(const ConvDims& d) {
  const int64_t right = d.ow + d.kw - 1 - d.pad_w - d.w;
  return d.w + (right > d.pad_w ? right : d.pad_w);
}

/// Halves for the time of a call, 64-byte aligned.
class Halves {
 public:
  explicit Halves(int64_t size) : buffer_((size + 1) / 2) {}
  uint16_t* data() { return reinterpret_cast<uint16_t*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

/// Some rows of outputs of an image.
struct Band {
  int64_t n, row, rows;
};

/// All rows of a batch, cut into bands of about the same height.
struct Bands {
  int64_t n, height, rows;  // of a band; the last one of an image may have fewer

  Bands(const ConvDims& d, int64_t largest)
      : n(d.n), height(d.oh), rows((d.oh + parts(d.oh, largest) - 1) / parts(d.oh, largest)) {}
  int64_t in_image() const { return (height + rows - 1) / rows; }
  int64_t size() const { return n * in_image(); }
  Band operator[](int64_t i) const {
    const int64_t row = i % in_image() * rows;
    return {i / in_image(), row, smaller(rows, height - row)};
  }

 private:
  static int64_t parts(int64_t height, int64_t largest) { return (height + largest - 1) / largest; }
};

/// A convolution whose windows overlap little, as that of many channels at their places: 1x1.
inline ConvDims of_windows(ConvDims d) {
  d.c *= d.kh * d.kw;
  d.h = d.oh, d.w = d.ow, d.kh = d.kw = 1, d.pad_h = d.pad_w = 0, d.stride = 1, d.x_pitch = d.c;
  return d;
}

/// What output (i, j) of image n reads: [kh][kw][c], zeros outside.
inline void gather_window(const ConvDims& d, const float* x, int64_t n, int64_t i, int64_t j, float* to) {
  const int64_t first = j * d.stride - d.pad_w, floats = d.kw * d.c;
  const int64_t begin = first < 0 ? -first : 0, end = smaller(d.kw, d.w - first);
  for (int64_t u = 0; u < d.kh; ++u, to += floats) {
    const int64_t row = i * d.stride + u - d.pad_h;
    if (row < 0 || row >= d.h || begin > 0 || end < d.kw || d.x_pitch != d.c)
      std::memset(to, 0, static_cast<size_t>(floats) * sizeof(float));
    if (row < 0 || row >= d.h) continue;
    const float* from = x + ((n * d.h + row) * d.w + first) * d.x_pitch;
    if (d.x_pitch == d.c && begin < end)
      std::memcpy(to + begin * d.c, from + begin * d.c,
                  static_cast<size_t>((end - begin) * d.c) * sizeof(float));
    else
      for (int64_t v = begin; v < end; ++v)
        std::memcpy(to + v * d.c, from + v * d.x_pitch, static_cast<size_t>(d.c) * sizeof(float));
  }
}

}  // namespace

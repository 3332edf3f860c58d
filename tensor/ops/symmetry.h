// Flips and rotations of images.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// The symmetries of the square, 0..7. Bit 2: rows become columns, first of all; bit 1: columns run
/// backwards; bit 0: rows run backwards. 0 changes nothing.
constexpr int kSymmetries = 8;

/// x under a symmetry, contiguous: [n, h, w, c], or [n, w, h, c] with bit 2. Errors: usage (no such symmetry;
/// x on a GPU not stored as float32).
Tensor turned(const Tensor& x, int symmetry);

/// Undoes it: turned_back(turned(x, s), s) is x.
Tensor turned_back(const Tensor& x, int symmetry);

/// Where the values of a turned image come from: pixel (i, j) is pixel first + i * down + j * across of the
/// image before, counted row by row; the next image is h * w pixels on in both.
struct PixelOrder {
  int64_t h = 0, w = 0;  ///< of the turned image
  int64_t first = 0, down = 0, across = 0;
};
PixelOrder turned_order(const Shape& x, int symmetry);
PixelOrder turned_back_order(const Shape& x, int symmetry);

}  // namespace sr

// Bicubic resampling, the one definition that all programs use (docs/numerics.md).
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Resizes to h x w: bicubic (Keys, a = -1/2), half-pixel centres, edges mirrored with the edge sample
/// repeated, the kernel stretched by the ratio when shrinking (antialiased); MATLAB's imresize. Columns
/// first, then rows. Coefficients are computed in double from exact positions, so the error does not grow
/// with the image. Memory beside the result: per thread a few rows. Errors: usage (h or w < 1), shape (no
/// pixels), limit (a side over 2^30).
Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w);

/// The same, by an integer factor: [n, h, w, c] -> [n, factor*h, factor*w, c], four taps in each direction.
/// Every output value is the same sum in the same order wherever it lies, so pieces of an image agree with
/// the whole to the last bit. Errors: usage (factor < 1), shape, limit.
Tensor bicubic_enlarge(const Tensor& x, int factor);

}  // namespace sr

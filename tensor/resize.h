// Bicubic resampling, the one definition that all programs use (docs/numerics.md).
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Enlarges by an integer factor: bicubic (Keys, a = -1/2), half-pixel centres, edges mirrored with the edge
/// sample repeated; MATLAB's imresize. Shape: [n, h, w, c] -> [n, factor*h, factor*w, c].
/// Every output value is the same sum in the same order wherever it lies, so pieces of an image agree with
/// the whole to the last bit. Columns first, then rows, four taps each, coefficients computed in double.
/// Errors: usage (factor < 1).
Tensor bicubic_enlarge(const Tensor& x, int factor);

/// Resizes to h x w: the same kernel, stretched by the ratio when shrinking (antialiased).
/// Errors: usage (h or w < 1).
Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w);

}  // namespace sr

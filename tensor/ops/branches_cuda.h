// The product of branches.h on a CUDA device.
#pragma once

#include "tensor/cuda/view.h"
#include "tensor/ops/branches.h"

namespace sr::cuda {

/// y[rows][columns], without gaps, = the sums over `depth` of a times b: element (row, k) of a is a[row *
/// a_row + k * a_depth], (k, column) of b is b[k * b_depth + column * b_column].
struct ProductSizes {
  int64_t rows, depth, columns;
  int64_t a_row, a_depth, b_depth, b_column;
};
void product(const Queue&, const ProductSizes&, const float* a, const float* b, float* y);

/// That of branches.h, its arguments checked and without gaps. Errors: usage (not float32), device, limit.
Tensor product(const Matrix& a, const Matrix& b, int64_t rows, int64_t depth, int64_t columns, Shape shape);

}  // namespace sr::cuda

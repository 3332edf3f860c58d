// One convolution's weight that is made of several: linear convolutions one after the other are one.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Weights of three convolutions one after the other, and of a fourth beside them.
struct Branches {
  Tensor expand;  ///< [m, 1, 1, i]
  Tensor middle;  ///< [n, k, k, m], k odd
  Tensor reduce;  ///< [o, 1, 1, n]
  Tensor beside;  ///< [o, 1, 1, i]
};

/// reduce * middle * expand, and `beside` added to the tap in its middle: [o, k, k, i]. Errors: shape.
Tensor merged_branches(const Branches& branches);

/// The gradients of the four.
Branches merged_branches_grads(const Tensor& dy, const Branches& branches);

/// merged_branches() of tensors on the processor, computed in double and rounded once. Errors: shape, device.
Tensor merged_branches_exactly(const Branches& branches);

/// A tensor's values as a matrix with rows of `columns`; or the transpose of that.
struct Matrix {
  Tensor values;            ///< in the order of rows
  int64_t columns = 0;      ///< of a row
  bool transposed = false;  ///< whether the transpose is meant
};

/// a * b, as a tensor of this shape. Terms are added in their order, in float32; the bits are the same on
/// every instruction set and on a GPU. Errors: shape, device.
Tensor product(const Matrix& a, const Matrix& b, Shape shape);

}  // namespace sr

// The losses that compare element by element, each beside its gradient.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Mean of |x - target| over all elements, in double and in a fixed order: the bits are the same for any
/// number of threads. Both may be channel views. Errors: shape (they differ or are empty).
double l1_loss(const Tensor& x, const Tensor& target);
/// Its gradient for x: sign(x - target) / size, 0 where they are equal, NaN where the difference is.
Tensor l1_loss_grad(const Tensor& x, const Tensor& target);

/// Mean of (x - target)^2, else as l1_loss. Errors: shape.
double l2_loss(const Tensor& x, const Tensor& target);
/// Its gradient for x: 2 (x - target) / size.
Tensor l2_loss_grad(const Tensor& x, const Tensor& target);

/// Both as a float32 [1, 1, 1, 1] where x lies; of a GPU nothing is waited for.
Tensor l1_loss_value(const Tensor& x, const Tensor& target);
Tensor l2_loss_value(const Tensor& x, const Tensor& target);

}  // namespace sr

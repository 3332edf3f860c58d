// Sums over many elements, in double precision and a fixed order.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Sum over all pixels for each channel: shape [1, 1, 1, c], the gradient of a bias; on the processor by the
/// tree of tensor/image_tree.h.
Tensor sum_per_channel(const Tensor& x);

/// Sum of all elements.
double sum(const Tensor& x);

}  // namespace sr

// Flips and rotations (symmetry.h) on a CUDA device.
#pragma once

#include "tensor/cuda/view.h"
#include "tensor/ops/symmetry.h"

namespace sr::cuda {

/// y, contiguous, has the pixels of x, of `shape`, in that order.
void reorder(const Queue&, const Shape& shape, ConstView x, const PixelOrder& order, float* y);

/// That of turned() and turned_back(). Errors: usage (x is not stored as float32), device, limit.
Tensor reordered(const Tensor& x, const PixelOrder& order);

}  // namespace sr::cuda

// Copies between storage types and layouts on a CUDA device, also for convert() and clone() of tensor.h.
#pragma once

#include "tensor/cuda/view.h"

namespace sr::cuda {

/// y = x stored as another type (or the same: a copy of a view): to 16 bits by rounding to nearest even, to
/// f32 exactly. A NaN stays one, its payload may change.
void convert(const Queue&, int64_t pixels, int64_t c, DType from, ConstView x, DType to, View y);

}  // namespace sr::cuda

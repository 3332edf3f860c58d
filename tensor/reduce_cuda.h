// The sums of reduce.h on a CUDA device: in double, without atomics, in an order that depends on shapes
// alone.
#pragma once

#include "tensor/cuda_view.h"

namespace sr::cuda {

/// Doubles that the functions below need as workspace.
int64_t sum_workspace(int64_t pixels, int64_t c);

/// y[k] = sum over the pixels of channel k.
void sum_per_channel(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, float* y,
                     double* workspace);

/// result[0] = sum of all elements.
void sum(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, double* result, double* workspace);

/// to[0] = from[0], rounded.
void round_to_float(const Queue&, const double* from, float* to);

}  // namespace sr::cuda

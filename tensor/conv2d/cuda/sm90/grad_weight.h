// The weights' gradients of IDN's dense 3x3 convolutions on the tensor cores of compute capability 9.0, with
// 16-bit operands.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

extern const ConvAlgorithm kGradWeight;

}  // namespace sr::cuda

// The weights' gradient of IDN's dense 3x3 convolutions, with the operands rounded to TF32, on the tensor
// cores of compute capability 9.0. All tensors are float32.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

extern const ConvAlgorithm kGradWeightTf32;

}  // namespace sr::cuda

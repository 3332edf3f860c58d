// The convolutions that serve every shape and storage, in float32.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

extern const ConvAlgorithm kPlain;

}  // namespace sr::cuda

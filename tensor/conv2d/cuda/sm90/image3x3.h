// The first layer (image.h) of one image, where the 3x3 convolution from 64 channels to 64 follows it: on
// compute capability 9.0 in one kernel.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

/// Alone it is kImage.
extern const ConvAlgorithm kImage3x3;

}  // namespace sr::cuda

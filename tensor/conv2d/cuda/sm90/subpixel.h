// The upsampler of one image, 64 channels to an image, on the tensor cores of compute capability 9.0, in
// strips whose rows roll by. The storage type is float16 or bfloat16.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

extern const ConvAlgorithm kSubpixelStrips;

}  // namespace sr::cuda

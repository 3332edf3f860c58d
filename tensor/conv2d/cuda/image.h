// The first layer: 3x3 from one channel to 64, and its weights' gradient. Bound by memory, so on the float32
// units, which keep the image exact whatever the storage of the result. (With the second layer in one kernel:
// sm90/image3x3.h.)
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"

namespace sr::cuda {

extern const ConvAlgorithm kImage;

}  // namespace sr::cuda

// Weight gradients of a backward pass, put off until those of the same sizes can be computed together.
#pragma once

#include <vector>

#include "tensor/conv2d_cuda.h"
#include "tensor/on_cuda.h"

namespace sr::cuda {

/// The device that the calling thread's convolutions run on.
ConvDevice conv_device();

/// A weight gradient that is to be computed into dw.
struct GradWeightWork {
  ConvDims dims;
  ConvTypes types;
  Tensor x, dy, dw;
};

/// Computes them in order, up to kMostGradWeights at once; all of the same sizes. Errors: device, limit.
void compute_grad_weights(const std::vector<GradWeightWork>& layers);

/// Puts the work off if a GatherGradWeights of the calling thread lives, else returns false.
bool gather(const GradWeightWork& work);

}  // namespace sr::cuda

// Gradients of parameters in a backward pass, put off until those of several layers can be computed together.
#pragma once

#include <memory>
#include <vector>

#include "tensor/conv2d/choice_cuda.h"
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

/// Sums of pieces of channels (ChannelPieces in tensor/ops/reduce_cuda.h) that are to be added up into y.
struct ChannelSumsWork {
  std::shared_ptr<void> sums;
  int64_t pixels = 0;
  Tensor y;
};

/// Computes them in order, up to kMostGradWeights at once; all of the same sizes. Errors: device, limit.
void compute_grad_weights(const std::vector<GradWeightWork>& layers);
/// Errors: device.
void add_sums(const std::vector<ChannelSumsWork>& channels);

/// Puts the work off if a GatherGradients of the calling thread lives, else returns false.
bool gather(const GradWeightWork& work);
bool gather(const ChannelSumsWork& work);

}  // namespace sr::cuda

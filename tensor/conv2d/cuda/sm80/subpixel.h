// The transposed convolution between 64 channels and an image, and its two gradients, on the tensor cores.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/sm80/fragments.h"

namespace sr::cuda {

extern const ConvAlgorithm kSubpixel;

/// Whether it serves a convolution with operands T, and then the order of its weights.
template <class T>
bool subpixel_order(const ConvProblem& p, const ConvDevice& device, FragmentOrder* order);

// Its parts:

/// Image (float32) -> coarse pixels of 64 channels: the gradient of that for its input, a convolution with
/// stride. `order` treats all taps as input channels of one. False too if a block needs more shared memory.
template <class T>
bool strided_conv_order(const ConvRun& run, int64_t most_shared_bytes, FragmentOrder* order);
template <class T>
void strided_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                  void* y, const ConvDevice& device);

/// The weights' gradient of both.
template <class T>
bool strided_grad_weight_bytes(const ConvRun& run, int64_t most_shared_bytes, int64_t* bytes);
template <class T>
void strided_grad_weight(const ConvRun& run, const void* x, const void* dy, void* partial, float* dw,
                         cudaStream_t stream);

}  // namespace sr::cuda

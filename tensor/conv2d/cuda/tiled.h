// Convolutions with IDN's shapes in float32, on the float32 units: the layers of 3x3 and 1x1, the 17x17
// upsampler of one channel, and their gradients.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

/// Pitches, those of added tensors and masks too, must be multiples of 4 where there is no shuffle.
extern const ConvAlgorithm kTiled;

// Its parts beside the layers' own convolutions:

/// Bytes of `partial`; 0 if there is no kernel for this shape.
int64_t tiled_grad_weight_bytes(const ConvRun& run);
void tiled_grad_weight(const ConvRun& run, const void* x, const void* dy, float* partial, float* dw,
                       cudaStream_t stream);

// An image of one channel -> 64 channels at every stride-th pixel by 17x17 taps: the gradient of the
// upsampler for its input; and the weights' gradient of both. Pitches of the 64 channels are multiples of 4.
bool takes_strided_tiled_conv(const ConvRun& run);
void strided_tiled_conv(const ConvRun& run, const void* x, const float* packed, const ConvEpilogue& epilogue,
                        void* y, cudaStream_t stream);
int64_t strided_tiled_grad_weight_bytes(const ConvRun& run);
void strided_tiled_grad_weight(const ConvRun& run, const void* x, const void* dy, float* partial, float* dw,
                               cudaStream_t stream);

}  // namespace sr::cuda

// The convolutions that serve every shape and storage, in float32.
#pragma once

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

void plain_conv(const ConvRun& run, DType from, DType to, const void* x, const float* packed,
                const ConvEpilogue& epilogue, void* y, cudaStream_t stream);

int64_t plain_grad_weight_bytes(const ConvRun& run);
void plain_grad_weight(const ConvRun& run, const ConvTypes& types, const void* x, const void* dy,
                       float* partial, float* dw, cudaStream_t stream);

}  // namespace sr::cuda

// The first layer: 3x3 from one channel to 64, and its weights' gradient. Bound by memory, so on the float32
// units, which keep the image exact whatever the storage of the result.
#pragma once

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

bool takes_image_conv(const ConvRun& run);
/// `packed` as by pack_plain.
void image_conv(const ConvRun& run, const ConvTypes& types, const void* x, const float* packed,
                const ConvEpilogue& epilogue, void* y, const ConvDevice& device);

int64_t image_grad_weight_bytes(const ConvRun& run);
void image_grad_weight(const ConvRun& run, const ConvTypes& types, const void* x, const void* dy,
                       float* partial, float* dw, cudaStream_t stream);

}  // namespace sr::cuda

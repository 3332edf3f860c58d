// 3x3 convolutions of one image with IDN's shapes on the tensor cores of compute capability 9.0, in strips
// whose rows roll by. T is the storage and the operands' type, __half or __nv_bfloat16.
#pragma once

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

/// Bytes of the packed weights; false if there is no kernel of this shape.
bool strips_conv_bytes(const ConvRun& run, int64_t* bytes);

template <class T>
void pack_strips(const WeightView& view, const ConvRun& run, T* packed, cudaStream_t stream);

template <class T>
void strips_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
                 const ConvDevice& device);

/// Whether the 1x1 convolution `then` can follow on `first` in one kernel. first_added: channels of the first
/// tensor that is added between them.
bool takes_pointwise(const ConvRun& first, int64_t first_added, const ConvRun& then);

/// Of the packed weights of such a 1x1 convolution.
int64_t pointwise_bytes();
template <class T>
void pack_pointwise(const float* weight, T* packed, cudaStream_t stream);

template <class T>
void pointwise_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    const Pointwise& then, void* y, const ConvDevice& device);

}  // namespace sr::cuda

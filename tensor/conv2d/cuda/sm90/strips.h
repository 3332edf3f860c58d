// 3x3 convolutions of one image with IDN's shapes on the tensor cores of compute capability 9.0, in strips
// whose rows roll by. T is the storage and the operands' type, __half or __nv_bfloat16.
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/weights.h"
#include "tensor/cuda/gpu.h"

namespace sr::cuda {

extern const ConvAlgorithm kStrips;

// Its parts that have another convolution follow in the same kernel:

/// Whether the 1x1 convolution `next` can follow on `first` (pointwise.cu). first_added: channels of the
/// first tensor that is added between them.
bool takes_pointwise(const ConvRun& first, int64_t first_added, const ConvRun& next);

/// Of the packed weights of such a 1x1 convolution.
int64_t pointwise_bytes();
template <class T>
void pack_pointwise(const float* weight, T* packed, cudaStream_t stream);

template <class T>
void pointwise_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                    const ConvNext& next, void* y, const ConvDevice& device);

/// Whether the 3x3 convolution `next` can follow on `first` (fused3x3.cu).
bool takes_fused3x3(const ConvRun& first, const ConvRun& next);

/// Of the packed weights of such a 3x3 convolution.
int64_t fused3x3_bytes(const ConvRun& next);
template <class T>
void pack_fused3x3(const ConvRun& next, const WeightView& weight, T* packed, cudaStream_t stream);

template <class T>
void fused3x3_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                   const ConvNext& next, void* y, const ConvDevice& device);

}  // namespace sr::cuda

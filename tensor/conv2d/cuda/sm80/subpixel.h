// The transposed convolution between 64 channels and an image, and its two gradients, on the tensor cores.
#pragma once

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

/// Coarse pixels of 64 channels (T) -> image: a stride-1 convolution to the stride^2 phases of a fine pixel,
/// stored shuffled. `order` of its weights; false if it does not serve this shape.
template <class T>
bool subpixel_conv_order(const ConvRun& run, FragmentOrder* order);
template <class T>
void subpixel_conv(const ConvRun& run, DType to, const void* x, const void* packed,
                   const ConvEpilogue& epilogue, void* y, const ConvDevice& device);

/// The same on compute capability 9.0, in strips whose rows roll by; T is __half or __nv_bfloat16. Bytes of
/// the packed weights; false if it does not serve this shape.
bool subpixel_strips_bytes(const ConvRun& run, int64_t* bytes);
template <class T>
void pack_subpixel_strips(const WeightView& view, const ConvRun& run, T* packed, cudaStream_t stream);
template <class T>
void subpixel_strips(const ConvRun& run, DType to, const void* x, const void* packed,
                     const ConvEpilogue& epilogue, void* y, const ConvDevice& device);

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

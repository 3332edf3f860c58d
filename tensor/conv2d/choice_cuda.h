// Convolutions of device memory: which algorithm serves one, and the way to it.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/problem.h"

namespace sr::cuda {

/// The algorithm that an operation takes. Depends on nothing else (of the device: on its shared memory and
/// wgmma; of the image's size: on whether there is one image or several), so that packed weights fit and all
/// tiles of a scene take the same.
const ConvAlgorithm& conv2d_algorithm(ConvOp op, const ConvDims& dims, const ConvTypes& types,
                                      const ConvDevice& device);

/// Bytes that `packed` (conv2d, grad_input, next) or `partial` (grad_weight, of that many layers) of the
/// operation must hold.
int64_t conv2d_workspace(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device,
                         int layers = 1);

/// Brings weights into order, those of like algorithms with few launches.
void conv2d_pack(std::span<const PackTask> tasks, const ConvDevice& device);

/// One weight.
inline void conv2d_pack(ConvOp op, const ConvDims& dims, const ConvTypes& types, const float* weight,
                        void* packed, const ConvDevice& device) {
  const PackTask one{op, dims, types, weight, packed};
  conv2d_pack({&one, 1}, device);
}

// Tensors (views, added tensors, masks, second results too) begin at multiples of 16 bytes, and unless the
// algorithm is `plain` the pitches of all those and the channels of the first added one are multiples of 16
// bytes. The terms of a value are added in an order that depends on the weights' shape, the types, the
// algorithm and, for grad_weight, the sizes of x and the number of layers only.

/// y = conv2d(x).
void conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
            const ConvEpilogue& epilogue, void* y, const ConvDevice& device);

/// Whether two convolutions, the second of the first's result, can be conv2d_then_conv2d(). first_added:
/// channels of the first of two added tensors, 0 without any. types: the first's; the second's result is
/// stored as the first's would be.
bool fuses(const ConvDims& first, int64_t first_added, const ConvDims& next, const ConvTypes& types,
           const ConvDevice& device);

/// y = the next convolution of conv2d(x), whose values are rounded to the storage type and not stored; only
/// if fuses().
void conv2d_then_conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
                        const ConvEpilogue& epilogue, const ConvNext& next, void* y,
                        const ConvDevice& device);

/// dx = gradient of sum(dy * conv2d(x)) for x. With a bias it is the transposed convolution of dy.
void conv2d_grad_input(const ConvDims& dims, const ConvTypes& types, const void* dy, const void* packed,
                       const ConvEpilogue& epilogue, void* dx, const ConvDevice& device);

/// Whether conv2d_grad_weights() of these has the bias's gradient too.
bool conv2d_grads_bias(const ConvDims& dims, const ConvTypes& types, const ConvDevice& device);

/// dw = gradient of sum(dy * conv2d(x)) for the weight, of up to kMostGradWeights layers with the same sizes
/// together; db = that for the bias, where it is not null, only if conv2d_grads_bias().
void conv2d_grad_weights(const ConvDims& dims, const ConvTypes& types, std::span<const GradWeightTask> layers,
                         void* partial, const ConvDevice& device);

/// That of one layer.
inline void conv2d_grad_weight(const ConvDims& dims, const ConvTypes& types, const void* x, const void* dy,
                               void* partial, float* dw, const ConvDevice& device, float* db = nullptr) {
  const GradWeightTask one{x, dy, dw, db};
  conv2d_grad_weights(dims, types, {&one, 1}, partial, device);
}

}  // namespace sr::cuda

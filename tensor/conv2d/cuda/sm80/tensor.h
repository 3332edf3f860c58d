// 3x3 and 1x1 convolutions with IDN's shapes on the tensor cores. T is the storage and the operands' type
// (float: TF32).
#pragma once

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/sm80/fragments.h"

namespace sr::cuda {

extern const ConvAlgorithm kTensor;

/// Whether it serves a convolution with operands T, and then the order of its weights.
template <class T>
bool tensor_order(const ConvProblem& p, const ConvDevice& device, FragmentOrder* order);

// Its parts, each instantiated in files of its own:

/// The order of the weights; false if there is no kernel of this shape.
template <class T>
bool tensor_conv_order(const ConvRun& run, int64_t most_shared_bytes, FragmentOrder* order);
template <class T>
void tensor_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
                 const ConvDevice& device);

template <class T>
bool tensor_grad_weight_bytes(const ConvRun& run, int layers, int64_t* bytes);
/// Whether the kernel has the bias's gradient too.
template <class T>
bool tensor_grads_bias(const ConvRun& run);
template <class T>
void tensor_grad_weights(const ConvRun& run, std::span<const GradWeightTask> layers, void* partial,
                         const ConvDevice& device);

}  // namespace sr::cuda

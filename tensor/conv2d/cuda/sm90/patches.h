// 3x3 and 1x1 convolutions with IDN's shapes and of their gradients on the tensor cores of compute capability
// 9.0, for batches of small images. T is the storage and the operands' type (float: TF32).
#pragma once

#include <span>

#include "tensor/conv2d/cuda/algorithm.h"
#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

extern const ConvAlgorithm kPatches;

// Its parts, each instantiated in a file of its own:

/// Bytes of the packed weights; false if there is no kernel of this shape.
template <class T>
bool patches_conv_bytes(const ConvRun& run, int64_t* bytes);

/// A weight and the memory for the order in which these kernels read it.
struct PatchTask {
  WeightView view;
  int kernel, inputs, outputs;
  void* packed;
};

/// Packs all of them with few launches.
template <class T>
void pack_patches(std::span<const PatchTask> tasks, cudaStream_t stream);

template <class T>
void patches_conv(const ConvRun& run, const void* x, const void* packed, const ConvEpilogue& epilogue,
                  void* y, const ConvDevice& device);

}  // namespace sr::cuda

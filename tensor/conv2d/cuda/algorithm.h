// What every way to compute a convolution on a GPU is to the others: a name, what it serves, how it is
// called.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/conv2d/cuda/problem.h"

namespace sr::cuda {

/// A new one is a file with its kernels, at the end of which it stands (or a *_kernel.h, a .cu for each type
/// and one for this), in this folder or in that of the GPU generation it is for, and a line in the list of
/// tensor/conv2d/choice_cuda.cu.
struct ConvAlgorithm {
  const char* name;

  /// Bytes of packed weights (conv2d, grad_input, next) or of partial sums (grad_weight); 0 if it does
  /// not serve this. May depend on nothing else: of the device on its shared memory and wgmma, of the image's
  /// size on whether there is one image or several.
  int64_t (*bytes)(const ConvProblem&, const ConvDevice&);

  /// Packs weights of one Math that this algorithm serves. Tasks of all algorithms with the same function
  /// come together.
  void (*pack)(std::span<const PackTask>, const ConvDevice&);

  /// conv2d or grad_input.
  void (*conv)(const ConvProblem&, const void* from, const void* packed, const ConvEpilogue&, void* to,
               const ConvDevice&);

  /// The layers' one after the other, or together; `partial` holds what bytes() said. Null if it serves none.
  void (*grad_weights)(const ConvProblem&, std::span<const GradWeightTask>, void* partial, const ConvDevice&);

  /// Whether it writes ConvEpilogue::own.
  bool writes_own = true;

  /// Whether the convolution `next` can follow in one kernel, and that kernel; null: none can. first_added:
  /// channels of the first of two tensors that are added between them, 0 without any.
  bool (*fuses)(const ConvProblem&, int64_t first_added, const ConvProblem& next) = nullptr;
  void (*conv_then_conv)(const ConvProblem&, const void* from, const void* packed, const ConvEpilogue&,
                         const ConvNext&, void* to, const ConvDevice&) = nullptr;

  /// Whether grad_weights fills GradWeightTask::db too; null: never.
  bool (*grads_bias)(const ConvProblem&) = nullptr;
};

}  // namespace sr::cuda

// What a tensor needs of a CUDA device: all that this folder and the operations know of one. tensor/cuda/ has
// the code, in builds that have it.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace sr::cuda {

/// Whether this build has these functions and those of the operations' *_cuda.h; calls stand in
/// `if constexpr (kBuilt)`.
#ifdef SR_CUDA
inline constexpr bool kBuilt = true;
#else
inline constexpr bool kBuilt = false;
#endif

/// Memory of the thread's device, in the order of its stream; freed memory stays with the process for the
/// next tensors. Errors: limit (with what is free), device.
std::shared_ptr<void> allocate(int64_t bytes);

/// Copies to and from the device, in order with the thread's kernels. Both return when the host's memory may
/// be changed or read. Errors: device.
void copy_to_device(void* device, const void* host, int64_t bytes);
void copy_to_host(void* host, const void* device, int64_t bytes);

Tensor clone(const Tensor& x);
Tensor convert(const Tensor& x, DType dtype);

/// Fills x if it is one whose values wait (tensor/cuda/deferred.h); to be called before x is read.
void finish_if_waiting(const Tensor& x);

}  // namespace sr::cuda

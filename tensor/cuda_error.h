// What a call of the CUDA runtime says, as an Error.
#pragma once

#include <cuda_runtime_api.h>

#include "tensor/error.h"

namespace sr::gpu {

/// Nothing if `status` is cudaSuccess. Errors: limit (the device's memory is used up), device (all else);
/// `what` was asked of the device.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the runtime keeps the last error for whoever asks next; it has been reported here
  const auto kind = status == cudaErrorMemoryAllocation ? Error::Kind::limit : Error::Kind::device;
  throw Error(kind, what, ": CUDA says '", cudaGetErrorString(status), "' (", cudaGetErrorName(status), ")");
}

}  // namespace sr::gpu

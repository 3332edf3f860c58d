// What a call of the CUDA runtime says, as an Error.
#pragma once

#include <cuda_runtime_api.h>

namespace sr::gpu {

/// Nothing if `status` is cudaSuccess. Errors: limit (the device's memory is used up), device (all else);
/// `what` was asked of the device.
void check(cudaError_t status, const char* what);

}  // namespace sr::gpu

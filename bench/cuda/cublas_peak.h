// The most products that the device's units can do, by cuBLAS: what convolutions are compared with.
#pragma once

#include <cuda_runtime_api.h>

#include "bench/cuda/timer.h"
#include "tensor/cuda/device.h"

namespace sr::bench {

/// TFLOP/s (a multiply-add is two) of a product of 8192 x 8192 matrices of random numbers with the operands
/// of `precision` and float32 sums. Errors: device.
double cublas_peak(cuda::Precision precision, cudaStream_t stream, const CudaTimer& timer);

}  // namespace sr::bench

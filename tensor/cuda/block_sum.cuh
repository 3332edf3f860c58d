// The sum of a block's values in double, in a fixed order.
#pragma once

#include "tensor/cuda/gpu.h"

namespace sr::cuda {

/// The sum of `value` over the block's kThreads threads (a power of two, all in x), added by halves, in
/// thread 0; what the others get is of no use. All threads must call it; `shared` has room for kThreads.
template <int kThreads>
GPU_FN double block_sum(double value, double* shared) {
  const int t = static_cast<int>(threadIdx.x);
  __syncthreads();  // an earlier sum may still be read
  shared[t] = value;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) shared[t] = value += shared[t + half];
  }
  // From the register: a read of shared[0] by thread 0 alone may become one by all, beside its write.
  return value;
}

/// The sum of `count` values; thread t adds values t, t + kThreads, ... As above.
template <int kThreads>
GPU_FN double block_sum_of(int64_t count, const double* values, double* shared) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += values[i];
  return block_sum<kThreads>(sum, shared);
}

}  // namespace sr::cuda

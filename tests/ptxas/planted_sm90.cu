// A kernel for ptxas_test.cmake whose accumulators are touched between two products: ptxas puts a wait in.
#include "tensor/cuda/hopper.h"

namespace sr {

// ptxas: touches_accumulators registers<=64
__global__ void touches_accumulators(float* out, uint64_t matrix) {
  float d[4] = {};
  gpu::wgmma_fence();
  gpu::wgmma_ss<__half, 8>(d, matrix, matrix);
  d[0] += 1;
  gpu::wgmma_ss<__half, 8>(d, matrix, matrix);
  gpu::wgmma_commit();
  gpu::wgmma_wait<0>();
  for (int i = 0; i < 4; ++i) out[4 * threadIdx.x + i] = d[i];
}

}  // namespace sr

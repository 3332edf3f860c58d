#include "tensor/conv2d/cuda/partial.h"

namespace sr::cuda {
namespace {

constexpr int kElements = 32, kShares = 8, kThreads = kElements * kShares;

// A warp sums a share of the parts, so that many loads are under way at once.
// ptxas: add_parts_kernel registers<=40 shared<=1024
__global__ void __launch_bounds__(kThreads)
    add_parts_kernel(const float* part, int parts, int elements, float* out) {
  GPU_SHARED(float, sums, kThreads);
  const int lane = static_cast<int>(threadIdx.x) % kElements,
            share = static_cast<int>(threadIdx.x) / kElements,
            e = static_cast<int>(blockIdx.x) * kElements + lane;
  const int each = (parts + kShares - 1) / kShares, end = min((share + 1) * each, parts);
  float sum = 0.0f;
  if (e < elements) {
#pragma unroll 8
    for (int p = share * each; p < end; ++p) sum += part[static_cast<long long>(p) * elements + e];
  }
  sums[share * kElements + lane] = sum;
  __syncthreads();
  if (share > 0 || e >= elements) return;
#pragma unroll
  for (int s = 1; s < kShares; ++s) sum += sums[s * kElements + lane];
  out[e] = sum;
}

}  // namespace

void add_parts(const float* part, int parts, int elements, float* out, cudaStream_t stream) {
  gpu::launch(add_parts_kernel, dim3(static_cast<unsigned>((elements + kElements - 1) / kElements)),
              dim3(kThreads), 0, stream, part, parts, elements, out);
}

}  // namespace sr::cuda

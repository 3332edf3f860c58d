// Sums that many blocks share: each leaves its part, and the parts are added in their order.
#pragma once

#include "tensor/cuda/gpu.h"

namespace sr::cuda {

/// Where element e of a part stands in the result; -1: nowhere.
/// out[index(e)] = sum over parts p of part[p * elements + e], added from the first to the last.
template <class Index>
GPU_FN void sum_parts(const float* part, int parts, int elements, const Index& index, float* out) {
  const int e = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (e >= elements) return;
  const int to = index(e);
  if (to < 0) return;
  float sum = 0.0f;
  for (int p = 0; p < parts; ++p) sum += part[static_cast<long long>(p) * elements + e];
  out[to] = sum;
}

/// out[e] = the sum of the parts, shares of neighbouring parts first: the order depends on `parts` only.
void add_parts(const float* part, int parts, int elements, float* out, cudaStream_t stream);

}  // namespace sr::cuda

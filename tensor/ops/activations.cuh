// The logistic function inside kernels: the steps of tensor/simd/activations.h, and its bits.
#pragma once

#include "tensor/cuda/gpu.h"

namespace sr::cuda {

GPU_FN float sigmoid(float x) {
  x = x > 87.0f ? 87.0f : x;
  x = x < -87.0f ? -87.0f : x;
  constexpr float kRounding = 12582912.0f;
  const float shifted = x * -1.44269504f + kRounding, n = shifted - kRounding;
  const float r = (n * -0.693145751953125f - x) - n * 1.42860677e-6f;
  float q = r * 0.0013814527774229646f + 0.008368744514882565f;
  q = q * r + 0.04166839271783829f;
  q = q * r + 0.1666652113199234f;
  q = q * r + 0.4999999403953552f;
  const float exp_r = (q * (r * r) + r) + 1.0f;
  uint32_t bits, exponent;
  memcpy(&bits, &exp_r, sizeof(bits));
  memcpy(&exponent, &shifted, sizeof(exponent));
  bits += exponent << 23;
  float e;
  memcpy(&e, &bits, sizeof(e));
  return 1.0f / (1.0f + e);
}

}  // namespace sr::cuda

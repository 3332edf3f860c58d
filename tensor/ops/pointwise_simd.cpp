// Compiled once for each instruction set, whose name CMakeLists.txt defines SR_SIMD as.
#include <cstring>

#include "tensor/ops/pointwise_kernels.h"

namespace {

using sr::cpu::LeakyReluRun;

using Floats = float __attribute__((vector_size(32)));
using Doubles = double __attribute__((vector_size(64)));
constexpr int64_t kLanes = 8;

#if defined(__AVX512F__)
constexpr int kTogether = 8;  // vectors whose sums stay in registers
#elif defined(__AVX2__)
constexpr int kTogether = 4;
#else
constexpr int kTogether = 1;
#endif

// Of channels k .. k + V*8 of every pixel.
template <int V>
void leaky_relu_grads(const LeakyReluRun& r, int64_t pixels, int64_t c, int64_t k, double* sums) {
  Doubles sum[V] = {};
  for (int64_t p = 0; p < pixels; ++p)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const int64_t channel = k + v * kLanes;
      Floats d, y;
      std::memcpy(&d, r.dy + p * r.dy_pitch + channel, sizeof d);
      std::memcpy(&y, r.y + p * r.y_pitch + channel, sizeof y);
      const Floats z = y > 0 ? d : d * r.leak;
      std::memcpy(r.dz + p * c + channel, &z, sizeof z);
      sum[v] += __builtin_convertvector(z, Doubles);
    }
  std::memcpy(sums + k, sum, sizeof sum);
}

void leaky_relu_grads_one(const LeakyReluRun& r, int64_t pixels, int64_t c, int64_t k, double* sums) {
  double sum = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    const float d = r.dy[p * r.dy_pitch + k], z = r.y[p * r.y_pitch + k] > 0 ? d : d * r.leak;
    r.dz[p * c + k] = z;
    sum += double{z};
  }
  sums[k] = sum;
}

// As many vectors from channel k on as there are, V at most: the channel behind them.
template <int V>
int64_t leaky_relu_grads_of(const LeakyReluRun& r, int64_t pixels, int64_t c, int64_t k, double* sums) {
  if constexpr (V > 1)
    if (k + V * kLanes > c) return leaky_relu_grads_of<V - 1>(r, pixels, c, k, sums);
  leaky_relu_grads<V>(r, pixels, c, k, sums);
  return k + V * kLanes;
}

void all_leaky_relu_grads(const LeakyReluRun& r, int64_t pixels, int64_t c, double* sums) {
  int64_t k = 0;
  while (k + kLanes <= c) k = leaky_relu_grads_of<kTogether>(r, pixels, c, k, sums);
  for (; k < c; ++k) leaky_relu_grads_one(r, pixels, c, k, sums);
}

}  // namespace

namespace sr::cpu::SR_SIMD {
extern const PointwiseKernels kPointwiseKernels{all_leaky_relu_grads, silu,   silu_grad, gate,
                                                gate_grads,           product};
}  // namespace sr::cpu::SR_SIMD

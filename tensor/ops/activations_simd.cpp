// The activations of activations.h, compiled once for each instruction set, whose name CMakeLists.txt defines
// SR_SIMD as.
#include "tensor/simd/activations.h"

#include <cstring>

#include "tensor/ops/pointwise_kernels.h"

namespace {

#if defined(__AVX512F__)
constexpr int64_t kFloats = 16;  // of a register
#elif defined(__AVX2__)
constexpr int64_t kFloats = 8;
#else
constexpr int64_t kFloats = 4;
#endif
using Floats = float __attribute__((vector_size(4 * kFloats)));

// f(in, out) of a register's elements at a time; those behind the last are zeros.
template <int kIn, int kOut, class F>
void map(const float* const (&in)[kIn], float* const (&out)[kOut], int64_t size, const F& f) {
  for (int64_t i = 0; i < size; i += kFloats) {
    const size_t bytes = 4 * static_cast<size_t>(size - i < kFloats ? size - i : kFloats);
    Floats from[kIn] = {}, to[kOut];
    for (int k = 0; k < kIn; ++k) {
      if (bytes == sizeof(Floats))
        std::memcpy(&from[k], in[k] + i, sizeof(Floats));
      else
        std::memcpy(&from[k], in[k] + i, bytes);
    }
    f(from, to);
    for (int k = 0; k < kOut; ++k) {
      if (bytes == sizeof(Floats))
        std::memcpy(out[k] + i, &to[k], sizeof(Floats));
      else
        std::memcpy(out[k] + i, &to[k], bytes);
    }
  }
}

}  // namespace

namespace sr::cpu::SR_SIMD {

void silu(const float* x, float* y, int64_t size) {
  map<1, 1>({x}, {y}, size, [](const auto& in, auto& out) { out[0] = ::silu(in[0]); });
}

void silu_grad(const float* dy, const float* x, float* dx, int64_t size) {
  map<2, 1>({dy, x}, {dx}, size, [](const auto& in, auto& out) {
    const Floats s = sigmoid(in[1]);
    out[0] = in[0] * (s * (1.0f + in[1] * (1.0f - s)));
  });
}

void gate(const float* z, const float* x, float* y, int64_t size) {
  map<2, 1>({z, x}, {y}, size, [](const auto& in, auto& out) { out[0] = ::gate(in[0], in[1]); });
}

void gate_grads(const float* dy, const float* z, const float* x, float* dz, float* dx, int64_t size) {
  map<3, 2>({dy, z, x}, {dz, dx}, size, [](const auto& in, auto& out) {
    const Floats s = sigmoid(in[1]);
    out[1] = in[0] * (s - 0.5f);
    out[0] = out[1] + in[0] * ((in[1] + in[2]) * (s * (1.0f - s)));
  });
}

}  // namespace sr::cpu::SR_SIMD

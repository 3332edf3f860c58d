#include "tensor/ops/activations.h"

#include <algorithm>
#include <array>

#include "tensor/on_cuda.h"
#include "tensor/ops/activations_cuda.h"
#include "tensor/ops/pairs.h"
#include "tensor/ops/pointwise_kernels.h"

namespace sr {
namespace {

bool on_gpu(const Tensor& x) {
  return cuda::kBuilt && x.device() == Device::cuda;
}

// Calls kernel(in..., out..., size) for runs of elements without gaps: pieces of all, or the channels of a
// pixel.
template <size_t kIn, size_t kOut, class Kernel>
void for_each_run(const std::array<const Tensor*, kIn>& in, const std::array<Tensor*, kOut>& out,
                  const Kernel& kernel) {
  const Shape& s = in[0]->shape();
  const bool contiguous =
      std::all_of(in.begin(), in.end(), [](const Tensor* x) { return x->is_contiguous(); });
  const int64_t size = s.size(), run = contiguous ? 4096 : std::max<int64_t>(1, s.c);
  const int64_t runs = (size + run - 1) / run;
#pragma omp parallel for schedule(static) if (size >= kWorthThreads)
  for (int64_t r = 0; r < runs; ++r) {
    std::array<const float*, kIn> from;
    std::array<float*, kOut> to;
    for (size_t i = 0; i < kIn; ++i) from[i] = in[i]->data() + r * (contiguous ? run : in[i]->pitch());
    for (size_t i = 0; i < kOut; ++i) to[i] = out[i]->data() + r * run;
    kernel(from, to, std::min(run, size - r * run));
  }
}

}  // namespace

Tensor silu(const Tensor& x) {
  if constexpr (cuda::kBuilt)
    if (on_gpu(x)) return cuda::silu(x);
  Tensor y(x.shape());
  for_each_run<1, 1>({&x}, {&y}, [](const auto& from, const auto& to, int64_t size) {
    cpu::pointwise_kernels().silu(from[0], to[0], size);
  });
  return y;
}

Tensor silu_grad(const Tensor& dy, const Tensor& x) {
  check_same_shape("silu_grad", dy, x);
  if constexpr (cuda::kBuilt)
    if (on_gpu(x)) return cuda::silu_grad(dy, x);
  Tensor dx(x.shape());
  for_each_run<2, 1>({&dy, &x}, {&dx}, [](const auto& from, const auto& to, int64_t size) {
    cpu::pointwise_kernels().silu_grad(from[0], from[1], to[0], size);
  });
  return dx;
}

Tensor gate(const Tensor& z, const Tensor& x) {
  check_same_shape("gate", z, x);
  if constexpr (cuda::kBuilt)
    if (on_gpu(x)) return cuda::gate(z, x);
  Tensor y(x.shape());
  for_each_run<2, 1>({&z, &x}, {&y}, [](const auto& from, const auto& to, int64_t size) {
    cpu::pointwise_kernels().gate(from[0], from[1], to[0], size);
  });
  return y;
}

GateGrads gate_grads(const Tensor& dy, const Tensor& z, const Tensor& x) {
  check_same_shape("gate_grads", dy, z);
  check_same_shape("gate_grads", dy, x);
  if constexpr (cuda::kBuilt)
    if (on_gpu(x)) return cuda::gate_grads(dy, z, x);
  GateGrads grads{Tensor(x.shape()), Tensor(x.shape())};
  for_each_run<3, 2>({&dy, &z, &x}, {&grads.dz, &grads.dx},
                     [](const auto& from, const auto& to, int64_t size) {
                       cpu::pointwise_kernels().gate_grads(from[0], from[1], from[2], to[0], to[1], size);
                     });
  return grads;
}

}  // namespace sr

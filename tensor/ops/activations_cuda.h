// The operations of activations.h on a CUDA device. Sizes are checked by the callers; operands of one call
// have the same storage type.
#pragma once

#include "tensor/cuda/view.h"
#include "tensor/ops/activations.h"

namespace sr::cuda {

/// y = silu(x); y may be x.
void silu(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, View y);
void silu_grad(const Queue&, DType, int64_t pixels, int64_t c, ConstView dy, ConstView x, View dx);
/// y = gate(z, x); y may be one of them.
void gate(const Queue&, DType, int64_t pixels, int64_t c, ConstView z, ConstView x, View y);
void gate_grads(const Queue&, DType, int64_t pixels, int64_t c, ConstView dy, ConstView z, ConstView x,
                View dz, View dx);

// Those of activations.h, their arguments checked. Errors: device, limit.
Tensor silu(const Tensor& x);
Tensor silu_grad(const Tensor& dy, const Tensor& x);
Tensor gate(const Tensor& z, const Tensor& x);
GateGrads gate_grads(const Tensor& dy, const Tensor& z, const Tensor& x);

}  // namespace sr::cuda

// The activations of SPAN, element by element. The logistic function is tensor/simd/activations.h's; the bits
// are the same on every instruction set and, in float32, on a GPU.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// x * sigmoid(x), contiguous.
Tensor silu(const Tensor& x);

/// The gradient of x: dy * s * (1 + x * (1 - s)), where s = sigmoid(x). Errors: shape.
Tensor silu_grad(const Tensor& dy, const Tensor& x);

/// (z + x) * (sigmoid(z) - 1/2), contiguous. Errors: shape.
Tensor gate(const Tensor& z, const Tensor& x);

/// dx = dy * (s - 1/2) and dz = dx + dy * (z + x) * s * (1 - s), where s = sigmoid(z). Errors: shape.
struct GateGrads {
  Tensor dz;  ///< of the sums
  Tensor dx;  ///< of the input
};
/// Both of them.
GateGrads gate_grads(const Tensor& dy, const Tensor& z, const Tensor& x);

}  // namespace sr

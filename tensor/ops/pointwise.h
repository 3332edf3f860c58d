// Element by element: sums, multiples, the leaky ReLU's derivative, joining channels.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// a + b, same shapes, result contiguous. Errors: shape.
Tensor add(const Tensor& a, const Tensor& b);

/// a * b, element by element, same shapes, result contiguous. Errors: shape.
Tensor multiply(const Tensor& a, const Tensor& b);

/// factor * x, contiguous.
Tensor scale(const Tensor& x, float factor);

/// Gradients of what lies before y = leaky ReLU(z + bias).
struct LeakyReluGrads {
  Tensor dz;     ///< dy where y > 0 and leak * dy elsewhere
  Tensor dbias;  ///< its sum over the pixels, as sum_per_channel()
};
/// Both in one pass over memory. Errors: shape.
LeakyReluGrads leaky_relu_grads(const Tensor& dy, const Tensor& y, float leak);

/// x plus the tensors side by side along the channels. Errors: shape (their channels do not make up x's, or
/// another n, h or w).
Tensor add_concat(const Tensor& x, const std::vector<Tensor>& parts);

/// Shape [n, h, w, c] with dy in channels begin .. begin + dy's, zeros elsewhere: the gradient of a channel
/// range. Errors: shape.
Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c);

}  // namespace sr

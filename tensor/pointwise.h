// Element by element: sums, multiples, the leaky ReLU's derivative, joining channels.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// a + b, same shapes, result contiguous. Errors: shape.
Tensor add(const Tensor& a, const Tensor& b);

/// factor * x, contiguous.
Tensor scale(const Tensor& x, float factor);

/// dy where y > 0, leak * dy elsewhere: the leaky ReLU's gradient from its result y. Errors: shape.
Tensor leaky_relu_grad(const Tensor& dy, const Tensor& y, float leak);

/// The tensors side by side along the channels. Errors: shape (different n, h or w; empty list).
Tensor concat_channels(const std::vector<Tensor>& parts);

/// Shape [n, h, w, c] with dy in channels begin .. begin + dy's, zeros elsewhere: the gradient of a channel
/// range. Errors: shape.
Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c);

}  // namespace sr

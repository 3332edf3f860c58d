// The operations of pointwise.h on a CUDA device. Sizes are checked by the callers; operands of one call have
// the same storage type.
#pragma once

#include <span>

#include "tensor/cuda/view.h"
#include "tensor/ops/pointwise.h"

namespace sr::cuda {

/// y = (a + b) * (mask > 0 ? 1 : leak); b and mask may be left out (null). y may be one of them.
void finish(const Queue&, DType, int64_t pixels, int64_t c, ConstView a, ConstView b, ConstView mask,
            float leak, View y);

/// y = a * b; y may be one of them.
void multiply(const Queue&, DType, int64_t pixels, int64_t c, ConstView a, ConstView b, View y);

/// y = factor * x; y may be x.
void scale(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, float factor, View y);

/// dz = dy where y > 0, leak * dy elsewhere; sums: of pieces of each channel of it (ChannelPieces in
/// tensor/ops/reduce_cuda.h), of the values before they are rounded to the storage type. dz may be dy.
void leaky_relu_grads(const Queue&, DType, int64_t pixels, int64_t c, ConstView dy, ConstView y, float leak,
                      View dz, double* sums);

/// What add_concat puts side by side along the channels.
struct ConcatPart {
  ConstView view;
  int64_t c = 0;
};

/// y = x + the parts side by side; the parts' channels make up those of x.
void add_concat(const Queue&, DType, int64_t pixels, ConstView x, std::span<const ConcatPart> parts, View y);

/// dx, of c channels, is dy in channels begin .. begin + dy_c - 1 and 0 elsewhere.
void channels_grad(const Queue&, DType, int64_t pixels, ConstView dy, int64_t dy_c, int64_t begin, int64_t c,
                   View dx);

// Those of pointwise.h, their arguments checked. Errors: usage (add, multiply: the two are stored
// differently), device, limit.
Tensor add(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor scale(const Tensor& x, float factor);
LeakyReluGrads leaky_relu_grads(const Tensor& dy, const Tensor& y, float leak);
Tensor add_concat(const Tensor& x, const std::vector<Tensor>& parts);
Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c);

}  // namespace sr::cuda

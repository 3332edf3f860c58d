// Convolution, its two gradients, and transposed convolution (which is the gradient for the input).
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// How the processor computes a convolution and its gradients; a GPU has its own ways (cuda::Precision).
enum class Conv2dMethod {
  direct,  ///< sums term by term: a value's bits depend on nothing but what it is made of
  /// Faster where the kernel is 3x3 and the stride 1, by Winograd's F(4x4, 3x3); elsewhere direct. The bits
  /// of a value then depend on its place modulo 4, and errors are a few times larger: for training, not for
  /// tiles that must be the same as the whole image.
  winograd,
  /// Factors rounded to bfloat16, sums in float32, where there are channels enough; elsewhere as winograd.
  bf16
};

/// How a convolution goes over its input.
struct Conv2dOptions {
  int stride = 1;     ///< pixels of the input from one output to the next
  int pad_begin = 0;  ///< zeros above and to the left
  int pad_end = 0;    ///< zeros below and to the right
  int groups = 1;     ///< channels in this many equal parts that do not mix
  float leak = 1;     ///< slope of the leaky ReLU for negative values, 0..1; 1 = no activation
  Conv2dMethod method = Conv2dMethod::direct;  ///< how it is computed
};

/// What follows the activation of a value v before it is stored, in this order, where a GPU computes it: own
/// = v; v += concat(added); v *= mask > 0 ? 1 : leak. What is left out does not happen.
struct Conv2dEnd {
  Tensor own{};                 ///< a second result, as large as the first
  std::vector<Tensor> added{};  ///< at most two, side by side along the channels
  Tensor mask{};                ///< the result of a leaky ReLU, whose slope there is the factor
  float leak = 1;               ///< the factor where the mask is not positive
  Tensor into{};  ///< where the result goes, a channel view perhaps; left out, it is a fresh tensor
};

/// Shape of conv2d's result: oh = (h + pad_begin + pad_end - kh) / stride + 1, ow likewise.
/// Errors: shape (channels, groups or kernel do not fit), usage (stride, pad or leak out of range).
Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options);

/// Convolves, adds the bias, applies the leaky ReLU, adds further tensors:
///   y[n,i,j,o] = act(bias[o] + sum_{u,v,c} x[n, i*stride+u-pad_begin, j*stride+v-pad_begin, c]
///   weight[o,u,v,c])
///                + concat(added)[n,i,j,o]
/// Samples outside x are zero. x [n,h,w,c], weight [o,kh,kw,c/groups], bias [1,1,1,o] or none, result
/// [n,oh,ow,o]; the channels of the added tensors (at most two) make up o together. Inputs may be channel
/// views. The terms of one output value are summed in an order that depends on the weights' shape and the
/// instruction set only (with Conv2dMethod::direct): not on the position, the size of x or the number of
/// threads. Errors: shape, usage.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options = {},
              const std::vector<Tensor>& added = {});

/// The same, written into y, which may be a channel view. y must not overlap x; it may be one of `added`.
void conv2d_into(Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Conv2dOptions& options = {}, const std::vector<Tensor>& added = {});

/// Two convolutions, the second of the first's result: conv2d(conv2d(x, weight, bias, options, added),
/// next_weight, next_bias, next_options). A GPU may have one kernel for both, in which a 1x1's sums have an
/// order of their own. x and `added` are let go of as soon as they are not needed. Errors: shape, usage.
Tensor conv2d_then_conv2d(Tensor x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                          std::vector<Tensor> added, const Tensor& next_weight, const Tensor& next_bias,
                          const Conv2dOptions& next_options);

/// Gradient of sum(dy * conv2d(x)) for x of shape `x`; dy is the gradient before the activation (leak is
/// ignored). Errors: shape.
Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Shape& x,
                         const Conv2dOptions& options);

/// Gradient of sum(dy * conv2d(x)) for the weight of shape `weight`; dy as above. On the processor by the
/// tree of tensor/image_tree.h. Errors: shape.
Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& weight,
                          const Conv2dOptions& options);

/// Transposed convolution to h x w pixels: conv2d_grad_input of x, plus a bias per output channel.
///   y[n,s*i+u-pad_begin, s*j+v-pad_begin, c] += x[n,i,j,o] weight[o,u,v,c]
/// x [n,ih,iw,o], weight [o,kh,kw,c] (one group), bias [1,1,1,c] or none, result [n,h,w,c]. pad_begin crops
/// the full result at its beginning. Errors: shape (conv2d of the result would not have x's size).
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t h, int64_t w,
                        const Conv2dOptions& options);

/// The taps of a transposed convolution along one axis, seen from the coarse grid: a fine pixel in coarse
/// pixel i takes coarse pixels i-before .. i+after.
struct TransposedTaps {
  int64_t before;                                       ///< coarse pixels above or left
  int64_t after;                                        ///< below or right
  int64_t count() const { return before + after + 1; }  ///< all of them
};
/// Those of a kernel of so many taps; pad_begin as in conv_transpose2d().
TransposedTaps transposed_taps(int64_t kernel, int64_t stride, int64_t pad_begin);

/// A transposed convolution's weight [o,kh,kw,c] as that of the convolution at stride 1 on the coarse grid
/// whose outputs are the fine pixels of a coarse one: [(fine row, fine column, c), taps, taps, o].
Tensor subpixel_weights(const Tensor& weight, int64_t stride, int64_t pad_begin);

}  // namespace sr

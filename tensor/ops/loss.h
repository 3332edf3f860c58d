// The losses that compare element by element or pixel by pixel, each beside its gradient.
//
// Where `batch` is not 0, x is a part of a batch of so many images, on the processor: its share of the mean
// over the batch, and that mean's gradient for it. The shares of parts that are nodes of the tree of
// tensor/image_tree.h add up to the batch's value by it. Errors: unsupported (the part is on a GPU).
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Mean of |x - target| over all elements, in double and in a fixed order: the bits are the same for any
/// number of threads. Both may be channel views. Errors: shape (they differ or are empty).
double l1_loss(const Tensor& x, const Tensor& target);
/// Its gradient for x: sign(x - target) / size, 0 where they are equal, NaN where the difference is.
Tensor l1_loss_grad(const Tensor& x, const Tensor& target, int64_t batch = 0);

/// Mean of (x - target)^2, else as l1_loss. Errors: shape.
double l2_loss(const Tensor& x, const Tensor& target);
/// Its gradient for x: 2 (x - target) / size.
Tensor l2_loss_grad(const Tensor& x, const Tensor& target, int64_t batch = 0);

/// Mean over the pixels of the angle between x and target as vectors of their channels, in radians from 0 to
/// pi: what a spectrum's shape differs by, whatever its brightness (Kruse et al., "The spectral image
/// processing system (SIPS)", Remote Sensing of Environment 44, 1993). A pixel where one of them is shorter
/// than kNoAngle, and so has no direction to speak of, counts as 0. Else as l1_loss. Errors: shape.
double spectral_angle(const Tensor& x, const Tensor& target);
/// Its gradient for x: (cos a u - v) / (|x| sin a) / pixels of the unit vectors u and v at angle a; 0 where
/// they have one direction or the opposite.
Tensor spectral_angle_grad(const Tensor& x, const Tensor& target, int64_t batch = 0);
constexpr double kNoAngle = 0.01;       ///< on the scale of 0..1; gradients are at most 100 / pixels long
constexpr double kSmallestSine = 1e-9;  ///< below, the difference of two directions is rounding

/// l1_loss() as a float32 [1, 1, 1, 1] where x lies; of a GPU nothing is waited for.
Tensor l1_loss_value(const Tensor& x, const Tensor& target, int64_t batch = 0);
/// l2_loss() likewise.
Tensor l2_loss_value(const Tensor& x, const Tensor& target, int64_t batch = 0);
/// spectral_angle() likewise.
Tensor spectral_angle_value(const Tensor& x, const Tensor& target, int64_t batch = 0);

}  // namespace sr

// The losses of loss.h and their gradients on a CUDA device. Sizes are checked by the callers; operands of
// one call have the same storage type. Sums are in double, without atomics, in an order that depends on
// shapes alone.
#pragma once

#include "tensor/cuda/view.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// Doubles that the losses need as workspace.
int64_t loss_workspace(int64_t pixels, int64_t c);

/// result[0] = mean of |x - target| over all elements.
void l1_loss(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target, double* result,
             double* workspace);
/// dx = sign(x - target) / size: 0 where they are equal, NaN where the difference is.
void l1_loss_grad(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target, View dx);

/// result[0] = mean of (x - target)^2.
void l2_loss(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target, double* result,
             double* workspace);
/// dx = 2 (x - target) / size.
void l2_loss_grad(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target, View dx);

/// result[0] = mean over the pixels of the angle between x and target.
void spectral_angle(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target,
                    double* result, double* workspace);
/// dx = its gradient, as spectral_angle_grad() of loss.h.
void spectral_angle_grad(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, ConstView target,
                         View dx);

// Those of loss.h, their arguments checked; *_value gives the loss on the device. Errors: device, limit.
double l1_loss(const Tensor& x, const Tensor& target);
Tensor l1_loss_value(const Tensor& x, const Tensor& target);
Tensor l1_loss_grad(const Tensor& x, const Tensor& target);
double l2_loss(const Tensor& x, const Tensor& target);
Tensor l2_loss_value(const Tensor& x, const Tensor& target);
Tensor l2_loss_grad(const Tensor& x, const Tensor& target);
double spectral_angle(const Tensor& x, const Tensor& target);
Tensor spectral_angle_value(const Tensor& x, const Tensor& target);
Tensor spectral_angle_grad(const Tensor& x, const Tensor& target);

}  // namespace sr::cuda

// Structural similarity and its gradient (ssim.h) on a CUDA device, for float32 images.
//
// In double, as on the CPU. A window's variance is E[a^2] - m^2: where a picture is bright and flat,
// float32's rounding of E[a^2], 6e-8 of it, meets c2 = 9e-4 of the squared peak, and a window's similarity
// would be wrong by 1e-4 with a sign that flat ground shares. sm_80 and sm_90 have half as many units for
// double as for float, and a batch's kernels are as short as their latency. Windows and gradient have the
// CPU's bits; the mean is added up in another fixed order.
#pragma once

#include "tensor/cuda/view.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// Doubles that ssim needs as workspace.
int64_t ssim_workspace(Shape shape);

/// result[0] = mean similarity of a and b of `shape`, at least 11 x 11 pixels.
void ssim(const Queue&, Shape shape, ConstView a, ConstView b, double peak, double* result,
          double* workspace);

/// Doubles that ssim_grad needs as workspace: three for each window and some.
int64_t ssim_grad_workspace(Shape shape);

/// dx, contiguous, is the mean similarity's gradient for a; result[0] the mean itself.
void ssim_grad(const Queue&, Shape shape, ConstView a, ConstView b, double peak, double* result, float* dx,
               double* workspace);

// Those of ssim.h, their arguments checked; ssim_value gives it on the device. Errors: device, limit.
double ssim(const Tensor& a, const Tensor& b, double peak);
Tensor ssim_value(const Tensor& a, const Tensor& b, double peak);
Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak);

}  // namespace sr::cuda

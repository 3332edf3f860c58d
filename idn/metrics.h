// How good a result is: PSNR and SSIM as the super-resolution literature computes them.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// 10 log10(peak^2 / mean squared difference) over all elements; infinity for equal images. Double precision.
/// Errors: shape.
double psnr(const Tensor& a, const Tensor& b, double peak);

/// Mean structural similarity (Wang et al., IEEE TIP 13(4), 2004): 11x11 Gaussian window, sigma 1.5, valid
/// part only, K1 = 0.01, K2 = 0.03, population variances. One channel, at least 11x11. Errors: shape.
double ssim(const Tensor& a, const Tensor& b, double peak);

}  // namespace sr

// How good a result is, as the super-resolution literature tells it: PSNR here, SSIM in tensor/ops/ssim.h.
#pragma once

#include "tensor/ops/ssim.h"

namespace sr {

/// 10 log10(peak^2 / mean squared difference) over all elements; infinity for equal images. Double precision.
/// Errors: shape.
double psnr(const Tensor& a, const Tensor& b, double peak);

}  // namespace sr

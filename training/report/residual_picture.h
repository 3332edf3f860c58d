// How far pictures are from the original, in colours.
#pragma once

#include "io/raster.h"
#include "tensor/tensor.h"

namespace sr {

/// 8-bit RGB of a difference (picture minus original) [1,h,w,c]: light grey where it is zero, through orange
/// to dark red at +scale, through light to dark blue at -scale and alike beyond; equal magnitudes are equally
/// dark. Of several channels that with the largest magnitude is shown. NaN is black. Errors: shape (n is not
/// 1, or empty); usage (scale is negative or not finite).
Raster false_colour(const Tensor& difference, double scale);

/// A scale for false_colour() under which few pixels are darkest: the magnitude that 99% of the numbers do
/// not exceed, rounded up to 1, 2 or 5 times a power of ten; 0 if they are all zero, NaN aside. Taken from
/// bicubic's difference it is the same for every step of a run, and what the network gains is seen.
double residual_scale(const Tensor& difference);

}  // namespace sr

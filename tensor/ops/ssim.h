// Structural similarity and its gradient.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Mean structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004) over images, channels
/// and windows. For an 11x11 Gaussian window g of deviation 1.5 that lies inside the image ("valid part"),
/// with the weighted means m_a, m_b and the population (co)variances under it,
///   S = (2 m_a m_b + c1) (2 cov_ab + c2) / ((m_a^2 + m_b^2 + c1) (var_a + var_b + c2)),
/// c1 = (0.01 peak)^2, c2 = (0.03 peak)^2. All in double, in a fixed order: the bits are the same for any
/// number of threads. Both may be channel views. Errors: shape (they differ, or are smaller than 11 x 11),
/// usage (peak is not positive).
double ssim(const Tensor& a, const Tensor& b, double peak);
/// The same as a float32 [1, 1, 1, 1] where a lies; of a GPU nothing is waited for. `batch` as in loss.h.
Tensor ssim_value(const Tensor& a, const Tensor& b, double peak, int64_t batch = 0);

/// Its gradient for a. Written with moments, var_a = E[a^2] - m_a^2 and cov_ab = E[ab] - m_a m_b, so that
/// with
///   A1 = 2 m_a m_b + c1, A2 = 2 cov_ab + c2, B1 = m_a^2 + m_b^2 + c1, B2 = var_a + var_b + c2, S = A1 A2 /
///   (B1 B2)
/// a window's similarity has the derivatives
///   for m_a:     P = (2 m_b (A2 - A1) - 2 m_a S (B2 - B1)) / (B1 B2)
///   for E[a^2]:  Q = -S / B2
///   for E[ab]:   R = 2 A1 / (B1 B2)
/// and the moments are linear in a, a^2 and ab: sample a_i of a window has weight g_i in each. So
///   dS/da = spread(P) + 2 a spread(Q) + b spread(R),
/// where spread adds every window's value to its 121 samples with their weights.
Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak, int64_t batch = 0);

}  // namespace sr

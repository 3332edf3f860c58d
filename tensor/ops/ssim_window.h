// The window of the structural similarity, which both devices weight alike.
#pragma once

#include <cmath>
#include <cstdint>

namespace sr {

constexpr int kSsimWindow = 11;  ///< pixels across and down

/// Weights of a window's rows and columns, and the two constants for a peak.
struct SsimWeights {
  double g[kSsimWindow];  ///< Gaussian of deviation 1.5, sum 1
  double c1, c2;          ///< (0.01 peak)^2, (0.03 peak)^2

  explicit SsimWeights(double peak) : g{}, c1(0.01 * peak * 0.01 * peak), c2(0.03 * peak * 0.03 * peak) {
    constexpr double kSigma = 1.5;
    double sum = 0;
    for (int i = 0; i < kSsimWindow; ++i) {
      const double d = static_cast<double>(i - kSsimWindow / 2) / kSigma;
      sum += g[i] = std::exp(-0.5 * d * d);
    }
    for (double& value : g) value /= sum;
  }
};

}  // namespace sr

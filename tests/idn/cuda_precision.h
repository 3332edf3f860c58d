// How far a network's numbers on a GPU may lie from exact ones: docs/numerics.md, "Precisions of a GPU",
// derives it.
#pragma once

#include <cmath>
#include <vector>

#include "idn/network.h"
#include "tensor/cuda/device.h"

namespace sr {

/// Largest relative error of an operand's rounding; for fp32 what a sum of 576 rounded terms typically comes
/// to.
inline double unit_of(cuda::Precision precision) {
  switch (precision) {
    case cuda::Precision::tf32:
    case cuda::Precision::fp16:
      return std::exp2(-11);
    case cuda::Precision::bf16:
      return std::exp2(-8);
    default:
      return 24 * std::exp2(-24);
  }
}

/// Layers on the longest way through the network.
inline double layers_of(const NetworkOptions& o) {
  if (o.span) return 1 + 3 * o.span->blocks + 3;
  return o.num_FB_layers + 7 * o.num_Dist_blocks + 1;
}

/// By how much errors grow beyond that: each of SPAN's gates is a product of two sums that have them.
inline double growth_of(const NetworkOptions& o) {
  return o.span ? std::exp2(o.span->blocks) : 1;
}

/// Of the result: root mean square of the difference, relative to that of the result.
inline double result_bound(cuda::Precision precision, const NetworkOptions& o) {
  return growth_of(o) * std::sqrt(2 * layers_of(o) / 3) * unit_of(precision);
}

/// Of a parameter's gradient, likewise.
inline double gradient_bound(cuda::Precision precision, const NetworkOptions& o) {
  return growth_of(o) * std::sqrt(0.3 * layers_of(o) * std::sqrt(2 * layers_of(o) / 3) * unit_of(precision));
}

/// Root mean square of a - b relative to that of b.
inline double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    off += std::pow(double{a[i]} - double{b[i]}, 2);
    size += std::pow(double{b[i]}, 2);
  }
  return a.size() == b.size() ? std::sqrt(off / size) : INFINITY;
}

}  // namespace sr

#include "tensor/ops/bicubic_phases.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sr {
namespace {

// Keys' cubic with a = -1/2 (Catmull-Rom).
double cubic(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

}  // namespace

Phases::Phases(int64_t in, int64_t out) {
  const int64_t divisor = std::gcd(in, out);
  count = out / divisor;
  step = in / divisor;
  const int64_t longer = std::max(count, step);
  taps = (4 * longer + count - 1) / count;
  std::vector<double> row(static_cast<size_t>(taps));
  for (int64_t p = 0; p < count; ++p) {
    // The centre of output p is input position centre / (2 count); integers keep it exact.
    const int64_t centre = (2 * p + 1) * step - count;
    const int64_t start = floor_divide(centre - 4 * longer, 2 * count) + 1;
    for (int64_t t = 0; t < taps; ++t)
      row[static_cast<size_t>(t)] =
          cubic(static_cast<double>((start + t) * 2 * count - centre) / static_cast<double>(2 * longer));
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    first.push_back(start);
    for (const double w : row) weight.push_back(static_cast<float>(w / sum));
  }
}

}  // namespace sr

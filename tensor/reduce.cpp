#include "tensor/reduce.h"

#include <vector>

namespace sr {
namespace {

std::vector<double> channel_sums(const Tensor& x) {
  const Shape& s = x.shape();
  std::vector<double> sums(static_cast<size_t>(s.c), 0.0);
  for (int64_t p = 0; p < s.pixels(); ++p)
    for (int64_t k = 0; k < s.c; ++k) sums[static_cast<size_t>(k)] += double{x.data()[p * x.pitch() + k]};
  return sums;
}

}  // namespace

Tensor sum_per_channel(const Tensor& x) {
  const std::vector<double> sums = channel_sums(x);
  Tensor y(Shape{1, 1, 1, x.shape().c});
  for (size_t k = 0; k < sums.size(); ++k) y.data()[k] = static_cast<float>(sums[k]);
  return y;
}

double sum(const Tensor& x) {
  double total = 0;
  for (const double s : channel_sums(x)) total += s;
  return total;
}

}  // namespace sr

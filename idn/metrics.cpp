#include "idn/metrics.h"

#include <cmath>

#include "tensor/ops/loss.h"

namespace sr {

double psnr(const Tensor& a, const Tensor& b, double peak) {
  return 10 * std::log10(peak * peak / l2_loss(a, b));
}

}  // namespace sr

#include "tensor/ops/loss.h"

#include <cmath>

#include "tensor/on_cuda.h"
#include "tensor/ops/loss_cuda.h"
#include "tensor/ops/pairs.h"

namespace sr {
namespace {

// The number of elements that the mean is taken over.
double checked_size(const char* what, const Tensor& x, const Tensor& target) {
  check_same_shape(what, x, target);
  if (x.shape().size() == 0) throw Error(Error::Kind::shape, what, " of shape ", x.shape(), ": it is empty");
  return static_cast<double>(x.shape().size());
}

Tensor single(double value) {
  const auto rounded = static_cast<float>(value);
  return Tensor::from({1, 1, 1, 1}, {&rounded, 1});
}

}  // namespace

double l1_loss(const Tensor& x, const Tensor& target) {
  const double size = checked_size("l1_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l1_loss(x, target);
  }
  return sum_pairs(x, target, [](float a, float b) { return std::abs(double{a} - double{b}); }) / size;
}

Tensor l1_loss_grad(const Tensor& x, const Tensor& target) {
  const auto each = static_cast<float>(1 / checked_size("l1_loss_grad", x, target));
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l1_loss_grad(x, target);
  }
  return map_pairs(x, target, [each](float a, float b) {
    const float d = a - b;
    return d > 0 ? each : d < 0 ? -each : d;  // 0 or NaN
  });
}

double l2_loss(const Tensor& x, const Tensor& target) {
  const double size = checked_size("l2_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l2_loss(x, target);
  }
  return sum_pairs(x, target,
                   [](float a, float b) {
                     const double d = double{a} - double{b};
                     return d * d;
                   }) /
         size;
}

Tensor l2_loss_grad(const Tensor& x, const Tensor& target) {
  const auto each = static_cast<float>(2 / checked_size("l2_loss_grad", x, target));
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l2_loss_grad(x, target);
  }
  return map_pairs(x, target, [each](float a, float b) { return each * (a - b); });
}

Tensor l1_loss_value(const Tensor& x, const Tensor& target) {
  checked_size("l1_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l1_loss_value(x, target);
  }
  return single(l1_loss(x, target));
}

Tensor l2_loss_value(const Tensor& x, const Tensor& target) {
  checked_size("l2_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l2_loss_value(x, target);
  }
  return single(l2_loss(x, target));
}

}  // namespace sr

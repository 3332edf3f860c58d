#include "tensor/ops/loss.h"

#include <cmath>

#include "tensor/on_cuda.h"
#include "tensor/ops/batch_share.h"
#include "tensor/ops/channel_sums.h"
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

// How two spectra lie to each other.
struct Angle {
  double per_length_x = 0, per_length_t = 0, sine = 0, cosine = 1, value = 0;
};

// Kahan's formula: exact for directions that almost agree, where the arc cosine has lost half its digits.
Angle angle_of(const float* x, const float* target, int64_t c) {
  double xx = 0, tt = 0, minus = 0, plus = 0;
  for (int64_t k = 0; k < c; ++k)
    xx += double{x[k]} * double{x[k]}, tt += double{target[k]} * double{target[k]};
  Angle a;
  if (xx < kNoAngle * kNoAngle || tt < kNoAngle * kNoAngle) return a;
  a.per_length_x = 1 / std::sqrt(xx), a.per_length_t = 1 / std::sqrt(tt);
  for (int64_t k = 0; k < c; ++k) {
    const double u = double{x[k]} * a.per_length_x, v = double{target[k]} * a.per_length_t;
    minus += (u - v) * (u - v), plus += (u + v) * (u + v);
  }
  a.sine = std::sqrt(minus * plus) / 2;
  a.cosine = (plus - minus) / 4;
  a.value = 2 * std::atan(std::sqrt(minus / plus));
  return a;
}

}  // namespace

double l1_loss(const Tensor& x, const Tensor& target) {
  const double size = checked_size("l1_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::l1_loss(x, target);
  }
  return sum_pairs(x, target, [](float a, float b) { return std::abs(double{a} - double{b}); }) / size;
}

Tensor l1_loss_grad(const Tensor& x, const Tensor& target, int64_t batch) {
  const double size = count_in_batch(checked_size("l1_loss_grad", x, target), x, batch);
  const auto each = static_cast<float>(1 / size);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda)
      return check_whole("l1_loss_grad", x, batch), cuda::l1_loss_grad(x, target);
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

Tensor l2_loss_grad(const Tensor& x, const Tensor& target, int64_t batch) {
  const double size = count_in_batch(checked_size("l2_loss_grad", x, target), x, batch);
  const auto each = static_cast<float>(2 / size);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda)
      return check_whole("l2_loss_grad", x, batch), cuda::l2_loss_grad(x, target);
  }
  return map_pairs(x, target, [each](float a, float b) { return each * (a - b); });
}

double spectral_angle(const Tensor& x, const Tensor& target) {
  checked_size("spectral_angle", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::spectral_angle(x, target);
  }
  const int64_t pixels = x.shape().pixels();
  ChannelSums sums(x.shape(), 1);
#pragma omp parallel for schedule(static) if (x.shape().size() >= kWorthThreads)
  for (int64_t block = 0; block < sums.blocks(); ++block)
    for (int64_t p = sums.begin(block); p < sums.end(block); ++p)
      *sums.of(block) +=
          angle_of(x.data() + p * x.pitch(), target.data() + p * target.pitch(), x.shape().c).value;
  return sums.total()[0] / static_cast<double>(pixels);
}

Tensor spectral_angle_grad(const Tensor& x, const Tensor& target, int64_t batch) {
  checked_size("spectral_angle_grad", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda)
      return check_whole("spectral_angle_grad", x, batch), cuda::spectral_angle_grad(x, target);
  }
  const int64_t pixels = x.shape().pixels(), c = x.shape().c;
  const double per_pixel = 1 / count_in_batch(static_cast<double>(pixels), x, batch);
  Tensor dx = Tensor::zeros(x.shape());
#pragma omp parallel for schedule(static) if (x.shape().size() >= kWorthThreads)
  for (int64_t p = 0; p < pixels; ++p) {
    const float *px = x.data() + p * x.pitch(), *pt = target.data() + p * target.pitch();
    const Angle a = angle_of(px, pt, c);
    if (a.sine < kSmallestSine) continue;
    const double each = per_pixel * a.per_length_x / a.sine;
    for (int64_t k = 0; k < c; ++k)
      dx.data()[p * c + k] = static_cast<float>(
          each * (a.cosine * (double{px[k]} * a.per_length_x) - double{pt[k]} * a.per_length_t));
  }
  return dx;
}

Tensor l1_loss_value(const Tensor& x, const Tensor& target, int64_t batch) {
  checked_size("l1_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return check_whole("l1_loss", x, batch), cuda::l1_loss_value(x, target);
  }
  return share_of_mean(x, target, batch, [](const Tensor& a, const Tensor& b) { return l1_loss(a, b); });
}

Tensor l2_loss_value(const Tensor& x, const Tensor& target, int64_t batch) {
  checked_size("l2_loss", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return check_whole("l2_loss", x, batch), cuda::l2_loss_value(x, target);
  }
  return share_of_mean(x, target, batch, [](const Tensor& a, const Tensor& b) { return l2_loss(a, b); });
}

Tensor spectral_angle_value(const Tensor& x, const Tensor& target, int64_t batch) {
  checked_size("spectral_angle", x, target);
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda)
      return check_whole("spectral_angle", x, batch), cuda::spectral_angle_value(x, target);
  }
  return share_of_mean(x, target, batch,
                       [](const Tensor& a, const Tensor& b) { return spectral_angle(a, b); });
}

}  // namespace sr

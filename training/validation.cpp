#include "training/validation.h"

#include <algorithm>
#include <numbers>

#include "autograd/functions.h"
#include "idn/metrics.h"
#include "idn/super_resolve.h"
#include "tensor/error.h"
#include "tensor/ops/loss.h"
#include "tensor/ops/ssim.h"

namespace sr {
namespace {

Tensor inner_channel(const Tensor& x, int64_t channel, int64_t border) {
  const Shape& s = x.shape();
  Tensor y({1, s.h - 2 * border, s.w - 2 * border, 1});
  for (int64_t r = 0; r < y.shape().h; ++r)
    for (int64_t c = 0; c < y.shape().w; ++c)
      y.data()[r * y.shape().w + c] = x.data()[((r + border) * s.w + c + border) * s.c + channel];
  return y;
}

void clamp_to_unit(Tensor& x) {
  for (int64_t i = 0; i < x.shape().size(); ++i) x.data()[i] = std::clamp(x.data()[i], 0.0f, 1.0f);
}

double loss_value(const TrainerOptions& o, const Tensor& result, const Tensor& gt) {
  const double angle = o.spectral_angle == 0 ? 0 : o.spectral_angle * spectral_angle(result, gt);
  if (o.loss == Loss::l2) return angle + l2_loss(result, gt);
  if (o.loss == Loss::ssim) return angle - ssim(result, gt, 1);
  return angle + l1_loss(result, gt);
}

double degrees_between(const Tensor& image, const Tensor& truth) {
  return truth.shape().c == 1 ? 0 : spectral_angle(image, truth) * 180 / std::numbers::pi;
}

void add_share(Quality& sum, const Quality& q, double share) {
  sum.psnr += share * q.psnr;
  sum.ssim += share * q.ssim;
}

}  // namespace

Quality unit_quality(const Tensor& image, const Tensor& truth, int border) {
  const Shape& s = truth.shape();
  if (!(image.shape() == s) || s.n != 1 || s.h <= 2 * border || s.w <= 2 * border)
    throw Error(Error::Kind::shape, "quality of ", image.shape(), " against ", s, " without ", border,
                " border pixels: images of equal size, larger than the borders, are wanted");
  Quality mean;
  for (int64_t k = 0; k < s.c; ++k) {
    const Tensor a = inner_channel(image, k, border), b = inner_channel(truth, k, border);
    add_share(mean, {psnr(a, b, 1), ssim(a, b, 1)}, 1 / static_cast<double>(s.c));
  }
  return mean;
}

Validation::Validation(const Dataset& data, int64_t tiles, const TrainerOptions& options)
    : data_(data), options_(options) {
  const int factor = data.info().factor;
  for (int64_t i = 0; i < data.size(Dataset::Part::validation) && size() < tiles; ++i) {
    const Window coarse = data.coarse_window(Dataset::Part::validation, i);
    if (factor * std::min(coarse.w, coarse.h) >= least_side(factor)) tiles_.push_back(i);
  }
}

ValidationResult Validation::operator()(const Model& model,
                                        const std::function<void(const ValidatedTile&)>& seen) {
  ValidationResult mean;
  const double share = 1 / static_cast<double>(size());
  for (size_t i = 0; i < tiles_.size(); ++i) {
    TrainingTile tile = data_.tile(Dataset::Part::validation, tiles_[i]);
    Tensor result = super_resolve(model, tile.down, tile.bic_up);
    mean.loss += share * loss_value(options_, result, tile.gt);
    if (data_.info().type == SampleType::u8) {
      clamp_to_unit(result);
      clamp_to_unit(tile.bic_up);
    }
    if (bicubic_.size() == i) bicubic_.push_back(unit_quality(tile.bic_up, tile.gt, model.factor()));
    add_share(mean.bicubic, bicubic_[i], share);
    add_share(mean.idn, unit_quality(result, tile.gt, model.factor()), share);
    mean.bicubic_angle += share * degrees_between(tile.bic_up, tile.gt);
    mean.angle += share * degrees_between(result, tile.gt);
    seen({tiles_[i], tile.gt, tile.bic_up, result});
  }
  return mean;
}

}  // namespace sr

#include "idn/score.h"

#include <algorithm>
#include <cmath>

#include "idn/ensemble.h"
#include "idn/luma.h"
#include "idn/metrics.h"
#include "idn/super_resolve.h"
#include "io/formats/image_source.h"
#include "tensor/error.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

constexpr int64_t kSsimWindow = 11;
constexpr double kPeak = 255;
constexpr int64_t kMaxPixels = int64_t{1} << 28;

double luma(const uint8_t* pixel, int bands) {
  if (bands <= 2) return pixel[0];
  return std::round(luma_of_pixel(LumaConvention::studio, pixel[0], pixel[1], pixel[2]));
}

Tensor cropped(const Tensor& x, const Window& window) {
  Tensor y({1, window.h, window.w, 1});
  for (int64_t r = 0; r < window.h; ++r)
    std::copy_n(x.data() + (window.y + r) * x.shape().w + window.x, window.w, y.data() + r * window.w);
  return y;
}

}  // namespace

Tensor read_ground_truth(const std::string& path, int factor, std::string* note) {
  ImageSource image(path);
  const TiffInfo& info = image.info();
  if (info.width > kMaxPixels / info.height)
    throw Error(Error::Kind::limit, "reading ", path, ": ", info.width, " x ", info.height,
                " pixels are too many for a ground truth; cut it, at most 2^28 fit");
  const Raster picture = image.read({0, 0, info.width, info.height});
  if (note) *note = image.decoding_note();
  return ground_truth(picture, factor, path);
}

Tensor ground_truth(const Raster& picture, int factor, const std::string& name) {
  const int bands = picture.bands;
  if (picture.type != SampleType::u8 || bands < 1 || bands > 4)
    throw Error(Error::Kind::unsupported, name, ": ", bands, " bands of ", name_of(picture.type),
                "; the protocol is defined for 8-bit grey and RGB");
  const int64_t h = picture.window.h / factor * factor, w = picture.window.w / factor * factor;
  const int64_t least = kSsimWindow + 2 * factor;
  if (h < least || w < least)
    throw Error(Error::Kind::shape, name, ": ", picture.window.w, " x ", picture.window.h,
                " pixels are too few to be scored at factor ", factor, "; each side needs ",
                (least + factor - 1) / factor * factor);
  Tensor truth({1, h, w, 1});
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      truth.data()[y * w + x] =
          static_cast<float>(luma(picture.data<uint8_t>() + (y * picture.window.w + x) * bands, bands));
  return truth;
}

Tensor protocol_input(const Tensor& truth, int factor) {
  Tensor unit(truth.shape());
  for (int64_t p = 0; p < truth.shape().size(); ++p)
    unit.data()[p] = truth.data()[p] / static_cast<float>(kPeak);
  return bicubic_resize(unit, truth.shape().h / factor, truth.shape().w / factor);
}

Quality quality(const Tensor& image, const Tensor& truth, int border) {
  const Shape& s = truth.shape();
  if (!(image.shape() == s) || s.n != 1 || s.c != 1 || s.h <= 2 * border || s.w <= 2 * border)
    throw Error(Error::Kind::shape, "quality of ", image.shape(), " against ", s, " without ", border,
                " border pixels: one channel of equal size, larger than the borders, is wanted");
  const Window inside{border, border, s.w - 2 * border, s.h - 2 * border};
  Tensor rounded = cropped(image, inside);
  for (int64_t p = 0; p < rounded.shape().size(); ++p)
    rounded.data()[p] =
        static_cast<float>(std::round(std::clamp(kPeak * double{rounded.data()[p]}, 0.0, kPeak)));
  const Tensor expected = cropped(truth, inside);
  return {psnr(rounded, expected, kPeak), ssim(rounded, expected, kPeak)};
}

Tensor super_resolve_luma(const Model& model, const Tensor& luma, bool self_ensemble) {
  if (model.nchan() != 1)
    throw Error(Error::Kind::usage, "the weights are for ", model.nchan(),
                " channels together; the protocol scores luma, which needs a network of one channel");
  const auto residual = [&](const Tensor& image, int) { return network_residual(model, image); };
  const Tensor added =
      self_ensemble ? ensemble_residual(luma, false, residual).mean : network_residual(model, luma);
  Tensor result = bicubic_enlarge(luma, model.factor());
  for (int64_t p = 0; p < result.shape().size(); ++p) result.data()[p] += added.data()[p];
  return result;
}

Score score(const Model& model, const Tensor& truth, bool self_ensemble) {
  const int f = model.factor();
  const Tensor small = protocol_input(truth, f);
  return {quality(bicubic_enlarge(small, f), truth, f),
          quality(super_resolve_luma(model, small, self_ensemble), truth, f)};
}

}  // namespace sr

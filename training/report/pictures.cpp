#include "training/report/pictures.h"

#include <algorithm>
#include <cmath>

#include "training/report/residual_picture.h"

namespace sr {
namespace {

Tensor difference(const Tensor& a, const Tensor& b) {
  Tensor d(a.shape());
  for (int64_t i = 0; i < d.shape().size(); ++i) d.data()[i] = a.data()[i] - b.data()[i];
  return d;
}

// [1, h, w, c] on the 0..1 scale for people: grey, or the first three channels as red, green and blue.
Raster picture_of(const Tensor& x) {
  const Shape& s = x.shape();
  const int bands = s.c >= 3 ? 3 : 1;
  Raster picture({0, 0, s.w, s.h}, bands, SampleType::u8);
  for (int64_t p = 0; p < s.pixels(); ++p)
    for (int64_t k = 0; k < bands; ++k)
      picture.data<uint8_t>()[p * bands + k] =
          static_cast<uint8_t>(std::lround(255 * std::clamp(x.data()[p * s.c + k], 0.0f, 1.0f)));
  return picture;
}

}  // namespace

ReportPictures pictures_of(const std::string& name, const Tensor& gt, const Tensor& bicubic,
                           const Tensor& result) {
  const Tensor bicubic_error = difference(bicubic, gt);
  const double scale = residual_scale(bicubic_error);
  return {.name = name,
          .gt = picture_of(gt),
          .bicubic = picture_of(bicubic),
          .result = picture_of(result),
          .bicubic_residual = false_colour(bicubic_error, scale),
          .result_residual = false_colour(difference(result, gt), scale),
          .residual_scale = scale};
}

}  // namespace sr

#include "training/report/residual_picture.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sr {
namespace {

struct Colour {
  double r, g, b;
};

// At 0, 1/2 and 1 of the scale. Red and blue of a place have the same luma (BT.601), so that neither sign
// looks worse than the other, also to the colour-blind and on a grey print.
constexpr Colour kNeutral{245, 245, 245};
constexpr Colour kAbove[] = {kNeutral, {235, 130, 90}, {170, 20, 30}};
constexpr Colour kBelow[] = {kNeutral, {96, 172, 240}, {10, 80, 150}};

uint8_t rounded(double value) {
  return static_cast<uint8_t>(std::lround(value));
}

void paint(uint8_t* pixel, double value, double scale) {
  if (std::isnan(value)) {
    std::fill_n(pixel, 3, uint8_t{0});
    return;
  }
  const double magnitude = std::abs(value);
  const double place = magnitude >= scale ? (magnitude > 0 ? 2.0 : 0.0) : 2 * magnitude / scale;
  const Colour* stops = value < 0 ? kBelow : kAbove;
  const size_t below = place < 1 ? 0 : 1;
  const Colour &from = stops[below], &to = stops[below + 1];
  const double part = place - static_cast<double>(below);
  pixel[0] = rounded(from.r + part * (to.r - from.r));
  pixel[1] = rounded(from.g + part * (to.g - from.g));
  pixel[2] = rounded(from.b + part * (to.b - from.b));
}

void check(const Tensor& difference) {
  if (difference.shape().n != 1 || difference.shape().size() == 0)
    throw Error(Error::Kind::shape, "false colour: the difference is ", difference.shape(),
                "; one image [1, h, w, c] is wanted");
}

}  // namespace

Raster false_colour(const Tensor& difference, double scale) {
  check(difference);
  if (!(scale >= 0) || !std::isfinite(scale))
    throw Error(Error::Kind::usage, "false colour: the scale is ", scale, "; a finite number from 0 on fits");
  const Shape shape = difference.shape();
  Raster picture({0, 0, shape.w, shape.h}, 3, SampleType::u8);
  for (int64_t p = 0; p < shape.pixels(); ++p) {
    const float* channels = difference.data() + p * difference.pitch();
    float largest = channels[0];
    for (int64_t c = 1; c < shape.c; ++c)
      if (std::isnan(channels[c]) || std::abs(channels[c]) > std::abs(largest)) largest = channels[c];
    paint(picture.data<uint8_t>() + 3 * p, static_cast<double>(largest), scale);
  }
  return picture;
}

double residual_scale(const Tensor& difference) {
  check(difference);
  std::vector<float> magnitudes = difference.to_vector();
  for (float& value : magnitudes) value = std::abs(value);
  std::erase_if(magnitudes, [](float value) { return !std::isfinite(value); });
  if (magnitudes.empty()) return 0;
  const auto at = magnitudes.begin() + static_cast<std::ptrdiff_t>((magnitudes.size() * 99 + 99) / 100 - 1);
  std::nth_element(magnitudes.begin(), at, magnitudes.end());
  const double wanted = static_cast<double>(*at);
  if (wanted == 0) return 0;
  const double decade = std::pow(10.0, std::floor(std::log10(wanted)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * decade >= wanted * (1 - 1e-6)) return factor * decade;
  return 10 * decade;
}

}  // namespace sr

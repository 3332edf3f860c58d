#include "idn/metrics.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kWindow = 11;
constexpr double kSigma = 1.5, kK1 = 0.01, kK2 = 0.03;

void check_same_shape(const char* what, const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape()) || a.shape().size() == 0)
    throw Error(Error::Kind::shape, what, " of shapes ", a.shape(), " and ", b.shape(),
                ": they must be equal and not empty");
}

std::array<double, kWindow> gaussian() {
  std::array<double, kWindow> g{};
  double sum = 0;
  for (int64_t i = 0; i < kWindow; ++i) {
    const double d = static_cast<double>(i - kWindow / 2) / kSigma;
    sum += g[static_cast<size_t>(i)] = std::exp(-0.5 * d * d);
  }
  for (double& value : g) value /= sum;
  return g;
}

// Weighted means under the window: of a, b, a^2, b^2 and a b.
using Moments = std::array<double, 5>;

double similarity(const Moments& m, double c1, double c2) {
  const double var_a = m[2] - m[0] * m[0], var_b = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
  return (2 * m[0] * m[1] + c1) * (2 * cov + c2) / ((m[0] * m[0] + m[1] * m[1] + c1) * (var_a + var_b + c2));
}

// Sum of the similarities of the row of windows whose first line begins at a and b.
double row_of_ssim(const float* a, const float* b, int64_t w, int64_t pitch_a, int64_t pitch_b, double c1,
                   double c2, const std::array<double, kWindow>& g) {
  std::vector<Moments> columns(static_cast<size_t>(w), Moments{});
  for (int64_t i = 0; i < kWindow; ++i)
    for (int64_t x = 0; x < w; ++x) {
      const double p = a[(i * w + x) * pitch_a], q = b[(i * w + x) * pitch_b],
                   weight = g[static_cast<size_t>(i)];
      Moments& m = columns[static_cast<size_t>(x)];
      m[0] += weight * p;
      m[1] += weight * q;
      m[2] += weight * p * p;
      m[3] += weight * q * q;
      m[4] += weight * p * q;
    }
  double sum = 0;
  for (int64_t x = 0; x + kWindow <= w; ++x) {
    Moments m{};
    for (int64_t i = 0; i < kWindow; ++i)
      for (size_t k = 0; k < m.size(); ++k)
        m[k] += g[static_cast<size_t>(i)] * columns[static_cast<size_t>(x + i)][k];
    sum += similarity(m, c1, c2);
  }
  return sum;
}

}  // namespace

double psnr(const Tensor& a, const Tensor& b, double peak) {
  check_same_shape("psnr", a, b);
  const Shape& s = a.shape();
  double sum = 0;
  for (int64_t p = 0; p < s.pixels(); ++p)
    for (int64_t c = 0; c < s.c; ++c) {
      const double d = double{a.data()[p * a.pitch() + c]} - double{b.data()[p * b.pitch() + c]};
      sum += d * d;
    }
  if (sum == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(peak * peak * static_cast<double>(s.size()) / sum);
}

double ssim(const Tensor& a, const Tensor& b, double peak) {
  check_same_shape("ssim", a, b);
  const Shape& s = a.shape();
  if (s.c != 1 || s.h < kWindow || s.w < kWindow)
    throw Error(Error::Kind::shape, "ssim of shape ", s,
                ": one channel and at least 11 x 11 pixels are wanted");
  const double c1 = kK1 * peak * kK1 * peak, c2 = kK2 * peak * kK2 * peak;
  const std::array<double, kWindow> g = gaussian();
  const float *first_a = a.data(), *first_b = b.data();
  const int64_t rows = s.h - kWindow + 1;
  std::vector<double> sums(static_cast<size_t>(s.n * rows));  // added up in order: same bits for any threads
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < s.n * rows; ++r) {
    const int64_t pixel = (r / rows * s.h + r % rows) * s.w;
    sums[static_cast<size_t>(r)] = row_of_ssim(first_a + pixel * a.pitch(), first_b + pixel * b.pitch(), s.w,
                                               a.pitch(), b.pitch(), c1, c2, g);
  }
  double sum = 0;
  for (const double value : sums) sum += value;
  return sum / static_cast<double>(s.n * rows * (s.w - kWindow + 1));
}

}  // namespace sr

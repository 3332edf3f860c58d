#include "tensor/ops/ssim.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tensor/on_cuda.h"
#include "tensor/ops/batch_share.h"
#include "tensor/ops/pairs.h"
#include "tensor/ops/ssim_cuda.h"
#include "tensor/ops/ssim_window.h"

namespace sr {
namespace {

constexpr int64_t kWindow = kSsimWindow;

// What the functions below share. A row of windows is the one whose first line is a given line of an image;
// its windows and channels are consecutive, as the samples of a line are.
struct Windows {
  Shape shape;
  int64_t rows, line, row;  // rows of windows in an image; samples in a line; windows times channels in a row
  SsimWeights weights;

  Windows(const Tensor& a, const Tensor& b, double peak)
      : shape(a.shape()),
        rows(shape.h - kWindow + 1),
        line(shape.w * shape.c),
        row((shape.w - kWindow + 1) * shape.c),
        weights(peak) {
    check_same_shape("ssim", a, b);
    if (shape.n < 1 || shape.c < 1 || shape.h < kWindow || shape.w < kWindow)
      throw Error(Error::Kind::shape, "ssim of shape ", shape, ": at least 11 x 11 pixels are wanted");
    if (!(peak > 0)) throw Error(Error::Kind::usage, "ssim: peak ", peak, "; want a positive number");
  }

  double count() const { return static_cast<double>(shape.n * rows * row); }
};

// The weighted means of a, b, a^2, b^2 and ab, and the sums down the columns that they are made from; each
// `line` or `row` doubles.
constexpr size_t kMoments = 5;
struct Moments {
  std::array<std::vector<double>, kMoments> columns, means;
  std::vector<double> a, b;

  explicit Moments(const Windows& windows)
      : a(static_cast<size_t>(windows.line)), b(static_cast<size_t>(windows.line)) {
    columns.fill(a);
    means.fill(std::vector<double>(static_cast<size_t>(windows.row)));
  }
};

// Line `line`, counted through all images, as doubles without gaps.
void load_line(const Tensor& t, int64_t line, double* to) {
  const int64_t w = t.shape().w, c = t.shape().c;
  const float* from = t.data() + line * w * t.pitch();
  for (int64_t x = 0; x < w; ++x)
    for (int64_t k = 0; k < c; ++k) to[x * c + k] = double{from[x * t.pitch() + k]};
}

// The moments of the row of windows that begins at line `first`.
void compute_moments(const Windows& win, const Tensor& a, const Tensor& b, int64_t first, Moments& m) {
  for (std::vector<double>& sums : m.columns) std::fill(sums.begin(), sums.end(), 0.0);
  double *pa = m.a.data(), *pb = m.b.data(), *sum_a = m.columns[0].data(), *sum_b = m.columns[1].data(),
         *sum_aa = m.columns[2].data(), *sum_bb = m.columns[3].data(), *sum_ab = m.columns[4].data();
  for (int64_t i = 0; i < kWindow; ++i) {
    load_line(a, first + i, pa);
    load_line(b, first + i, pb);
    const double g = win.weights.g[i];
    for (int64_t x = 0; x < win.line; ++x) {
      const double ga = g * pa[x], gb = g * pb[x];
      sum_a[x] += ga;
      sum_b[x] += gb;
      sum_aa[x] += ga * pa[x];
      sum_bb[x] += gb * pb[x];
      sum_ab[x] += ga * pb[x];
    }
  }
  for (size_t k = 0; k < kMoments; ++k) {
    std::fill(m.means[k].begin(), m.means[k].end(), 0.0);
    double* mean = m.means[k].data();
    for (int64_t i = 0; i < kWindow; ++i) {
      const double* from = m.columns[k].data() + i * win.shape.c;
      for (int64_t x = 0; x < win.row; ++x) mean[x] += win.weights.g[i] * from[x];
    }
  }
}

// The factors of one window's similarity; names as in the header.
struct Similarity {
  double ma, mb, a1, a2, b1, b2;

  Similarity(const Windows& win, const Moments& m, size_t x)
      : ma(m.means[0][x]),
        mb(m.means[1][x]),
        a1(2 * ma * mb + win.weights.c1),
        a2(2 * (m.means[4][x] - ma * mb) + win.weights.c2),
        b1(ma * ma + mb * mb + win.weights.c1),
        b2((m.means[2][x] - ma * ma) + (m.means[3][x] - mb * mb) + win.weights.c2) {}

  double value() const { return a1 * a2 / (b1 * b2); }
};

// P, Q and R of a row of windows, spread along the line: three times `line` doubles.
void spread_along_line(const Windows& win, const Moments& m, double* to) {
  std::fill_n(to, 3 * win.line, 0.0);
  for (int64_t x = 0; x < win.row; ++x) {
    const Similarity s(win, m, static_cast<size_t>(x));
    const double both = s.b1 * s.b2, value = s.value();
    const double p = (2 * s.mb * (s.a2 - s.a1) - 2 * s.ma * value * (s.b2 - s.b1)) / both;
    const double q = -value / s.b2, r = 2 * s.a1 / both;
    for (int64_t i = 0; i < kWindow; ++i) {
      const double g = win.weights.g[i];
      double* at = to + x + i * win.shape.c;
      at[0] += g * p;
      at[win.line] += g * q;
      at[2 * win.line] += g * r;
    }
  }
}

// The gradient of line y of image n from what the rows of windows that hold it have spread, in a mean over
// `count` windows.
void gather_line(const Windows& win, const Tensor& a, const Tensor& b, const std::vector<double>& spread,
                 int64_t n, int64_t y, double count, Moments& scratch, float* dx) {
  double *p = scratch.columns[0].data(), *q = scratch.columns[1].data(), *r = scratch.columns[2].data();
  for (double* sums : {p, q, r}) std::fill_n(sums, win.line, 0.0);
  for (int64_t row = std::max<int64_t>(0, y - kWindow + 1); row <= std::min(y, win.rows - 1); ++row) {
    const double g = win.weights.g[y - row];
    const double* from = spread.data() + (n * win.rows + row) * 3 * win.line;
    for (int64_t x = 0; x < win.line; ++x) {
      p[x] += g * from[x];
      q[x] += g * from[win.line + x];
      r[x] += g * from[2 * win.line + x];
    }
  }
  load_line(a, n * win.shape.h + y, scratch.a.data());
  load_line(b, n * win.shape.h + y, scratch.b.data());
  for (int64_t x = 0; x < win.line; ++x) {
    const auto i = static_cast<size_t>(x);
    dx[x] = static_cast<float>((p[x] + 2 * scratch.a[i] * q[x] + scratch.b[i] * r[x]) / count);
  }
}

}  // namespace

double ssim(const Tensor& a, const Tensor& b, double peak) {
  const Windows win(a, b, peak);
  if constexpr (cuda::kBuilt) {
    if (a.device() == Device::cuda) return cuda::ssim(a, b, peak);
  }
  std::vector<double> sums(static_cast<size_t>(win.shape.n * win.rows));  // added up in order
#pragma omp parallel
  {
    Moments m(win);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < win.shape.n * win.rows; ++r) {
      compute_moments(win, a, b, r / win.rows * win.shape.h + r % win.rows, m);
      double sum = 0;
      for (int64_t x = 0; x < win.row; ++x) sum += Similarity(win, m, static_cast<size_t>(x)).value();
      sums[static_cast<size_t>(r)] = sum;
    }
  }
  double sum = 0;
  for (const double value : sums) sum += value;
  return sum / win.count();
}

Tensor ssim_value(const Tensor& a, const Tensor& b, double peak, int64_t batch) {
  const Windows checked(a, b, peak);
  if constexpr (cuda::kBuilt) {
    if (a.device() == Device::cuda) return check_whole("ssim", a, batch), cuda::ssim_value(a, b, peak);
  }
  return share_of_mean(a, b, batch, [peak](const Tensor& x, const Tensor& y) { return ssim(x, y, peak); });
}

Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak, int64_t batch) {
  const Windows win(a, b, peak);
  if constexpr (cuda::kBuilt) {
    if (a.device() == Device::cuda) return check_whole("ssim", a, batch), cuda::ssim_grad(a, b, peak);
  }
  const double count = count_in_batch(win.count(), a, batch);
  const int64_t rows = win.shape.n * win.rows, lines = win.shape.n * win.shape.h;
  std::vector<double> spread(static_cast<size_t>(rows * 3 * win.line));
  Tensor dx(win.shape);
  float* out = dx.data();
#pragma omp parallel
  {
    Moments m(win);
#pragma omp for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
      compute_moments(win, a, b, r / win.rows * win.shape.h + r % win.rows, m);
      spread_along_line(win, m, spread.data() + r * 3 * win.line);
    }
#pragma omp for schedule(static)
    for (int64_t l = 0; l < lines; ++l)
      gather_line(win, a, b, spread, l / win.shape.h, l % win.shape.h, count, m, out + l * win.line);
  }
  return dx;
}

}  // namespace sr

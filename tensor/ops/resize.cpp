#include "tensor/ops/resize.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/ops/bicubic_phases.h"
#include "tensor/ops/resize_cuda.h"
#include "tensor/stop.h"

namespace sr {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 30;  // positions are products of two sides and must fit int64_t

// y = or += a x, elements of x `stride` apart.
template <bool kAdd>
void accumulate(float* y, float a, const float* x, int64_t stride, int64_t n) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) y[i] = kAdd ? y[i] + a * x[i] : a * x[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = kAdd ? y[i] + a * x[i * stride] : a * x[i * stride];
  }
}

// y[i] = sum over t of weights[t] * rows[t][i], in the order of t, in blocks that stay in the first cache.
void weighted_sum(float* y, const float* const* rows, const float* weights, int64_t taps, int64_t n) {
  constexpr int64_t kBlock = 2048;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t length = std::min(kBlock, n - begin);
    accumulate<false>(y + begin, weights[0], rows[0] + begin, 1, length);
    for (int64_t t = 1; t < taps; ++t) accumulate<true>(y + begin, weights[t], rows[t] + begin, 1, length);
  }
}

// One thread's work on the horizontal axis: input rows come out resampled to the output's width.
class RowResampler {
 public:
  RowResampler(const Phases& phases, int64_t in, int64_t out, int64_t c)
      : phases_(phases),
        in_(in),
        out_(out),
        c_(c),
        left_(-phases.first.front()),
        padded_(static_cast<size_t>((left_ + in + right_margin()) * c)),
        line_(static_cast<size_t>(out / phases.count)) {}

  void operator()(const float* row, int64_t pitch, float* result) {
    const int64_t width = static_cast<int64_t>(padded_.size()) / c_;
    for (int64_t i = 0; i < width; ++i)
      std::copy_n(row + mirrored(i - left_, in_) * pitch, c_, &padded_[static_cast<size_t>(i * c_)]);
    for (int64_t p = 0; p < phases_.count; ++p)
      for (int64_t channel = 0; channel < c_; ++channel) run_phase(p, channel, result);
  }

 private:
  int64_t right_margin() const {
    return std::max<int64_t>(0, phases_.first_input(out_ - 1) + phases_.taps - in_);
  }

  void run_phase(int64_t p, int64_t channel, float* result) {
    const auto n = static_cast<int64_t>(line_.size());
    const float* source = &padded_[static_cast<size_t>((left_ + phases_.first_input(p)) * c_ + channel)];
    const float* weights = phases_.weights(p);
    const int64_t stride = phases_.step * c_;
    accumulate<false>(line_.data(), weights[0], source, stride, n);
    for (int64_t t = 1; t < phases_.taps; ++t)
      accumulate<true>(line_.data(), weights[t], source + t * c_, stride, n);
    float* to = result + p * c_ + channel;
    for (int64_t k = 0; k < n; ++k) to[k * phases_.count * c_] = line_[static_cast<size_t>(k)];
  }

  const Phases& phases_;
  int64_t in_, out_, c_, left_;
  std::vector<float> padded_, line_;
};

// One thread's share of the output rows. Resampled input rows are kept in a ring of as many rows as the
// vertical axis has taps; the row of (not yet mirrored) index v lies in slot v mod taps.
class Share {
 public:
  Share(const Tensor& x, const Tensor& y, const Phases& across, const Phases& down)
      : x_(x.data()),
        shape_(x.shape()),
        pitch_(x.pitch()),
        out_h_(y.shape().h),
        length_(y.shape().w * y.shape().c),
        down_(down),
        resample_(across, x.shape().w, y.shape().w, x.shape().c),
        ring_(static_cast<size_t>(down.taps * length_)),
        held_(static_cast<size_t>(down.taps)),
        rows_(static_cast<size_t>(down.taps)) {}

  // Writes rows begin to end of `y`, the rows of all images counted through.
  void run(float* y, int64_t begin, int64_t end) {
    int64_t image = -1;
    for (int64_t r = begin; r < end && !stopping(); ++r) {
      if (r / out_h_ != image) {
        image = r / out_h_;
        std::fill(held_.begin(), held_.end(), kNone);
      }
      const int64_t first = down_.first_input(r % out_h_);
      for (int64_t t = 0; t < down_.taps; ++t) rows_[static_cast<size_t>(t)] = input_row(image, first + t);
      weighted_sum(y + r * length_, rows_.data(), down_.weights(r % out_h_), down_.taps, length_);
    }
  }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  const float* input_row(int64_t image, int64_t v) {
    const auto slot = static_cast<size_t>(((v % down_.taps) + down_.taps) % down_.taps);
    float* row = &ring_[slot * static_cast<size_t>(length_)];
    if (held_[slot] != v) {
      resample_(x_ + (image * shape_.h + mirrored(v, shape_.h)) * shape_.w * pitch_, pitch_, row);
      held_[slot] = v;
    }
    return row;
  }

  const float* x_;
  Shape shape_;
  int64_t pitch_, out_h_, length_;
  const Phases& down_;
  RowResampler resample_;
  std::vector<float> ring_;
  std::vector<int64_t> held_;
  std::vector<const float*> rows_;
};

}  // namespace

Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w) {
  const Shape& s = x.shape();
  if (s.h < 1 || s.w < 1) throw Error(Error::Kind::shape, "bicubic resize: shape ", s, " has no pixels");
  if (h < 1 || w < 1)
    throw Error(Error::Kind::usage, "bicubic resize to ", h, " x ", w, ": each side must be at least 1");
  if (std::max({h, w, s.h, s.w}) > kMaxSide)
    throw Error(Error::Kind::limit, "bicubic resize of ", s, " to ", h, " x ", w,
                ": a side is longer than 2^30");
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda && s.n * s.c > 0) return cuda::bicubic_resize(x, h, w);
  }
  Tensor y({s.n, h, w, s.c}, DType::f32, x.device());
  if (y.shape().size() == 0) return y;
  const Phases across(s.w, w), down(s.h, h);
  const int64_t rows = s.n * h;
  const int64_t threads = std::min<int64_t>(omp_get_max_threads(), rows);
  std::vector<Share> shares;  // made before the threads start: out of memory must arrive as an exception
  shares.reserve(static_cast<size_t>(threads));
  for (int64_t i = 0; i < threads; ++i) shares.emplace_back(x, y, across, down);
  float* to = y.data();
#pragma omp parallel for schedule(static, 1)
  for (int64_t i = 0; i < threads; ++i)
    shares[static_cast<size_t>(i)].run(to, rows * i / threads, rows * (i + 1) / threads);
  throw_if_stopping();  // with rows left out
  return y;
}

Tensor bicubic_enlarge(const Tensor& x, int factor) {
  if (factor < 1)
    throw Error(Error::Kind::usage, "bicubic enlarge: factor ", factor, "; it must be at least 1");
  return bicubic_resize(x, x.shape().h * factor, x.shape().w * factor);
}

}  // namespace sr

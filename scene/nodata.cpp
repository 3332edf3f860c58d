#include "scene/nodata.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "tensor/stop.h"

namespace sr {
namespace {

template <class T>
bool is_quantity(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::abs(value) < static_cast<T>(kNoQuantity);
  return true;
}

// The nodata value as a sample, if the type has it (the reader refuses others; NaN is no quantity).
template <class T>
std::optional<T> as_sample(std::optional<double> nodata) {
  if (!nodata || std::isnan(*nodata)) return {};
  return static_cast<T>(*nodata);
}

// What one pass of filling does to one sample: the mean of the known neighbours, in a fixed order.
struct Neighbours {
  double sum = 0;
  int count = 0;
};

Neighbours known_neighbours(const Tensor& values, const Invalid& unknown, int64_t row, int64_t column,
                            int64_t band) {
  const auto [n, h, w, c] = values.shape();
  Neighbours found;
  for (int64_t i = row - 1; i <= row + 1; ++i)
    for (int64_t j = column - 1; j <= column + 1; ++j) {
      if (i < 0 || i >= h || j < 0 || j >= w) continue;
      const int64_t at = (i * w + j) * c + band;
      if (unknown[static_cast<size_t>(at)]) continue;
      found.sum += double{values.data()[at]};
      ++found.count;
    }
  return found;
}

}  // namespace

bool may_have_holes(const TiffInfo& info) {
  const bool has_nan = info.type == SampleType::f32 || info.type == SampleType::f64;
  return has_nan || info.nodata || info.has_mask || info.alpha_band();
}

Invalid find_invalid(const Raster& raster, std::optional<double> nodata, std::optional<int> alpha_band) {
  const int bands = raster.bands;
  Invalid invalid(static_cast<size_t>(raster.window.pixels() * bands), 0);
  with_sample_type(raster.type, [&](auto zero) {
    using T = decltype(zero);
    const T* samples = raster.data<T>();
    const std::optional<T> none = as_sample<T>(nodata);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < raster.window.pixels(); ++p) {
      const bool hidden = (!raster.mask.empty() && !raster.mask[static_cast<size_t>(p)]) ||
                          (alpha_band && samples[p * bands + *alpha_band] == T{0});
      for (int b = 0; b < bands; ++b) {
        const T value = samples[p * bands + b];
        const bool empty =
            hidden || !is_quantity(value) || (none && value == *none && b != alpha_band.value_or(-1));
        invalid[static_cast<size_t>(p * bands + b)] = empty ? 1 : 0;
      }
    }
  });
  return invalid;
}

void fill_invalid(Tensor& values, const Invalid& invalid, float beyond) {
  const int64_t w = values.shape().w, c = values.shape().c;
  std::vector<int64_t> open;  // samples that are still unknown
  open.reserve(static_cast<size_t>(std::count_if(invalid.begin(), invalid.end(), [](auto i) { return i; })));
  for (size_t i = 0; i < invalid.size(); ++i)
    if (invalid[i]) open.push_back(static_cast<int64_t>(i));
  // Those that a pass fills count as unknown until it ends: its order must not matter.
  constexpr uint8_t kFilled = 2;
  Invalid unknown = invalid;
  for (int64_t pass = 0; pass < kFillRadius && !open.empty(); ++pass) {
    throw_if_stopping();
    for (const int64_t at : open) {
      const Neighbours found = known_neighbours(values, unknown, at / c / w, at / c % w, at % c);
      if (found.count == 0) continue;
      values.data()[at] = static_cast<float>(found.sum / found.count);
      unknown[static_cast<size_t>(at)] = kFilled;
    }
    size_t left = 0;
    for (const int64_t at : open) {
      uint8_t& mark = unknown[static_cast<size_t>(at)];
      if (mark == kFilled)
        mark = 0;
      else
        open[left++] = at;
    }
    if (left == open.size()) break;
    open.resize(left);
  }
  for (const int64_t at : open) values.data()[at] = beyond;
}

void restore_invalid(Raster& fine, const Raster& coarse, const Invalid& invalid, int factor) {
  const int64_t bands = coarse.bands;
  with_sample_type(coarse.type, [&](auto zero) {
    using T = decltype(zero);
    const T* from = coarse.data<T>();
    T* to = fine.data<T>();
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < fine.window.h; ++i)
      for (int64_t j = 0; j < fine.window.w; ++j) {
        const int64_t row = (fine.window.y + i) / factor - coarse.window.y;
        const int64_t column = (fine.window.x + j) / factor - coarse.window.x;
        const int64_t at = (row * coarse.window.w + column) * bands;
        for (int64_t b = 0; b < bands; ++b)
          if (invalid[static_cast<size_t>(at + b)]) to[(i * fine.window.w + j) * bands + b] = from[at + b];
      }
  });
}

}  // namespace sr

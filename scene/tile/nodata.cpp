#include "scene/tile/nodata.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <type_traits>

#include "scene/tile/nodata_range.h"
#include "tensor/stop.h"

namespace sr {
namespace {

template <class T>
bool is_quantity(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::abs(value) < static_cast<T>(kNoQuantity);
  return true;
}

template <class T>
bool all_equal(const T* pixel, const std::vector<double>& values) {
  for (size_t b = 0; b < values.size(); ++b)
    if (static_cast<double>(pixel[b]) != values[b]) return false;
  return !values.empty();
}

// Below an eighth of full opacity an 8-bit colour has less than five bits left.
constexpr double kFaintPart = 0.125;

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

HoleRule hole_rule(const TiffInfo& info) {
  HoleRule rule{info.nodata, info.nodata_values, info.alpha_band(), 0};
  if (!rule.nodata_values.empty()) rule.nodata.reset();
  const bool real = info.type == SampleType::f32 || info.type == SampleType::f64;
  if (info.premultiplied()) rule.opaque = real ? 1 : std::exp2(info.significant_bits) - 1;
  return rule;
}

bool may_have_holes(const TiffInfo& info) {
  const bool has_nan = info.type == SampleType::f32 || info.type == SampleType::f64;
  return has_nan || info.nodata || !info.nodata_values.empty() || info.has_mask || info.alpha_band();
}

Invalid find_invalid(const Raster& raster, const HoleRule& rule) {
  const int bands = raster.bands, alpha = rule.alpha_band.value_or(-1);
  Invalid invalid(static_cast<size_t>(raster.window.pixels() * bands), kSeen);
  // Nothing is between infinities on the same side: no range hides nothing.
  const NodataRange none{0, NodataRange::kNone, NodataRange::kNone};
  const NodataRange range = nodata_range(rule.nodata, raster.type).value_or(none);
  with_sample_type(raster.type, [&](auto zero) {
    using T = decltype(zero);
    const T* samples = raster.data<T>();
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < raster.window.pixels(); ++p) {
      const T* pixel = samples + p * bands;
      const double opacity = alpha >= 0 ? static_cast<double>(pixel[alpha]) : 1;
      const bool hidden = (!raster.mask.empty() && !raster.mask[static_cast<size_t>(p)]) || opacity == 0 ||
                          all_equal(pixel, rule.nodata_values);
      const bool faint = opacity < kFaintPart * rule.opaque;
      for (int b = 0; b < bands; ++b) {
        uint8_t& mark = invalid[static_cast<size_t>(p * bands + b)];
        const bool empty =
            hidden || !is_quantity(pixel[b]) || (b != alpha && range.hides(static_cast<double>(pixel[b])));
        mark = empty ? kHole : faint && b != alpha ? kFaint : kSeen;
      }
    }
  });
  return invalid;
}

void keep_seen(Raster& fine, const HoleRule& rule) {
  if (!rule.nodata && rule.nodata_values.empty()) return;
  const std::optional<NodataRange> range = nodata_range(rule.nodata, fine.type);
  const std::optional<NodataRange> first =
      rule.nodata_values.empty() ? std::nullopt : nodata_range(rule.nodata_values[0], fine.type);
  with_sample_type(fine.type, [&](auto zero) {
    using T = decltype(zero);
    T* const samples = fine.data<T>();
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < fine.window.pixels(); ++p) {
      T* const pixel = samples + p * fine.bands;
      for (int b = 0; range && b < fine.bands; ++b)
        if (b != rule.alpha_band && range->hides(static_cast<double>(pixel[b])))
          pixel[b] = static_cast<T>(range->beside(range->above));
      if (first && all_equal(pixel, rule.nodata_values))
        pixel[0] = static_cast<T>(first->beside(first->above));
    }
  });
}

std::string note_beside_nodata(const ValueRange& range, std::optional<double> nodata) {
  constexpr double kNear = 1e-3, kApart = 100;
  if (!nodata || !std::isfinite(*nodata)) return "";
  const auto distance = [&](double end) { return std::abs(end - *nodata); };
  const double end = distance(range.low) < distance(range.high) ? range.low : range.high;
  const double other = end == range.low ? range.high : range.low;
  if (distance(end) == 0 || distance(end) > kNear * std::abs(*nodata) ||
      distance(other) < kApart * distance(end))
    return "";
  std::ostringstream text;
  text.precision(10);
  text << "samples of " << end << " lie beside the nodata value " << *nodata
       << " and are taken for picture; if they are holes, correct the file's nodata value (gdal_edit.py "
          "-a_nodata)";
  return text.str();
}

void fill_invalid(Tensor& values, const Invalid& invalid, float beyond) {
  const int64_t w = values.shape().w, c = values.shape().c;
  std::vector<int64_t> open;  // samples that are still unknown
  open.reserve(static_cast<size_t>(std::count_if(invalid.begin(), invalid.end(), [](auto i) { return i; })));
  for (size_t i = 0; i < invalid.size(); ++i)
    if (invalid[i]) open.push_back(static_cast<int64_t>(i));
  // Those that a pass fills count as unknown until it ends: its order must not matter.
  constexpr uint8_t kFilled = 3;
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
          if (invalid[static_cast<size_t>(at + b)] == kHole)
            to[(i * fine.window.w + j) * bands + b] = from[at + b];
      }
  });
}

}  // namespace sr

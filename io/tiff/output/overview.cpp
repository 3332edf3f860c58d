#include "io/tiff/output/overview.h"

#include <tiff.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

namespace sr {
namespace {

// As GDAL masks it: floats have a tolerance (ARE_REAL_EQUAL, two units in the last place of the sum).
template <class T>
bool is_nodata(T value, T nodata) {
  if constexpr (std::is_floating_point_v<T>) {
    const T near = std::numeric_limits<T>::epsilon() * std::abs(value + nodata) * 2;
    return value == nodata || std::abs(value - nodata) < near;
  }
  return value == nodata;
}

// Of values that may not be no-data: the one beside it, on the side of `exact`.
template <class T>
T beside_nodata(T nodata, double exact) {
  const bool up = nodata == std::numeric_limits<T>::lowest() ||
                  (nodata != std::numeric_limits<T>::max() && exact > static_cast<double>(nodata));
  if constexpr (std::is_floating_point_v<T>) {
    const T step = std::max(8 * std::numeric_limits<T>::epsilon() * std::abs(nodata),
                            std::numeric_limits<T>::denorm_min());
    return up ? nodata + step : nodata - step;
  }
  return static_cast<T>(up ? nodata + 1 : nodata - 1);
}

template <class T>
bool is_quantity(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::abs(value) < static_cast<T>(1e30);
  return true;
}

// The (up to) four pixels behind one of the overview, in reading order.
struct Behind {
  std::array<int64_t, 4> pixel{};
  int count = 0;
};

template <class T>
class Halving {
 public:
  Halving(const Raster& fine, const OverviewRule& rule, Raster& out)
      : fine_(fine), rule_(rule), out_(out), copied_(static_cast<size_t>(fine.bands)) {
    for (const int band : rule.copied_bands)
      if (band < fine.bands) copied_[static_cast<size_t>(band)] = true;
    if (rule.nodata && !std::isnan(*rule.nodata)) nodata_ = static_cast<T>(*rule.nodata);
  }

  void run() {
    if constexpr (std::is_integral_v<T> && sizeof(T) <= 2) {
      if (all_count()) return plain_means();
    }
    for (int64_t y = 0; y < out_.window.h; ++y)
      for (int64_t x = 0; x < out_.window.w; ++x) pixel(x, y);
  }

 private:
  // Whether each pixel is the mean of four samples and nothing else.
  bool all_count() const {
    return !nodata_ && fine_.mask.empty() && (!rule_.alpha_band || rule_.premultiplied) &&
           rule_.copied_bands.empty() && fine_.window.w >= 2 * out_.window.w &&
           fine_.window.h >= 2 * out_.window.h;
  }

  void plain_means() {
    const int64_t bands = fine_.bands, row = fine_.window.w * bands;
    for (int64_t y = 0; y < out_.window.h; ++y) {
      const T* top = fine_.data<T>() + 2 * y * row;
      const T* below = top + row;
      T* to = out_.data<T>() + y * out_.window.w * bands;
      for (int64_t x = 0; x < out_.window.w; ++x, top += 2 * bands, below += 2 * bands, to += bands)
        for (int64_t b = 0; b < bands; ++b) {
          const int sum = int{top[b]} + int{top[b + bands]} + int{below[b]} + int{below[b + bands]};
          to[b] = static_cast<T>((sum + 2 - (sum < 0 ? 1 : 0)) >> 2);
        }
    }
  }

  Behind behind(int64_t x, int64_t y) const {
    Behind found;
    for (int64_t i = 2 * y; i < std::min(2 * y + 2, fine_.window.h); ++i)
      for (int64_t j = 2 * x; j < std::min(2 * x + 2, fine_.window.w); ++j)
        found.pixel[static_cast<size_t>(found.count++)] = i * fine_.window.w + j;
    return found;
  }

  Behind unmasked(const Behind& all) const {
    if (fine_.mask.empty()) return all;
    Behind left;
    for (int i = 0; i < all.count; ++i)
      if (const int64_t p = all.pixel[static_cast<size_t>(i)]; fine_.mask[static_cast<size_t>(p)])
        left.pixel[static_cast<size_t>(left.count++)] = p;
    return left;
  }

  T sample(int64_t pixel, int band) const { return fine_.data<T>()[pixel * fine_.bands + band]; }

  void pixel(int64_t x, int64_t y) {
    const Behind all = behind(x, y), valid = unmasked(all);
    const int64_t at = y * out_.window.w + x;
    if (!fine_.mask.empty()) out_.mask[static_cast<size_t>(at)] = valid.count > 0 ? 1 : 0;
    for (int band = 0; band < fine_.bands; ++band)
      out_.data<T>()[at * fine_.bands + band] = value_of(all, valid, band);
  }

  bool counts(int64_t pixel, int band) const {
    if (band == rule_.alpha_band) return true;
    if (rule_.alpha_band && !rule_.premultiplied && sample(pixel, *rule_.alpha_band) == T{0}) return false;
    const T value = sample(pixel, band);
    return is_quantity(value) && !(nodata_ && is_nodata(value, *nodata_));
  }

  T value_of(const Behind& all, const Behind& valid, int band) const {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < valid.count; ++i) {
      const int64_t p = valid.pixel[static_cast<size_t>(i)];
      if (!counts(p, band)) continue;
      if (copied_[static_cast<size_t>(band)]) return sample(p, band);
      sum += static_cast<double>(sample(p, band));
      ++count;
    }
    if (count == 0) return sample(all.pixel[0], band);
    const double mean = sum / count;
    const T rounded = to_sample<T>(mean);
    const bool taken = nodata_ && band != rule_.alpha_band && is_nodata(rounded, *nodata_);
    return taken ? beside_nodata(*nodata_, mean) : rounded;
  }

  const Raster& fine_;
  const OverviewRule& rule_;
  Raster& out_;
  std::vector<bool> copied_;
  std::optional<T> nodata_;
};

}  // namespace

std::vector<PictureSize> overview_sizes(int64_t width, int64_t height, int64_t block) {
  std::vector<PictureSize> sizes;
  while (width > block || height > block) {
    width = std::max<int64_t>(1, width / 2), height = std::max<int64_t>(1, height / 2);
    sizes.push_back({width, height});
  }
  return sizes;
}

OverviewRule overview_rule(const TiffInfo& info, const std::vector<int>& copied_bands) {
  OverviewRule rule{info.nodata, info.alpha_band(), false, copied_bands};
  if (rule.alpha_band) {
    const auto extra = static_cast<int>(info.extra_samples.size()) - (info.bands - *rule.alpha_band);
    rule.premultiplied = info.extra_samples.at(static_cast<size_t>(extra)) == EXTRASAMPLE_ASSOCALPHA;
  }
  return rule;
}

Window halved(const Window& fine, const PictureSize& page) {
  const int64_t x = fine.x / 2, y = fine.y / 2;
  return {x, y, std::min((fine.w + 1) / 2, page.width - x), std::min((fine.h + 1) / 2, page.height - y)};
}

Raster halved(const Raster& fine, const OverviewRule& rule, const PictureSize& page) {
  const Window coarse = halved(fine.window, page);
  if (coarse.w < 1 || coarse.h < 1) return {};
  Raster out(coarse, fine.bands, fine.type);
  if (!fine.mask.empty()) out.mask.resize(static_cast<size_t>(coarse.pixels()));
  with_sample_type(fine.type, [&](auto zero) { Halving<decltype(zero)>(fine, rule, out).run(); });
  return out;
}

}  // namespace sr

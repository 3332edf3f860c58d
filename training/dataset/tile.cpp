#include "training/dataset/tile.h"

#include <algorithm>

#include "idn/luma.h"
#include "tensor/ops/resize.h"
#include "training/dataset/symmetry.h"

namespace sr {
namespace {

bool fits_float(SampleType type) {
  return type != SampleType::u32 && type != SampleType::i32 && type != SampleType::f64;
}

// Samples of up to 24 bits are resampled as they are; others relative to the range, in whose middle float has
// the precision that counts.
class Scale {
 public:
  Scale(SampleType type, const ValueRanges& ranges) : ranges_(ranges) {
    if (fits_float(type)) ranges_ = {{0, 1}};
  }
  const ValueRange& of(int64_t band) const { return range_of(ranges_, band); }

 private:
  ValueRanges ranges_;
};

Tensor to_tensor(const Raster& raster, const Scale& scale) {
  Tensor values({1, raster.window.h, raster.window.w, raster.bands});
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    for (int64_t i = 0; i < values.shape().size(); ++i) {
      const ValueRange& range = scale.of(i % raster.bands);
      values.data()[i] = static_cast<float>((static_cast<double>(samples[i]) - range.low) / range.width());
    }
  });
  return values;
}

Raster to_raster(const Tensor& values, const Scale& scale, const Window& window, SampleType type) {
  Raster raster(window, static_cast<int>(values.shape().c), type);
  with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < values.shape().size(); ++i) {
      const ValueRange& range = scale.of(i % raster.bands);
      raster.data<T>()[i] = to_sample<T>(range.low + range.width() * double{values.data()[i]});
    }
  });
  return raster;
}

std::vector<int64_t> starts(int64_t length, int64_t tile) {
  std::vector<int64_t> list;
  for (int64_t at = 0; at + tile < length; at += tile) list.push_back(at);
  list.push_back(std::max<int64_t>(0, length - tile));
  return list;
}

}  // namespace

SampleType TileForm::shrunk_type() const {
  if (!unrounded) return type;
  return fits_float(type) ? SampleType::f32 : SampleType::f64;
}

std::vector<Window> tile_windows(int64_t width, int64_t height, int64_t tile_w, int64_t tile_h, int factor) {
  std::vector<Window> windows;
  const int64_t w = std::min(tile_w, width / factor * factor), h = std::min(tile_h, height / factor * factor);
  if (w < 1 || h < 1) return windows;
  const std::vector<int64_t> columns = width < tile_w ? std::vector<int64_t>{0} : starts(width, w);
  for (const int64_t y : height < tile_h ? std::vector<int64_t>{0} : starts(height, h))
    for (const int64_t x : columns) windows.push_back({x, y, w, h});
  return windows;
}

std::vector<int> colour_bands(const TiffInfo& info) {
  std::vector<int> list;
  for (int b = 0; b < info.bands; ++b)
    if (b != info.alpha_band().value_or(-1)) list.push_back(b);
  return list;
}

Raster stored_samples(const Raster& raster, const std::vector<int>& bands, const TileForm& form) {
  Raster stored(raster.window, form.bands, raster.type);
  const int64_t from = raster.bands, to = form.bands;
  with_sample_type(raster.type, [&](auto zero) {
    using T = decltype(zero);
    const T* samples = raster.data<T>();
    T* result = stored.data<T>();
    for (int64_t p = 0; p < raster.window.pixels(); ++p) {
      const auto at = [&](size_t band) { return samples[p * from + bands[band]]; };
      if (form.mode == ColourMode::luma && bands.size() == 3) {
        result[p] = to_sample<T>(luma_of_pixel(form.luma, static_cast<double>(at(0)),
                                               static_cast<double>(at(1)), static_cast<double>(at(2))));
      } else {
        for (int64_t b = 0; b < to; ++b) result[p * to + b] = at(static_cast<size_t>(b));
      }
    }
  });
  return stored;
}

Raster resized(const Raster& raster, int64_t w, int64_t h, const ValueRanges& ranges) {
  const Scale scale(raster.type, ranges);
  const Window window{raster.window.x, raster.window.y, w, h};
  return to_raster(bicubic_resize(to_tensor(raster, scale), h, w), scale, window, raster.type);
}

Raster turned(const Raster& raster, int symmetry) {
  if (symmetry == 0) return raster;
  Window window = raster.window;
  const SymmetryWalk walk(symmetry, window.w, window.h, window.w);
  if (symmetry & 4) std::swap(window.w, window.h);
  Raster result(window, raster.bands, raster.type);
  with_sample_type(raster.type, [&](auto zero) {
    using T = decltype(zero);
    T* to = result.data<T>();
    for (int64_t y = 0; y < window.h; ++y)
      for (int64_t x = 0; x < window.w; ++x, to += raster.bands)
        std::copy_n(raster.data<T>() + (walk.first + x * walk.right + y * walk.down) * raster.bands,
                    raster.bands, to);
  });
  return result;
}

TileRecord degraded(Raster gt, const TileForm& form) {
  const Scale scale(form.type, form.ranges);
  const Window& fine = gt.window;
  const Window coarse{fine.x / form.factor, fine.y / form.factor, fine.w / form.factor, fine.h / form.factor};
  const Tensor small = bicubic_resize(to_tensor(gt, scale), coarse.h, coarse.w);
  Raster down = to_raster(small, scale, coarse, form.shrunk_type());
  return paired(std::move(gt), std::move(down), form);
}

TileRecord paired(Raster gt, Raster down, const TileForm& form) {
  const Scale scale(form.type, form.ranges);
  const Tensor large = bicubic_enlarge(to_tensor(down, scale), form.factor);
  TileRecord record;
  record.bic_up = to_raster(large, scale, gt.window, form.shrunk_type());
  record.gt = std::move(gt);
  record.down = std::move(down);
  return record;
}

Raster record_picture(const TileRecord& record, const ValueRanges& ranges) {
  constexpr int64_t kGap = 8;
  constexpr double kGain = 4;
  const auto [x0, y0, w, h] = record.gt.window;
  const int bands = record.gt.bands >= 3 ? 3 : 1;
  const auto value = [&](const Raster& raster, int64_t sample) {
    return with_sample_type(raster.type, [&](auto zero) {
      const ValueRange& range = range_of(ranges, sample % raster.bands);
      return (static_cast<double>(raster.data<decltype(zero)>()[sample]) - range.low) / range.width();
    });
  };
  Raster picture({0, 0, 3 * w + 2 * kGap, h}, bands, SampleType::u8);
  std::fill(picture.samples.begin(), picture.samples.end(), std::byte{255});
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int b = 0; b < bands; ++b) {
        const int64_t sample = (y * w + x) * record.gt.bands + b;
        const double truth = value(record.gt, sample), enlarged = value(record.bic_up, sample);
        uint8_t* to = picture.data<uint8_t>() + (y * picture.window.w + x) * bands + b;
        to[0] = to_sample<uint8_t>(255 * truth);
        to[(w + kGap) * bands] = to_sample<uint8_t>(255 * enlarged);
        to[2 * (w + kGap) * bands] = to_sample<uint8_t>(255 * (0.5 + kGain * (truth - enlarged)));
      }
  return picture;
}

}  // namespace sr

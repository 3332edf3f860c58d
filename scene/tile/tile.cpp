#include "scene/tile/tile.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "idn/ensemble.h"
#include "scene/tile/nodata_range.h"
#include "scene/tile/premultiplied.h"
#include "scene/tile/spread.h"
#include "tensor/error.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

constexpr uint16_t kPhotometricRgb = 2;
constexpr int64_t kBicubicReach = 2;

ColourMode default_mode(const TiffInfo& info, int colour_bands, int nchan) {
  if (nchan > 1) return ColourMode::joint;
  const bool rgb8 = info.type == SampleType::u8 && info.photometric == kPhotometricRgb && colour_bands == 3;
  return rgb8 ? ColourMode::luma : ColourMode::per_band;
}

// Itself if it is all of it.
Tensor cropped(const Tensor& x, const Window& window) {
  if (x.is_contiguous() && window == Window{0, 0, x.shape().w, x.shape().h}) return x;
  Tensor y(Shape{1, window.h, window.w, x.shape().c});
  const int64_t row = window.w * x.shape().c, from_row = x.shape().w * x.pitch();
  const float* from = x.data() + window.y * from_row + window.x * x.pitch();
  float* to = y.data();
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < window.h; ++i) std::copy_n(from + i * from_row, row, to + i * row);
  return y;
}

Window relative(const Window& inner, const Window& outer) {
  return {inner.x - outer.x, inner.y - outer.y, inner.w, inner.h};
}

Window scaled(const Window& w, int factor) {
  return {w.x * factor, w.y * factor, w.w * factor, w.h * factor};
}

// Only what the core's fine pixels need is enlarged.
Tensor bicubic_core(const Tensor& values, const Tile& tile, int factor) {
  const Window inside = relative(tile.core, tile.read);
  const Window near = tile_around(inside, tile.read.w, tile.read.h, {kBicubicReach, kBicubicReach}).read;
  const Tensor fine = bicubic_enlarge(cropped(values, near), factor);
  return cropped(fine, scaled(relative(inside, near), factor));
}

// What the network adds to the bicubic part for one input [1, h, w, nchan], cut to the core. Its answers'
// deviations go to `spread`, if there is one, from that band on.
Tensor residual_core(const Model& model, Tensor input, const Tile& tile, const SceneSettings& s,
                     Raster* spread, int spread_band, double gain) {
  const int64_t c = input.shape().c;
  float* values = input.data();
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < input.shape().size(); ++i)
    values[i] = std::clamp(values[i], kLowestInput, kHighestInput) -
                static_cast<float>(model.means.down[static_cast<size_t>(i % c)]);
  const bands::Origin origin{tile.read.y, tile.read.x};
  const Shape part = input.shape();
  const auto residual = [&](Tensor image, int symmetry) {
    return model.residual(std::move(image), turned_origin(origin, part, symmetry));
  };
  EnsembleResidual answer;
  if (s.self_ensemble)
    answer = ensemble_residual(std::exchange(input, {}), s.spread, residual);
  else
    answer.mean = residual(std::move(input), 0);
  if (spread) set_spread(*spread, spread_band, answer.shift, answer.squares, tile, s, gain);
  Tensor y = cropped(answer.mean, scaled(relative(tile.core, tile.read), model.factor()));
  values = y.data();
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < y.shape().size(); ++i) values[i] += model.shift(static_cast<size_t>(i % c));
  return y;
}

Tensor luma_of(const Tensor& values, const std::vector<int>& bands, const LumaCoefficients& k) {
  Tensor y(Shape{1, values.shape().h, values.shape().w, 1});
  const int64_t pitch = values.pitch();
  const float* from = values.data();
  float* to = y.data();
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < y.shape().size(); ++p) {
    const float* v = from + p * pitch;
    to[p] = static_cast<float>(k.offset + k.r * double{v[bands[0]]} + k.g * double{v[bands[1]]} +
                               k.b * double{v[bands[2]]});
  }
  return y;
}

// fine[..., band] += gain * residual[..., channel]
void add_residual(Tensor& fine, int band, const Tensor& residual, int64_t channel, float gain) {
  const int64_t to_pitch = fine.pitch(), from_pitch = residual.pitch();
  const float* from = residual.data() + channel;
  float* to = fine.data() + band;
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < fine.shape().pixels(); ++p) to[p * to_pitch] += gain * from[p * from_pitch];
}

void add_network(Tensor& fine, const Model& model, const SceneSettings& s, const Tensor& values,
                 const Tile& tile, Raster* spread) {
  const std::vector<int> bands = s.colour_bands();
  if (std::none_of(bands.begin(), bands.end(), [&](int band) { return s.gets_residual(band); })) return;
  const auto add = [&](int band, const Tensor& residual, int64_t channel, float gain) {
    if (s.gets_residual(band)) add_residual(fine, band, residual, channel, gain);
  };
  if (s.mode == ColourMode::luma) {
    const LumaCoefficients k = coefficients(model.luma);
    const Tensor residual = residual_core(model, luma_of(values, bands, k), tile, s, spread, 0, k.rgb_gain);
    for (const int band : bands) add(band, residual, 0, static_cast<float>(k.rgb_gain));
  } else if (s.mode == ColourMode::joint) {
    const auto count = static_cast<int64_t>(bands.size());
    const Tensor residual =
        residual_core(model, values.channels(bands[0], bands[0] + count).clone(), tile, s, spread, 0, 1);
    for (int64_t k = 0; k < count; ++k) add(bands[static_cast<size_t>(k)], residual, k, 1);
  } else {
    for (int i = 0; const int band : bands) {
      if (s.gets_residual(band))
        add(band, residual_core(model, values.channels(band, band + 1).clone(), tile, s, spread, i, 1), 0, 1);
      ++i;
    }
  }
}

// The ranges of the values of some pixels in a row, one after the other: loops over interleaved bands run in
// vectors.
struct RangesInRow {
  std::vector<double> low, width;

  RangesInRow(const ValueRanges& ranges, int bands) {
    constexpr int kPixels = 32;
    for (int i = 0; i < kPixels * bands; ++i) {
      const ValueRange& range = range_of(ranges, i % bands);
      low.push_back(range.low), width.push_back(range.width());
    }
  }
  int64_t size() const { return std::ssize(low); }

  // f(i, low, width) for each of `count` values, of which the first is a pixel's first.
  template <class F>
  void each(int64_t count, F f) const {
    if (low.empty()) return;
#pragma omp parallel for schedule(static)
    for (int64_t begin = 0; begin < count; begin += size()) {
      const int64_t length = std::min(size(), count - begin);
      const double *lows = low.data(), *widths = width.data();
      for (int64_t k = 0; k < length; ++k) f(begin + k, lows[k], widths[k]);
    }
  }
};

Raster to_samples(const Tensor& fine, const SceneSettings& s, const Window& window, SampleType type,
                  SpareSamples* spare) {
  Raster raster({}, s.bands, type);
  raster.window = window;
  const auto bytes = static_cast<size_t>(fine.shape().size() * bytes_of(type));
  raster.samples = spare ? spare->take(bytes) : std::vector<std::byte>(bytes);
  with_sample_type(type, [&](auto zero) {
    using T = decltype(zero);
    T* samples = raster.data<T>();
    const float* values = fine.data();
    const double top = s.top;
    const auto value_of = [=](int64_t i, double low, double width) {
      return std::min(low + width * double{values[i]}, top);
    };
    const RangesInRow ranges(s.ranges, s.bands);
    // A valid sample must not become "no data" by rounding.
    const std::optional<NodataRange> avoided = nodata_range(s.nodata, type);
    if (!avoided) {
      ranges.each(fine.shape().size(), [=](int64_t i, double low, double width) {
        samples[i] = to_sample<T>(value_of(i, low, width));
      });
      return;
    }
    const int bands = s.bands, alpha = s.alpha_band.value_or(-1);
    ranges.each(fine.shape().size(), [=](int64_t i, double low, double width) {
      const double value = value_of(i, low, width);
      const T sample = to_sample<T>(value);
      const bool moved = i % bands != alpha && avoided->hides(static_cast<double>(sample));
      samples[i] = moved ? static_cast<T>(avoided->beside(value)) : sample;
    });
  });
  return raster;
}

}  // namespace

const char* name_of(ColourMode mode) {
  constexpr const char* kNames[] = {"luma", "per_band", "joint"};
  return kNames[static_cast<int>(mode)];
}

Tensor normalized(const Raster& raster, const ValueRanges& ranges) {
  Tensor values(Shape{1, raster.window.h, raster.window.w, raster.bands});
  float* to = values.data();
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    RangesInRow(ranges, raster.bands).each(values.shape().size(), [=](int64_t i, double low, double width) {
      to[i] = static_cast<float>((static_cast<double>(samples[i]) - low) * (1 / width));
    });
  });
  return values;
}

Tensor prepared(const Raster& raster, const SceneSettings& s, const Invalid& invalid) {
  Tensor values = normalized(raster, s.ranges);
  if (s.opaque > 0) straighten(values, raster, invalid, s.hole_rule(), s.ranges);
  fill_invalid(values, invalid, kFillBeyond);
  return values;
}

void complete(Raster& fine, const Raster& window, const SceneSettings& s, const Invalid& invalid) {
  const HoleRule rule = s.hole_rule();
  if (s.opaque > 0) multiply_by_alpha(fine, rule);
  if (s.opaque > 0 || !s.nodata_values.empty()) keep_seen(fine, rule);
  if (!invalid.empty()) restore_invalid(fine, window, invalid, s.factor);
}

bool SceneSettings::gets_residual(int band) const {
  return band != alpha_band.value_or(-1) &&
         std::find(constant_bands.begin(), constant_bands.end(), band) == constant_bands.end();
}

std::vector<int> SceneSettings::colour_bands() const {
  std::vector<int> list;
  for (int b = 0; b < bands; ++b)
    if (b != alpha_band.value_or(-1)) list.push_back(b);
  return list;
}

ValueRanges SceneSettings::colour_ranges() const {
  ValueRanges list;
  for (const int band : colour_bands()) list.push_back(range_of(ranges, band));
  return list;
}

SceneSettings scene_settings(const TiffInfo& info, const NetworkOptions& network, const ValueRanges& ranges,
                             std::optional<ColourMode> mode) {
  SceneSettings s;
  s.factor = network.factor;
  s.bands = info.bands;
  s.alpha_band = info.alpha_band();
  const HoleRule rule = hole_rule(info);
  s.nodata = rule.nodata;
  s.nodata_values = rule.nodata_values;
  s.opaque = rule.opaque;
  s.ranges = ranges;
  s.may_have_holes = may_have_holes(info);
  const auto colours = static_cast<int>(s.colour_bands().size());
  if (info.bands == 0) return s;
  s.mode = mode.value_or(default_mode(info, colours, network.nchan));
  const int wanted = s.mode == ColourMode::luma ? 3 : s.mode == ColourMode::joint ? network.nchan : colours;
  if (colours != wanted || (s.mode != ColourMode::joint && network.nchan != 1) || colours < 1 ||
      (s.mode == ColourMode::joint && s.alpha_band && *s.alpha_band != info.bands - 1))
    throw Error(
        Error::Kind::usage, "the scene has ", colours, " bands without alpha, the network takes ",
        network.nchan, " and the colour mode is ", name_of(s.mode),
        "; luma wants 3 bands and a one-channel network, per_band a one-channel network, joint a network "
        "trained for as many bands (train with --nchan ",
        colours, ")");
  return s;
}

Reach margin_for(const Model* model, const SceneSettings& settings) {
  Reach reach{kBicubicReach, kBicubicReach};
  if (model) {
    const Reach own = settings.on_gpu ? model->network->reach() : model->reach();
    reach = reach | (settings.self_ensemble ? ensemble_reach(own) : own);
  }
  return settings.may_have_holes ? reach + Reach{kFillRadius, kFillRadius} : reach;
}

FineTile upscale_tile(const Model* model, const SceneSettings& s, const Raster& window, const Tile& tile,
                      bool with_bicubic, SpareSamples* spare) {
  const Window fine_window = scaled(tile.core, s.factor);
  const Invalid invalid = s.may_have_holes ? find_invalid(window, s.hole_rule()) : Invalid();
  const bool all_holes =
      !invalid.empty() && std::find(invalid.begin(), invalid.end(), kSeen) == invalid.end();
  FineTile out;
  if (all_holes) {
    Raster empty(fine_window, s.bands, window.type);
    restore_invalid(empty, window, invalid, s.factor);
    if (with_bicubic) out.bicubic = empty;
    if (model) out.result = std::move(empty);
    if (model && s.spread) out.spread = no_spread(fine_window, s);
    return out;
  }
  const Tensor values = prepared(window, s, invalid);
  Tensor fine = bicubic_core(values, tile, s.factor);
  const auto finished = [&] {
    Raster raster = to_samples(fine, s, fine_window, window.type, spare);
    complete(raster, window, s, invalid);
    return raster;
  };
  if (with_bicubic) out.bicubic = finished();
  if (model) {
    if (s.spread) out.spread = no_spread(fine_window, s);
    add_network(fine, *model, s, values, tile, out.spread ? &*out.spread : nullptr);
    out.result = finished();
    if (!invalid.empty() && out.spread) hide_spread(*out.spread, window, invalid, s);
  }
  return out;
}

int64_t working_bytes(const Model* model, const SceneSettings& s, const Tile& tile) {
  constexpr int64_t kFloat = 4, kFillPerSample = sizeof(int64_t) + 1;
  const int64_t f2 = int64_t{s.factor} * s.factor, coarse = tile.read.pixels(),
                fine = tile.core.pixels() * f2;
  const int64_t near = (tile.core.w + 2 * kBicubicReach) * (tile.core.h + 2 * kBicubicReach);
  const int64_t threads = omp_get_max_threads();
  const int64_t samples = coarse * s.bands * (kFloat + (s.may_have_holes ? 1 : 0));
  // One after the other: holes are filled, the bicubic part is made and cut, the network runs beside it.
  const int64_t filling = s.may_have_holes ? coarse * s.bands * kFillPerSample : 0;
  const int64_t bicubic =
      kFloat * s.bands *
      (near * (1 + f2) + fine + threads * (4 * s.factor + 2) * (tile.core.w + 2 * kBicubicReach));
  const auto computing = [&](int64_t w, int64_t h) { return model->working_bytes(w, h); };
  int64_t network = 0;
  if (model) {
    const int64_t channels = model->nchan(), answer = channels * coarse * f2;
    const EnsembleMemory more = s.self_ensemble ? ensemble_memory(s.spread) : EnsembleMemory{0, 0};
    const int64_t inputs = (s.self_ensemble ? 2 : 1) * coarse * channels;  // one of them turned
    network = kFloat * (fine * s.bands + inputs +
                        std::max((1 + more.during) * answer, channels * fine + (1 + more.after) * answer)) +
              std::max(computing(tile.read.w, tile.read.h),
                       s.self_ensemble ? computing(tile.read.h, tile.read.w) : 0);
  }
  return samples + std::max({filling, bicubic, network});
}

}  // namespace sr

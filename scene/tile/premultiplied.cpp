#include "scene/tile/premultiplied.h"

#include <algorithm>
#include <type_traits>

namespace sr {

void straighten(Tensor& values, const Raster& raster, const Invalid& invalid, const HoleRule& rule,
                const ValueRanges& ranges) {
  const int bands = raster.bands, alpha = *rule.alpha_band;
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < values.shape().size(); ++i) {
      if (i % bands == alpha || invalid[static_cast<size_t>(i)] != kSeen) continue;
      const auto opacity = static_cast<double>(samples[i - i % bands + alpha]) / rule.opaque;
      const double colour = static_cast<double>(samples[i]) / opacity;
      const ValueRange& range = range_of(ranges, i % bands);
      values.data()[i] = static_cast<float>((colour - range.low) / range.width());
    }
  });
}

void multiply_by_alpha(Raster& fine, const HoleRule& rule) {
  const int bands = fine.bands, alpha = *rule.alpha_band;
  with_sample_type(fine.type, [&](auto zero) {
    using T = decltype(zero);
    T* const samples = fine.data<T>();
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < fine.window.pixels() * bands; ++i) {
      if (i % bands == alpha) continue;
      const T opacity = samples[i - i % bands + alpha];
      const T colour =
          to_sample<T>(static_cast<double>(samples[i]) * static_cast<double>(opacity) / rule.opaque);
      samples[i] = std::is_integral_v<T> ? std::min(colour, opacity) : colour;
    }
  });
}

}  // namespace sr

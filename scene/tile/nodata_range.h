// The samples that a declared nodata value hides.
#pragma once

#include <limits>
#include <optional>

#include "io/raster.h"

namespace sr {

/// GDAL compares floats with a tolerance (ARE_REAL_EQUAL): a is hidden by n if |a - n| < 2^-22 |a + n|, where
/// the sum may overflow: -3.4e38 hides all below -1.1e31. Integers and 0 are exact. Those that are hidden lie
/// between two samples that are not.
struct NodataRange {
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  double nodata = 0;
  double below = -kNone, above = kNone;  ///< the samples beside it that are seen; infinite: the type has none

  bool hides(double sample) const { return below < sample && sample < above; }

  /// The sample beside it that a result is moved to: in the direction of the exact value.
  double beside(double exact) const {
    const bool up = below == -kNone || (above != kNone && exact > nodata);
    return up ? above : below;
  }
};

/// Of a value that the type holds (integers: a whole number). Nothing for NaN and infinities, which are no
/// quantity anyway, and where there is no value.
std::optional<NodataRange> nodata_range(std::optional<double> nodata, SampleType type);

}  // namespace sr

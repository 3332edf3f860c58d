// Samples that are no picture: found before the network, filled so that they cannot bleed, put back
// afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "idn/model.h"
#include "io/raster.h"
#include "io/tiff/input/reader.h"
#include "tensor/tensor.h"

namespace sr {

/// One byte per sample, [row][column][band]: nonzero where the sample is no picture.
using Invalid = std::vector<uint8_t>;
constexpr uint8_t kSeen = 0, kHole = 1;
/// A colour under so little alpha that it says nothing of the colour: filled like a hole, but not put back.
constexpr uint8_t kFaint = 2;

/// What hides samples of a scene: the one place that all who ask for holes go by, beside Raster::mask.
struct HoleRule {
  std::optional<double> nodata;       ///< hides samples of all bands but alpha
  std::vector<double> nodata_values;  ///< hides pixels whose every band is equal to its value; empty: none
  std::optional<int> alpha_band;      ///< hides pixels where it is 0
  double opaque = 0;  ///< alpha of what is opaque, if colours were multiplied by alpha; else 0
};

/// As GDAL: where there are NODATA_VALUES, they are the rule and not the nodata value.
HoleRule hole_rule(const TiffInfo& info);

/// Whether any sample of such an image can be no picture: there is a nodata value, a mask, alpha, or samples
/// are floats.
bool may_have_holes(const TiffInfo& info);

/// No quantity is as large: such floats stand for no data that nobody declared (often the type's lowest or
/// largest), and would leave nothing of their surroundings.
constexpr double kNoQuantity = 1e30;

/// Marks what the rule hides (floats near nodata as GDAL does, see NodataRange), NaN, infinities and floats
/// beyond +-kNoQuantity, and all bands of pixels whose mask is zero.
Invalid find_invalid(const Raster& raster, const HoleRule& rule);

/// Moves fine samples out of what the rule hides by nodata values: seen pixels must stay so. For results that
/// were changed since each of their bands was kept away from `rule.nodata`.
void keep_seen(Raster& fine, const HoleRule& rule);

/// What to tell the user where an end of the measured range lies suspiciously beside the nodata value, as if
/// holes held another; else "".
std::string note_beside_nodata(const ValueRange& range, std::optional<double> nodata);

/// Pixels that filling reaches into a hole; beyond, the fill is constant.
constexpr int64_t kFillRadius = 8;

/// Replaces invalid samples of values [1, h, w, bands]: kFillRadius times, those beside a known sample become
/// the mean of the known ones among their eight neighbours; the rest become `beyond`. A filled value depends
/// on samples at most kFillRadius away, so tiles agree.
void fill_invalid(Tensor& values, const Invalid& invalid, float beyond);

/// Puts each hole of `coarse` back on the factor x factor fine pixels of `fine` that it covers.
/// `fine.window` is a fine window inside coarse.window * factor; `invalid` belongs to `coarse`.
void restore_invalid(Raster& fine, const Raster& coarse, const Invalid& invalid, int factor);

}  // namespace sr

// Samples that are no picture: found before the network, filled so that they cannot bleed, put back
// afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "io/raster.h"
#include "io/tiff/reader.h"
#include "tensor/tensor.h"

namespace sr {

/// One byte per sample, [row][column][band]: nonzero where the sample is no picture.
using Invalid = std::vector<uint8_t>;

/// Whether any sample of such an image can be no picture: there is a nodata value, a mask, alpha, or samples
/// are floats.
bool may_have_holes(const TiffInfo& info);

/// No quantity is as large: such floats stand for no data that nobody declared (often the type's lowest or
/// largest), and would leave nothing of their surroundings.
constexpr double kNoQuantity = 1e30;

/// Marks samples equal to `nodata`, NaN, infinities and floats beyond +-kNoQuantity, all bands of pixels
/// whose mask or alpha is zero.
Invalid find_invalid(const Raster& raster, std::optional<double> nodata, std::optional<int> alpha_band);

/// Pixels that filling reaches into a hole; beyond, the fill is constant.
constexpr int64_t kFillRadius = 8;

/// Replaces invalid samples of values [1, h, w, bands]: kFillRadius times, those beside a known sample become
/// the mean of the known ones among their eight neighbours; the rest become `beyond`. A filled value depends
/// on samples at most kFillRadius away, so tiles agree.
void fill_invalid(Tensor& values, const Invalid& invalid, float beyond);

/// Puts each invalid sample of `coarse` back on the factor x factor fine pixels of `fine` that it covers.
/// `fine.window` is a fine window inside coarse.window * factor; `invalid` belongs to `coarse`.
void restore_invalid(Raster& fine, const Raster& coarse, const Invalid& invalid, int factor);

}  // namespace sr

// Which band of a TIFF is taken for alpha.
#pragma once

#include <optional>

#include "io/tiff/input/reader.h"

namespace sr {

/// What TiffInfo::asked_alpha holds to have no alpha at all.
constexpr int kNoAlpha = -1;

/// Lets what GDAL_METADATA says of a band's colour go before ExtraSamples, as GDAL does: it writes near
/// infrared as alpha and corrects that there.
void correct_extra_samples(TiffInfo& info);

/// Takes this band (from 0) for alpha, or none (kNoAlpha), whatever the file says; the tags are made to say
/// the same. Errors: usage (there is no such band, or it is one of the colours).
void choose_alpha(TiffInfo& info, int band);

}  // namespace sr

// What a report shows of a validation tile.
#pragma once

#include "training/report/report.h"
#include "training/validation.h"

namespace sr {

/// Original, bicubic and result, and how far the two are from the original.
ReportPictures pictures_of(const ValidatedTile& tile);

}  // namespace sr

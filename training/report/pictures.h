// What a report shows of a validation tile.
#pragma once

#include <string>

#include "tensor/tensor.h"
#include "training/report/report.h"

namespace sr {

/// Original, bicubic and result, all [1, h, w, c] on the 0..1 scale, and how far the two are from the
/// original.
ReportPictures pictures_of(const std::string& name, const Tensor& gt, const Tensor& bicubic,
                           const Tensor& result);

}  // namespace sr

// Colours that were multiplied by their alpha (associated alpha): the network sees what they were before.
#pragma once

#include "idn/model.h"
#include "io/raster.h"
#include "scene/tile/nodata.h"
#include "tensor/tensor.h"

namespace sr {

/// Colours of `values`, which are the raster's samples on the network's scale, become colour / alpha there,
/// but for those that are marked.
void straighten(Tensor& values, const Raster& raster, const Invalid& invalid, const HoleRule& rule,
                const ValueRanges& ranges);

/// Colours of fine samples times their alpha, rounded; integers do not rise above it.
void multiply_by_alpha(Raster& fine, const HoleRule& rule);

}  // namespace sr

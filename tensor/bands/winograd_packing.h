// Weights of stages as the kernels of winograd_rows.h and upsampling_rows.h take them.
#pragma once

#include "tensor/bands/winograd_layer.h"

namespace sr::bands {

/// Kernels::pack for those functions. Errors: unsupported.
PackedStage pack_winograd(const Stage& stage, bool first, const winograd::Functions& functions);

}  // namespace sr::bands

// Weights of float32 stages as rows_simd.cpp and upsampling_simd.cpp take them.
#pragma once

#include "tensor/bands/fp32.h"

namespace sr::bands {

/// Kernels::pack for those functions. Errors: unsupported.
PackedStage pack_fp32(const Stage& stage, bool first, const fp32::Functions& functions);

}  // namespace sr::bands

// Stages for the kernels in bfloat16.
#pragma once

#include "tensor/bands/bf16.h"
#include "tensor/bands/kernels.h"

namespace sr::bands {

/// Errors: unsupported (channels that are no multiple of 16 between layers).
PackedStage pack_bf16(const Stage& stage, bool first, const bf16::Functions& functions);

}  // namespace sr::bands

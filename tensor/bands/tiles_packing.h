// Stages for the kernels in tiles of bfloat16.
#pragma once

#include "tensor/bands/kernels.h"
#include "tensor/bands/tiles_layer.h"

namespace sr::bands {

/// Errors: unsupported (channels that are no multiple of 16 between layers).
PackedStage pack_tiles(const Stage& stage, bool first, const tiles::Functions& functions);

}  // namespace sr::bands

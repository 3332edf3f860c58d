// The image's first convolution, in float32 whatever the rows between stages are: plain numbers and pointers.
#pragma once

#include <cstdint>

#include "tensor/bands/kernels.h"

namespace sr::bands {

struct FirstLayer {
  int64_t inputs = 0, outputs = 0, kernel = 0;  ///< outputs are a multiple of 16
  const float* weights = nullptr;               ///< [kernel][kernel][inputs][outputs]
  const float* bias = nullptr;
  float leak = 1;
};

/// Of pixels that its kernel computes together, at most.
constexpr int64_t kMostTogether = 8;

/// Packs a FirstLayer for `run` and jobs of so many columns. Errors: unsupported (more than a plain
/// convolution).
PackedStage pack_first(const Stage& stage, void (*run)(const void* layer, const Job& job), int64_t columns);

/// Errors: unsupported (channels between layers that are no multiple of 16).
void check_channels(const Stage& stage);

}  // namespace sr::bands

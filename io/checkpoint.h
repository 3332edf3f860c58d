// Checkpoints: named tensors and a JSON text in one checked file. docs/formats.md has the layout.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// What a checkpoint file holds. The meaning of the JSON object `meta` is the caller's (idn/model.h).
struct Checkpoint {
  std::string meta = "{}";
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< f32, contiguous, names unique
};

/// Writes under a temporary name, syncs, renames. Errors: io.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads and checks everything before it returns. Errors: io, format (foreign, truncated, corrupted, newer
/// version), limit.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace sr

// Checkpoints: named tensors and a JSON text in one checked file. docs/formats.md has the layout.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// What a checkpoint file holds. The meaning of the JSON object `meta` is the caller's (idn/model.h).
struct Checkpoint {
  std::string meta = "{}";                              ///< a JSON object
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< f32, not empty; names unique, 1 to 256 bytes
};

/// Writes under a temporary name, syncs, renames. The same content gives the same bytes. Errors: io; usage
/// (meta or a tensor or its name is not as Checkpoint says); limit.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads and checks everything before it returns; whether weights are finite is not its business. Errors: io,
/// format (foreign, truncated, corrupted), unsupported (newer version of the format), limit (over 1 GiB).
Checkpoint load_checkpoint(const std::string& path);

}  // namespace sr

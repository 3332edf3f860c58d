// A model's weights as safetensors files.
#pragma once

#include <string>

#include "idn/model.h"

namespace sr {

/// Writes the parameters under their names, in PyTorch's order of sides, and what a checkpoint says of the
/// network as metadata. Errors: io.
void save_model_as_safetensors(const std::string& path, const Model& model);

/// The model of a file that save_model_as_safetensors() wrote, or that has the names of IDN-pytorch or of
/// SPAN's authors (docs/formats.md has the tables). Errors: as load_safetensors; format (other names or
/// shapes, which are named).
Model model_of_safetensors(const std::string& path);

}  // namespace sr

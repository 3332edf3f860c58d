// Weights as safetensors files: named arrays behind a JSON header.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/formats/named_array.h"

namespace sr {

struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<NamedArray> arrays;  ///< names unique
};

/// Writes float32 under a temporary name, syncs, renames. The same content gives the same bytes. Errors: io;
/// usage (two arrays of one name, a text that is not UTF-8, values that are not as many as the shape says);
/// limit (over 1 GiB).
void save_safetensors(const std::string& path, const Safetensors& file);

/// Reads F32, F16 and BF16, all to float32, which holds them exactly. Arrays come in the order of their data.
/// As strict as the format: data without holes or overlaps, to the last byte. Errors: io, format (foreign,
/// truncated, corrupted), unsupported (other types), limit (over 1 GiB).
Safetensors load_safetensors(const std::string& path);

}  // namespace sr

// Networks as ONNX files: nodes between named values, and constants.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "io/formats/named_array.h"

namespace sr {

/// What an operator is told beside its inputs.
using OnnxAttribute = std::variant<int64_t, float, std::string, std::vector<int64_t>>;

struct OnnxNode {
  std::string type;                          ///< "Conv"
  std::vector<std::string> inputs, outputs;  ///< names of values; an input that is left out is ""
  std::map<std::string, OnnxAttribute> attributes;
};

/// A float32 value that goes into the graph or comes out of it.
struct OnnxValue {
  std::string name;
  std::vector<std::string> shape;  ///< of each dimension the size, or a name for one that is free
};

struct OnnxModel {
  int64_t opset = 13;
  std::string producer, name;
  std::vector<OnnxValue> inputs, outputs;
  std::vector<OnnxNode> nodes;                           ///< in an order in which they can run
  std::vector<NamedArray> weights;                       ///< constants of float32
  std::map<std::string, std::vector<int64_t>> integers;  ///< constants of int64, of rank 0 or 1
  std::map<std::string, std::string> metadata;
};

/// Writes under a temporary name, syncs, renames. The same content gives the same bytes. Errors: io, limit
/// (over 1 GiB).
void save_onnx(const std::string& path, const OnnxModel& model);

/// Constants are those of the graph and of its Constant nodes, which are left out of `nodes`; constants and
/// attributes of other types are left out. Whether the graph is a valid one is not its business. Errors: io,
/// format (not ONNX; a constant whose length differs from its shape), unsupported (constants in a file of
/// their own), limit (over 64 MiB: a hostile file may need forty times its size in memory).
OnnxModel load_onnx(const std::string& path);

}  // namespace sr

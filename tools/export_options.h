// The formats of other programs that convert_checkpoint writes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "idn/model.h"

namespace sr {

/// --to_onnx, --to_safetensors and what belongs to them.
struct ExportOptions {
  std::string onnx, safetensors;
  bool with_bicubic = false;
  int64_t tile = 0;
  std::vector<std::string> value_range, bands;

  /// Both need `from`.
  void add_to(CLI::App& app, CLI::Option* from);

  bool any() const { return !onnx.empty() || !safetensors.empty(); }
  /// Writes what was asked for; returns the files. Errors: usage, io.
  std::vector<std::string> write(const Model& model) const;
  /// Errors: usage (a file would replace `from`, or be written twice).
  void check_names(const std::string& from) const;

 private:
  std::string yaml_name() const;
};

}  // namespace sr

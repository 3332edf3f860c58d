// NAME.quality.json: how a result agrees with its scene, and all that it was made with.
#pragma once

#include <string>
#include <vector>

#include "scene/scene.h"

namespace sr {

struct ResultOrigin {
  std::string scene, result, checkpoint;
  std::vector<std::string> arguments;  ///< of the program
  std::string device;                  ///< for people
  double seconds = 0;
};

/// Measures the result and writes the record. Returns a line for people. Errors: as measure_quality and
/// write_file.
std::string write_quality_record(const std::string& path, const ResultOrigin& origin, const Model& model,
                                 const SceneDone& done);

}  // namespace sr

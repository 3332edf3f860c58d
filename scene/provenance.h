// What a result says of how it was made.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/tiff/input/reader.h"
#include "scene/tile/tile.h"

namespace sr {

/// What only the program knows; empty = nothing to say.
struct Origin {
  std::string software;     ///< its name and version
  std::string weights;      ///< checksum of the checkpoint's file
  std::string mean_values;  ///< checksum of a file of means that replaces those of the checkpoint
};

/// Items (name, text) for GDAL_METADATA, SUPERRES_...: software, method, and what decides the samples. The
/// same for the same input, weights and options: no dates, paths or numbers of threads. `precision` is that
/// of the network; without a model the bicubic result is meant.
std::vector<std::pair<std::string, std::string>> provenance(const Origin& origin, const TiffInfo& info,
                                                            const SceneSettings& settings, const Model* model,
                                                            const std::string& precision);

}  // namespace sr

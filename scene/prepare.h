// A scene that is open, and all that is settled before the first tile.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scene/plan.h"
#include "scene/scene.h"

namespace sr {

struct PreparedScene {
  TiffReader reader;
  const Model* model;      ///< nullptr: bicubic alone, or nothing but copied bands
  bool upscaled;           ///< whether there is a result beside the bicubic one
  SceneSettings settings;  ///< but for the ranges
  Window region;
  std::vector<int> gpus;  ///< that compute
  PlanOptions planning;
  ScenePlan plan;
};

/// Opens the scene and plans its tiles; writes and computes nothing. Errors: as upscale_scene's before it
/// computes.
PreparedScene prepare_scene(const std::string& path, const SceneResults& results, const Model* model,
                            int factor, const SceneOptions& options);

/// What the scene costs and where it can be cut, by its header alone; nothing if it cannot be opened, of
/// which upscale_scene() tells why. Errors: stopped.
SceneCost cost_of(const std::string& path, int factor, const SceneOptions& options);

/// "1200 x 800 x 3 u8 -> 2400 x 1600, luma through the network, 4 tiles of ..."
std::string description(const PreparedScene& scene);

/// From the scene's fine pixels to the result's, which begin at the region.
Window in_result(const Window& fine, const Window& region, int factor);

/// What the result's file says of itself: the region's pixels on the finer grid.
TiffInfo fine_info(const PreparedScene& scene);

}  // namespace sr

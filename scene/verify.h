// Windows of a result computed anew and compared with its file.
#pragma once

#include <string>

#include "scene/prepare.h"

namespace sr {

/// Recomputes so many random windows of the upscaled result without tiles and compares them bit for bit.
/// Results that differ are removed, and an upscaled one with its spread also where this is interrupted.
/// Errors: format (they differ), those of TiffReader.
void verify_or_remove(PreparedScene& scene, const SceneResults& results, int windows,
                      const SceneEvents& events);

}  // namespace sr

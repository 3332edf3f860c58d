// The coordinate system of a picture as GeoKeys.
#pragma once

#include <optional>
#include <string_view>

#include "io/tiff/tags/scene_tags.h"

namespace sr {

/// The EPSG code of a whole coordinate system in WKT (of version 1 or 2) or as "EPSG:n"; nothing if it has
/// none.
std::optional<int> epsg_of(std::string_view text);

/// The EPSG code of the projected, else of the geographic system of the tags' GeoKeys; nothing if it is one
/// of its own.
std::optional<int> epsg_of(const SceneTags& tags);

/// Makes the system of that code the one of the tags. False, and nothing is changed, if it is neither
/// projected nor geographic, as far as PROJ's data base knows.
bool set_epsg(SceneTags& tags, int code);

/// The year that coordinates of the tags' system are of, which moves on against the ground (OGC GeoTIFF 1.1,
/// annex; key 5120).
void set_coordinate_epoch(SceneTags& tags, double year);

}  // namespace sr

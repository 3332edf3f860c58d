// What GDAL keeps in files beside a TIFF, taken into its tags.
#pragma once

#include <string>
#include <vector>

#include "io/tiff/tags/scene_tags.h"

namespace sr {

/// Completes the tags of the TIFF `path` of so many bands, without alpha, from the files beside it, and makes
/// them say what GDAL takes from all of them. The georeference is that of NAME.tif.aux.xml, the TIFF's grid,
/// MapInfo's .tab, the world file or the TIFF's control points: the first that is there. The RPC is the
/// vendor's (.RPB, _RPC.TXT, RPC_NAME.XML, ...), the TIFF's or that of the .aux.xml. The coordinate system
/// and the nodata values of the .aux.xml come before the TIFF's. What GDAL reads and this does not is told in
/// `notes`. Errors: unsupported (bands have different nodata values).
void read_side_files(const std::string& path, int bands, SceneTags& tags, std::vector<std::string>& notes);

}  // namespace sr

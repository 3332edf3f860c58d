// Reads what a TIFF says about its picture: georeference, nodata and descriptive tags.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/scene_tags.h"

namespace sr {

/// The tags of the page at which `file` stands; the world file beside it when no tag gives a georeference.
SceneTags read_scene_tags(TiffFile& file);

/// A number in text, spaces around it allowed; "nan", "inf" and "-inf" too. Independent of the locale.
std::optional<double> parse_number(std::string_view text);

/// What GDAL_METADATA says of the colour of a band (from 0): "Alpha", "Red", "Undefined", ...; "" if nothing.
std::string colour_interpretation(const std::string& gdal_metadata, int band);

/// Sets the georeference from the world file (.tfw, .tifw, .tiffw, .wld) beside `tiff_path`, if there is a
/// readable one: pixel scale and tie point, or the transformation if it is rotated or south-up.
/// A world file gives the centre of the upper left pixel, the tags its corner.
void read_world_file(const std::string& tiff_path, SceneTags& tags);

/// Names of the files beside `tiff_path` in which GDAL keeps what else belongs to the picture, and which are
/// not read here: its mask (.tif.msk), RPC (_RPC.TXT, .RPB) and metadata (.tif.aux.xml).
std::vector<std::string> unread_sidecars(const std::string& tiff_path);

}  // namespace sr

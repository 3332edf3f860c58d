// Reads what a TIFF says about its picture: georeference, nodata and descriptive tags.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/tags/scene_tags.h"

namespace sr {

/// The tags of the page at which `file` stands, completed from the files beside it (side_files.h); `notes`
/// gets what the user should be told of these.
SceneTags read_scene_tags(TiffFile& file, std::vector<std::string>& notes);

/// A number in text, spaces around it allowed; "nan", "inf" and "-inf" too. Independent of the locale.
std::optional<double> parse_number(std::string_view text);

/// What GDAL_METADATA says of the colour of a band (from 0): "Alpha", "Red", "Undefined", ...; "" if nothing.
std::string colour_interpretation(const std::string& gdal_metadata, int band);

}  // namespace sr

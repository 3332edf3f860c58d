// What the texts of a scene say of its pixels, sizes and statistics, and what becomes of that on a finer
// grid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/tiff/tags/scene_tags.h"

namespace sr {

enum class GridText {
  item,        ///< of GDAL_METADATA; scope: its domain
  xmp,         ///< a property; scope: its namespace
  description  ///< ImageDescription as a whole; name: what it looks like
};

enum class GridRule {
  times,    ///< the number at its start is multiplied by the factor
  centre,   ///< a coordinate of pixel centres: (r + 1/2) * factor - 1/2
  dropped,  ///< it is not true of the result
  retold,   ///< without what tells the size and the number of pictures
  named     ///< kept, as it may speak of the sensor: the user is told
};

/// `scope` and `name` are patterns: capitals or not, * is any text.
struct GridRow {
  GridText where;
  std::string_view scope, name;
  GridRule rule;
};

inline constexpr std::string_view kXmpTiff = "http://ns.adobe.com/tiff/1.0/",
                                  kXmpExif = "http://ns.adobe.com/exif/1.0/",
                                  kXmpPanorama = "http://ns.google.com/photos/1.0/panorama/",
                                  kXmpDji = "http://www.dji.com/drone-dji/1.0/",
                                  kXmpDimensions = "http://ns.adobe.com/xap/1.0/sType/Dimensions#";

/// All that is known to depend on the grid; the first row that fits holds, what fits none is carried as it
/// is.
inline constexpr GridRow kGridRows[] = {
    {GridText::item, "*", "STATISTICS_*", GridRule::dropped},     // of the samples
    {GridText::item, "IMAGE_STRUCTURE", "*", GridRule::dropped},  // how the file was stored
    {GridText::item, "SUBDATASETS", "*", GridRule::dropped},      // names of parts of the old file
    {GridText::item, "DERIVED_SUBDATASETS", "*", GridRule::dropped},
    {GridText::item, "OVERVIEWS", "*", GridRule::dropped},
    {GridText::item, "", "SUPERRES_*", GridRule::dropped},  // the result gets its own
    {GridText::item, "RPC", "LINE_OFF", GridRule::centre},
    {GridText::item, "RPC", "SAMP_OFF", GridRule::centre},
    {GridText::item, "RPC", "LINE_SCALE", GridRule::times},
    {GridText::item, "RPC", "SAMP_SCALE", GridRule::times},
    {GridText::item, "GEOLOCATION", "PIXEL_OFFSET", GridRule::times},
    {GridText::item, "GEOLOCATION", "LINE_OFFSET", GridRule::times},
    {GridText::item, "GEOLOCATION", "PIXEL_STEP", GridRule::times},
    {GridText::item, "GEOLOCATION", "LINE_STEP", GridRule::times},
    {GridText::item, "*", "*GSD*", GridRule::named},
    {GridText::item, "*", "*GROUND_SAMPLE_DISTANCE*", GridRule::named},
    {GridText::item, "*", "*PIXEL*SIZE*", GridRule::named},
    {GridText::item, "*", "*PIXEL*SPACING*", GridRule::named},
    {GridText::item, "*", "*CELL*SIZE*", GridRule::named},
    {GridText::item, "*", "RESOLUTION", GridRule::named},
    {GridText::item, "*", "*SPATIAL*RESOLUTION*", GridRule::named},
    {GridText::item, "*", "*NUM*ROWS", GridRule::named},
    {GridText::item, "*", "*NUM*LINES", GridRule::named},
    {GridText::item, "*", "*NUM*COL*S", GridRule::named},
    {GridText::item, "*", "*NUM*SAMPLES", GridRule::named},
    {GridText::item, "*", "NROWS", GridRule::named},
    {GridText::item, "*", "NCOLS", GridRule::named},
    {GridText::item, "*", "ROWS", GridRule::named},
    {GridText::item, "*", "COLUMNS", GridRule::named},
    {GridText::item, "*", "WIDTH", GridRule::named},
    {GridText::item, "*", "HEIGHT", GridRule::named},
    {GridText::item, "*", "*IMAGE_WIDTH", GridRule::named},
    {GridText::item, "*", "*IMAGE_HEIGHT", GridRule::named},
    {GridText::item, "*", "LINES", GridRule::named},
    {GridText::item, "*", "SAMPLES", GridRule::named},
    {GridText::item, "*", "*_LINES", GridRule::named},  // Landsat's REFLECTIVE_LINES, ...
    {GridText::item, "*", "*_SAMPLES", GridRule::named},
    {GridText::item, "ENVI", "map_info", GridRule::named},
    {GridText::xmp, kXmpTiff, "ImageWidth", GridRule::times},
    {GridText::xmp, kXmpTiff, "ImageLength", GridRule::times},
    {GridText::xmp, kXmpTiff, "XResolution", GridRule::times},
    {GridText::xmp, kXmpTiff, "YResolution", GridRule::times},
    {GridText::xmp, kXmpExif, "PixelXDimension", GridRule::times},
    {GridText::xmp, kXmpExif, "PixelYDimension", GridRule::times},
    {GridText::xmp, kXmpExif, "FocalPlaneXResolution", GridRule::times},
    {GridText::xmp, kXmpExif, "FocalPlaneYResolution", GridRule::times},
    {GridText::xmp, kXmpPanorama, "*Pixels", GridRule::times},
    {GridText::xmp, kXmpPanorama, "LargestValidInteriorRect*", GridRule::times},
    {GridText::xmp, kXmpDji, "CalibratedFocalLength", GridRule::times},
    {GridText::xmp, kXmpDji, "CalibratedOpticalCenter*", GridRule::times},
    {GridText::xmp, kXmpDji, "DewarpData", GridRule::named},
    {GridText::xmp, kXmpDimensions, "w", GridRule::named},
    {GridText::xmp, kXmpDimensions, "h", GridRule::named},
    {GridText::description, "", "{*\"shape\":*", GridRule::retold},  // tifffile
    {GridText::description, "", "shape=*", GridRule::dropped},       // tifffile before 2015
    {GridText::description, "", "ImageJ=*", GridRule::retold},
    {GridText::description, "", "<*OME>", GridRule::dropped},
    {GridText::description, "", "Aperio *", GridRule::dropped},
    {GridText::description, "", "<*</scn>", GridRule::dropped},  // Leica
    {GridText::description, "", "<*</PerkinElmer-QPI-ImageDescription>", GridRule::dropped},
    {GridText::description, "", "<*</DataObject>", GridRule::dropped},  // Philips
    {GridText::description, "", "*pixel*size*", GridRule::named},
};

/// The row for a text, or null.
const GridRow* grid_row(GridText where, std::string_view scope, std::string_view name);

/// Treats the metadata, XMP and description of `tags` by the rows, for a grid `factor` times as fine. What no
/// row changes stays byte for byte.
void scale_texts(SceneTags& tags, int factor);

/// What people should be told of it: texts that are kept but speak of the coarse grid, and a description that
/// is left out.
std::vector<std::string> notes_on_texts(const SceneTags& tags);

}  // namespace sr

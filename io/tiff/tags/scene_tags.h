// What a TIFF says about its picture besides the samples, as it is carried over to a finer grid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sr {

/// Georeferencing and descriptive tags, as found in the file. Empty vector or text = the tag is absent.
/// GeoTIFF: OGC 19-008r4; the RPC tag: "RPCs in GeoTIFF" (geotiff.maptools.org/rpc_prop.html);
/// GDAL_METADATA (42112) and GDAL_NODATA (42113): GDAL's GTiff driver.
struct SceneTags {
  std::vector<double> pixel_scale;     ///< ModelPixelScale 33550: 3 values
  std::vector<double> tiepoints;       ///< ModelTiepoint 33922: 6 values each (i j k x y z); several = GCPs
  std::vector<double> transformation;  ///< ModelTransformation 34264: 16 values, row by row
  std::vector<uint16_t> geo_key_directory;  ///< 34735
  std::vector<double> geo_double_params;    ///< 34736
  std::string geo_ascii_params;             ///< 34737
  bool pixel_is_point = false;              ///< GTRasterTypeGeoKey is RasterPixelIsPoint
  std::vector<double> rpc;                  ///< 50844: 92 values
  std::string gdal_metadata;                ///< 42112, XML text
  std::string gdal_nodata;                  ///< 42113, the text as written
  std::vector<uint8_t> icc_profile;         ///< 34675
  std::vector<uint8_t> xmp;                 ///< 700, XML text
  std::vector<float> white_point;           ///< 318: x and y
  std::vector<float> primaries;             ///< 319: x and y of red, green and blue
  double x_resolution = 0;                  ///< 0 = absent
  double y_resolution = 0;                  ///< 0 = absent
  uint16_t resolution_unit = 0;             ///< 0 = absent
  uint16_t orientation = 0;                 ///< 0 = absent
  std::string description;                  ///< 270
  std::string software;                     ///< 305
  std::string date_time;                    ///< 306
  std::string artist;                       ///< 315
  std::string copyright;                    ///< 33432
  std::string document_name;                ///< 269
  std::string make;                         ///< 271
  std::string model;                        ///< 272
  std::string host_computer;                ///< 316
};

/// Texts that are carried over as they are: read, kept and written by this list alone.
struct TextTag {
  uint32_t number;                        ///< of the tag
  using Text = std::string SceneTags::*;  ///< one of its texts
  Text text;                              ///< where it is kept
};
/// All of them.
inline constexpr TextTag kTextTags[] = {
    {270, &SceneTags::description}, {305, &SceneTags::software},    {306, &SceneTags::date_time},
    {315, &SceneTags::artist},      {33432, &SceneTags::copyright}, {269, &SceneTags::document_name},
    {271, &SceneTags::make},        {272, &SceneTags::model},       {316, &SceneTags::host_computer},
};

/// The tags of the same scene on a grid `factor` times as fine: scale_georeference() of georeference.h for
/// its place on the ground, kGridRows of grid_texts.h for texts that speak of the grid or the samples.
SceneTags scaled(const SceneTags& tags, int factor);

}  // namespace sr

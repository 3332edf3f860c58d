// Files beside a picture that hold its georeference: world files and MapInfo's .tab.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/siblings.h"

namespace sr {

/// The grid of the world file: .tfw or what its name would be for another extension than .tif, .tifw, .wld,
/// the first that is one. Its six numbers, a line each, speak of pixel centres.
std::optional<GeoTransform> world_file_grid(const Siblings& beside);

/// What a .tab of MapInfo says of a raster.
struct TabFile {
  std::string name;                    ///< "" if there is none
  std::optional<GeoTransform> grid;    ///< if the points lie on one (within a quarter of a pixel)
  std::vector<double> control_points;  ///< if they do not: as tie points, six numbers each
  std::string coordinate_system;       ///< the line of CoordSys; "" if there is none
  std::optional<int> epsg;             ///< its code, if it is geographic or UTM on WGS 84, ETRS89 or NAD83
};
TabFile read_tab_file(const Siblings& beside);

/// The grid on which the tie points (six numbers each, raster coordinates of corners) lie, if all of them do
/// within a quarter of a pixel: the least squares fit, as GDAL makes it.
std::optional<GeoTransform> fitted_grid(const std::vector<double>& points);

}  // namespace sr

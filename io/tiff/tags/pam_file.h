// NAME.tif.aux.xml, in which GDAL and programs on it keep what they do not write into the TIFF itself.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/rpc_files.h"

namespace sr {

struct PamFile {
  std::string name;  ///< "" if there is none
  std::optional<GeoTransform> grid;
  std::vector<double> control_points;  ///< as tie points, six numbers each
  std::string coordinate_system;       ///< of the grid: WKT or "EPSG:n"; "" if there is none
  std::optional<double> epoch;         ///< of its coordinates, a year
  std::string control_point_system;    ///< of the control points
  RpcItems rpc;
  std::map<int, std::string> nodata;  ///< of bands by their numbers from 1, as exact as it is told
  std::string nodata_values;     ///< one for each band, which hide a pixel together: the item NODATA_VALUES
  bool categories = false;       ///< names of a band's categories, for which a TIFF has no place
  bool attributes = false;       ///< a table of what a band's values mean: the same
  std::set<std::string> others;  ///< what else there is, by name, beside statistics of the samples
  bool foreign = false;          ///< it is not of GDAL's form: ArcGIS has others
  bool damaged = false;          ///< it is no XML
};
PamFile read_pam_file(const Siblings& beside);

}  // namespace sr

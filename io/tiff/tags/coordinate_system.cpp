#include "io/tiff/tags/coordinate_system.h"

#include <geo_normalize.h>
#include <geokeys.h>
#include <geovalues.h>

#include <algorithm>
#include <string>

namespace sr {

std::optional<int> epsg_of(std::string_view text) {
  std::string end;  // without spaces
  for (const char c : text.substr(text.size() - std::min<size_t>(text.size(), 200))) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') end += c;
  }
  // The code of the whole stands before the last bracket; those of its parts are deeper.
  const bool wkt = end.ends_with("]]");
  if (wkt) end.resize(end.size() - 2);
  if (wkt && end.ends_with('"')) end.pop_back();
  const size_t code = end.find_last_not_of("0123456789") + 1;
  const std::string digits = end.substr(code);
  end.resize(code);
  if (wkt && end.ends_with('"')) end.pop_back();
  const bool named = wkt ? end.ends_with("AUTHORITY[\"EPSG\",") || end.ends_with("ID[\"EPSG\",")
                         : end == "EPSG:" || end == "epsg:";
  if (!named || digits.empty() || digits.size() > 5) return std::nullopt;
  return std::stoi(digits);
}

std::optional<int> epsg_of(const SceneTags& tags) {
  for (const uint16_t key : {ProjectedCSTypeGeoKey, GeographicTypeGeoKey})
    for (size_t i = 4; i + 3 < tags.geo_key_directory.size(); i += 4) {
      const uint16_t* const entry = &tags.geo_key_directory[i];
      if (entry[0] != key || entry[1] != 0) continue;
      return entry[3] == KvUserDefined || entry[3] == KvUndefined ? std::nullopt
                                                                  : std::optional<int>(entry[3]);
    }
  return std::nullopt;
}

bool set_epsg(SceneTags& tags, int code) {
  const bool projected = GTIFGetPCSInfo(code, nullptr, nullptr, nullptr, nullptr) == 1;
  if (code > UINT16_MAX) return false;
  if (!projected && GTIFGetGCSInfo(code, nullptr, nullptr, nullptr, nullptr) != 1) return false;
  const uint16_t key = projected ? ProjectedCSTypeGeoKey : GeographicTypeGeoKey;
  const auto value = static_cast<uint16_t>(code);
  for (size_t i = 4; i + 3 < tags.geo_key_directory.size(); i += 4) {
    const uint16_t* const entry = &tags.geo_key_directory[i];
    if (entry[0] == key && entry[1] == 0 && entry[3] == value) return true;  // and more may be said beside it
  }
  const uint16_t model = projected ? ModelTypeProjected : ModelTypeGeographic;
  const uint16_t raster = tags.pixel_is_point ? RasterPixelIsPoint : RasterPixelIsArea;
  tags.geo_key_directory = {1,   1, 0, 3,    GTModelTypeGeoKey, 0, 1, model, GTRasterTypeGeoKey, 0, 1, raster,
                            key, 0, 1, value};
  tags.geo_double_params.clear();
  tags.geo_ascii_params.clear();
  return true;
}

void set_coordinate_epoch(SceneTags& tags, double year) {
  constexpr uint16_t kCoordinateEpochKey = 5120, kDoubleParams = 34736;
  std::vector<uint16_t>& keys = tags.geo_key_directory;
  if (keys.size() < 4) return;
  for (size_t i = 4; i + 3 < keys.size(); i += 4) {
    if (keys[i] != kCoordinateEpochKey || keys[i + 1] != kDoubleParams) continue;
    if (keys[i + 3] < tags.geo_double_params.size()) tags.geo_double_params[keys[i + 3]] = year;
    return;
  }
  const auto at = static_cast<uint16_t>(tags.geo_double_params.size());
  keys.insert(keys.end(), {kCoordinateEpochKey, kDoubleParams, 1, at});  // the largest of all keys
  ++keys[3];
  tags.geo_double_params.push_back(year);
}

}  // namespace sr

#include "io/tiff/tags/georeference.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <pugixml.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "io/tiff/tags/read_tags.h"
#include "io/tiff/tags/siblings.h"

namespace sr {
namespace {

// Of the RPC tag's 92 numbers.
constexpr size_t kLineOffset = 2, kSampleOffset = 3, kLineScale = 7, kSampleScale = 8;

bool has_scale(const SceneTags& tags) {
  return tags.pixel_scale.size() >= 2 && tags.pixel_scale[0] != 0 && tags.pixel_scale[1] != 0;
}

double scaled_corner(double coordinate, int factor) {
  return coordinate * factor;
}
double scaled_centre(double coordinate, int factor) {
  return (coordinate + 0.5) * factor - 0.5;
}

/// The matrix times the affine map from fine to coarse raster coordinates: columns i and j shrink, and what
/// half a pixel is worth moves into the last column if coordinates name centres. All rows alike; k stays.
void scale_matrix(std::vector<double>& matrix, int factor, bool pixel_is_point) {
  if (matrix.size() != 16) return;
  const double shift = pixel_is_point ? 0.5 / factor - 0.5 : 0.0;
  for (size_t row = 0; row < 16; row += 4) {
    matrix[row + 3] += (matrix[row] + matrix[row + 1]) * shift;
    matrix[row] /= factor;
    matrix[row + 1] /= factor;
  }
}

void scale_rpc(std::vector<double>& rpc, int factor) {
  if (rpc.size() <= kSampleScale) return;
  for (const size_t i : {kLineOffset, kSampleOffset}) rpc[i] = scaled_centre(rpc[i], factor);
  for (const size_t i : {kLineScale, kSampleScale}) rpc[i] *= factor;
}

/// GDAL_METADATA after the offsets of its RPC, which GDAL takes if there is no RPC tag, have been moved.
std::string moved_rpc_items(const std::string& xml, double x, double y) {
  pugi::xml_document document;
  if (xml.find("_OFF") == std::string::npos || !document.load_buffer(xml.data(), xml.size())) return xml;
  for (pugi::xml_node item : document.child("GDALMetadata").children("Item")) {
    const std::string_view name = item.attribute("name").value();
    const auto value = parse_number(item.text().get());
    const bool line = name == "LINE_OFF", offset = line || name == "SAMP_OFF";
    if (!offset || !value || std::string_view(item.attribute("domain").value()) != "RPC") continue;
    item.text().set(shortest_text(*value - (line ? y : x)).c_str());
  }
  std::ostringstream text;
  document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
  return text.str();
}

}  // namespace

std::array<double, 2> applied(const GeoTransform& g, double column, double row) {
  return {g[0] + g[1] * column + g[2] * row, g[3] + g[4] * column + g[5] * row};
}

std::optional<GeoTransform> geo_transform_of(const SceneTags& tags) {
  GeoTransform g{};
  const auto& m = tags.transformation;
  const auto& t = tags.tiepoints;
  if (has_scale(tags)) {
    if (t.size() < 6) return std::nullopt;
    // GDAL takes a negative scale for a slip: rows go south.
    const double x = tags.pixel_scale[0], y = -std::abs(tags.pixel_scale[1]);
    g = {t[3] - t[0] * x, x, 0, t[4] - t[1] * y, 0, y};
  } else if (m.size() == 16) {
    g = {m[3], m[0], m[1], m[7], m[4], m[5]};
  } else {
    return std::nullopt;
  }
  if (tags.pixel_is_point) {
    g[0] -= (g[1] + g[2]) / 2;
    g[3] -= (g[4] + g[5]) / 2;
  }
  return g;
}

void set_geo_transform(SceneTags& tags, const GeoTransform& g) {
  const double half = tags.pixel_is_point ? 0.5 : 0;
  const double x = g[0] + (g[1] + g[2]) * half, y = g[3] + (g[4] + g[5]) * half;
  set_control_points(tags, {});
  if (g[2] == 0 && g[4] == 0 && g[1] > 0 && g[5] < 0) {
    tags.pixel_scale = {g[1], -g[5], 0};
    tags.tiepoints = {0, 0, 0, x, y, 0};
  } else {
    tags.transformation = {g[1], g[2], 0, x, g[4], g[5], 0, y, 0, 0, 0, 0, 0, 0, 0, 1};
  }
}

void set_control_points(SceneTags& tags, const std::vector<double>& points) {
  tags.pixel_scale.clear();
  tags.transformation.clear();
  tags.tiepoints = points;
  for (size_t i = 0; tags.pixel_is_point && i + 5 < points.size(); i += 6) {
    tags.tiepoints[i] -= 0.5;
    tags.tiepoints[i + 1] -= 0.5;
  }
}

void drop_unused_georeference(SceneTags& tags) {
  if (has_scale(tags) || tags.transformation.size() != 16) {
    tags.transformation.clear();
  } else {
    tags.pixel_scale.clear();
    tags.tiepoints.clear();
  }
}

void scale_georeference(SceneTags& tags, int factor) {
  const auto raster = tags.pixel_is_point ? scaled_centre : scaled_corner;
  for (size_t i = 0; i < std::min<size_t>(2, tags.pixel_scale.size()); ++i) tags.pixel_scale[i] /= factor;
  for (size_t i = 0; i + 5 < tags.tiepoints.size(); i += 6) {
    tags.tiepoints[i] = raster(tags.tiepoints[i], factor);
    tags.tiepoints[i + 1] = raster(tags.tiepoints[i + 1], factor);
  }
  scale_matrix(tags.transformation, factor, tags.pixel_is_point);
  scale_rpc(tags.rpc, factor);
}

SceneTags cropped(const SceneTags& tags, int64_t x, int64_t y) {
  const auto right = static_cast<double>(x), down = static_cast<double>(y);
  SceneTags part = tags;
  for (size_t i = 0; i + 5 < part.tiepoints.size(); i += 6) {
    part.tiepoints[i] -= right;
    part.tiepoints[i + 1] -= down;
  }
  for (size_t row = 0; part.transformation.size() == 16 && row < 16; row += 4) {
    double* const m = &part.transformation[row];
    m[3] += m[0] * right + m[1] * down;
  }
  if (part.rpc.size() > kSampleOffset) {
    part.rpc[kLineOffset] -= down;
    part.rpc[kSampleOffset] -= right;
  }
  part.gdal_metadata = moved_rpc_items(tags.gdal_metadata, right, down);
  return part;
}

}  // namespace sr

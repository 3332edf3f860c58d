// Where on the ground the pixels of a picture lie: the one georeference that its tags give, and the same on
// another grid.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "io/tiff/tags/scene_tags.h"

namespace sr {

/// x = g[0] + g[1] column + g[2] row and y = g[3] + g[4] column + g[5] row, where (0, 0) is the outer corner
/// of the first pixel: GDAL's geotransform.
using GeoTransform = std::array<double, 6>;

/// The ground point (x, y) of a raster point.
std::array<double, 2> applied(const GeoTransform& grid, double column, double row);

/// The grid that GDAL takes from the tags: pixel scale and first tie point, or else the matrix. Nothing if
/// there is none; ground control points and RPC are not looked at.
std::optional<GeoTransform> geo_transform_of(const SceneTags& tags);

/// Makes the grid the georeference of the tags, instead of any that they have; RPC and coordinate system
/// stay.
void set_geo_transform(SceneTags& tags, const GeoTransform& grid);

/// The same with ground control points: six numbers each (i j k x y z), where (0, 0) is the outer corner of
/// the first pixel.
void set_control_points(SceneTags& tags, const std::vector<double>& points);

/// Leaves out the tags that contradict those that GDAL takes: the matrix beside a pixel scale; a scale
/// without use, and tie points, beside the matrix; a matrix that has not 16 numbers.
void drop_unused_georeference(SceneTags& tags);

/// The same ground on a grid `factor` times as fine, whose upper left corner is the same point.
/// A raster coordinate r becomes r*factor where it names pixel corners (PixelIsArea) and
/// (r + 1/2)*factor - 1/2 where it names pixel centres (PixelIsPoint, RPC offsets).
void scale_georeference(SceneTags& tags, int factor);

/// The tags of the part of the picture that begins at column x and row y.
SceneTags cropped(const SceneTags& tags, int64_t x, int64_t y);

}  // namespace sr

#include "scene/region.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/tiff/tags/georeference.h"
#include "tensor/error.h"

namespace sr {
namespace {

// Of a pixel: a box that ends on a pixel's edge does not reach the next pixel, however it was rounded.
constexpr double kTolerance = 1e-6;

Window checked(const Window& w, const TiffInfo& info) {
  const bool within = w.x >= 0 && w.y >= 0 && w.w >= 1 && w.h >= 1 && w.w <= info.width &&
                      w.h <= info.height && w.x <= info.width - w.w && w.y <= info.height - w.h;
  if (!within)
    throw Error(Error::Kind::usage, "the region of ", w.w, " x ", w.h, " pixels at ", w.x, ", ", w.y,
                " is not within the scene of ", info.width, " x ", info.height, " pixels");
  return w;
}

// From the smallest to the largest of some values, as whole pixels of 0..length; empty if they are beside it.
std::pair<int64_t, int64_t> covered(const std::array<double, 4>& values, int64_t length) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const auto end = static_cast<double>(length);
  return {static_cast<int64_t>(std::clamp(std::floor(*low + kTolerance), 0.0, end)),
          static_cast<int64_t>(std::clamp(std::ceil(*high - kTolerance), 0.0, end))};
}

Window covering(const GroundBox& box, const TiffInfo& info) {
  const std::optional<GeoTransform> grid = geo_transform_of(info.tags);
  if (!grid)
    throw Error(
        Error::Kind::usage,
        "the scene has no grid on the ground, which a region in coordinates needs; give it in pixels");
  const GeoTransform& g = *grid;
  const double determinant = g[1] * g[5] - g[2] * g[4];
  std::array<double, 4> columns{}, rows{};
  for (size_t corner = 0; corner < 4; ++corner) {
    const double x = (corner & 1 ? box.max_x : box.min_x) - g[0];
    const double y = (corner & 2 ? box.max_y : box.min_y) - g[3];
    columns[corner] = (x * g[5] - y * g[2]) / determinant;
    rows[corner] = (y * g[1] - x * g[4]) / determinant;
    if (!std::isfinite(columns[corner]) || !std::isfinite(rows[corner]))
      throw Error(Error::Kind::usage,
                  "the scene's grid on the ground is degenerate; give the region in pixels");
  }
  const auto [left, right] = covered(columns, info.width);
  const auto [top, bottom] = covered(rows, info.height);
  if (left >= right || top >= bottom)
    throw Error(Error::Kind::usage, "the region ", box.min_x, ",", box.min_y, ",", box.max_x, ",", box.max_y,
                " has no pixel of the scene");
  return {left, top, right - left, bottom - top};
}

}  // namespace

Window window_of(const Region& region, const TiffInfo& info) {
  if (region.pixels) return checked(*region.pixels, info);
  if (region.ground) return covering(*region.ground, info);
  return {0, 0, info.width, info.height};
}

}  // namespace sr

#include "scene/invented/landscape.h"

#include <array>

#include "scene/invented/noise.h"
#include "scene/invented/paint.h"

namespace sr {
namespace {

using namespace landscape_noise;
using namespace landscape_paint;

/// The piece of land that a point lies in: a cell of a Voronoi diagram, with the way along its nearest
/// border.
struct Region {
  uint32_t id = 0;
  Point local;             ///< from the middle of the cell, along its main direction
  float border = 0;        ///< distance to the nearest border
  float along = 0;         ///< coordinate along that border
  uint32_t border_id = 0;  ///< the same from both sides
};

constexpr float kRegionSize = 470;

Region region_at(double x, double y, uint32_t seed) {
  const auto nx = static_cast<float>(x), ny = static_cast<float>(y);
  // Bent a little, so that roads along the borders wind.
  const double bent_x = x + 90 * (noise(nx / 330, ny / 330, seed + 1) - 0.5f);
  const double bent_y = y + 90 * (noise(nx / 330, ny / 330, seed + 2) - 0.5f);
  const auto cell_x = static_cast<int32_t>(std::floor(bent_x / kRegionSize));
  const auto cell_y = static_cast<int32_t>(std::floor(bent_y / kRegionSize));
  std::array<Point, 9> sites{};
  std::array<uint32_t, 9> ids{};
  size_t nearest = 0;
  float best = 1e30f;
  for (size_t i = 0; i < 9; ++i) {
    const int32_t cx = cell_x + static_cast<int32_t>(i % 3) - 1,
                  cy = cell_y + static_cast<int32_t>(i / 3) - 1;
    ids[i] = hash(cx, cy, seed + 3);
    sites[i].x = static_cast<float>(
        (static_cast<float>(cx) + between(ids[i], 1, 0.15f, 0.85f)) * kRegionSize - bent_x);
    sites[i].y = static_cast<float>(
        (static_cast<float>(cy) + between(ids[i], 2, 0.15f, 0.85f)) * kRegionSize - bent_y);
    const float distance = sites[i].x * sites[i].x + sites[i].y * sites[i].y;
    if (distance < best) best = distance, nearest = i;
  }
  Region region;
  region.id = ids[nearest];
  region.border = 1e30f;
  const Point a = sites[nearest];
  for (size_t i = 0; i < 9; ++i) {
    if (i == nearest) continue;
    const Point b = sites[i], middle{(a.x + b.x) / 2, (a.y + b.y) / 2};
    const float length = length_of(b.x - a.x, b.y - a.y);
    const Point normal{(b.x - a.x) / length, (b.y - a.y) / length};
    const float distance = middle.x * normal.x + middle.y * normal.y;
    if (distance >= region.border) continue;
    region.border = distance;
    region.border_id = ids[nearest] ^ ids[i];
    const float side = ids[nearest] < ids[i] ? 1.0f : -1.0f;
    region.along = side * (middle.x * normal.y - middle.y * normal.x);
  }
  const Point unbent{-a.x + static_cast<float>(x - bent_x), -a.y + static_cast<float>(y - bent_y)};
  region.local = rotated(unbent, between(region.id, 3, 0, 3.14159f));
  return region;
}

/// 0 .. 1 across stripes of one period.
float stripes(float position, float period) {
  return 0.5f + 0.5f * std::sin(position * (6.2831853f / period));
}

/// Pairs of wheel tracks, one pair in every `spacing`.
float wheel_tracks(float position, float spacing) {
  const float in_lane = position - spacing * std::floor(position / spacing) - spacing / 2;
  return coverage(std::abs(std::abs(in_lane) - 2.6f) - 0.6f);
}

Reflectance soil(uint32_t id, float patches) {
  const Reflectance dark{0.36f, 0.28f, 0.21f, 0.34f}, light{0.60f, 0.50f, 0.39f, 0.52f};
  return mix(dark, light, clamp01(0.7f * unit(id, 20) + 0.5f * patches - 0.1f));
}

Reflectance ploughed(uint32_t id, float across, float patches) {
  const float furrow = stripes(across, between(id, 10, 3.0f, 8.0f));
  return times(soil(id, patches), 0.80f + 0.34f * furrow);
}

Reflectance crop(uint32_t id, float across, float patches) {
  static constexpr Reflectance kPlants[] = {{0.24f, 0.40f, 0.17f, 0.72f},   // maize
                                            {0.33f, 0.47f, 0.20f, 0.70f},   // young wheat
                                            {0.72f, 0.63f, 0.40f, 0.52f},   // ripe wheat
                                            {0.78f, 0.74f, 0.25f, 0.62f},   // rape
                                            {0.47f, 0.52f, 0.27f, 0.60f}};  // barley
  const Reflectance plant = kPlants[static_cast<size_t>(unit(id, 11) * 4.999f)];
  const float rows = stripes(across, between(id, 10, 2.8f, 6.0f));
  const float tracks = wheel_tracks(across, between(id, 12, 26, 44));
  const Reflectance rough = mix(plant, soil(id, patches), 0.30f * (1 - rows) + 0.25f * patches);
  return mix(rough, soil(id, patches), 0.6f * tracks);
}

Reflectance meadow(uint32_t id, Point p, float across, float patches, uint32_t seed) {
  const Reflectance lush{0.27f, 0.41f, 0.17f, 0.70f}, dry{0.55f, 0.53f, 0.31f, 0.55f};
  const float mown =
      unit(id, 13) < 0.5f ? 0.12f * std::round(stripes(across, between(id, 14, 16, 28))) : 0.0f;
  const float tufts = 0.16f * noise(p.x * 0.4f, p.y * 0.4f, seed + 5);
  const Reflectance grass =
      times(mix(lush, dry, clamp01(0.6f * unit(id, 15) + 0.6f * patches - 0.2f)), 0.9f + tufts + mown);
  return with_trees(grass, trees_at(p.x, p.y, 19, 0.03f, seed + 6));
}

Reflectance orchard(uint32_t id, Point p, float across, float patches) {
  const Reflectance ground = mix(soil(id, patches), {0.36f, 0.45f, 0.22f, 0.65f}, 0.6f);
  const float row = across - 11 * std::floor(across / 11);
  Trees trees = trees_at(p.x, p.y, 6.5f, 0.95f, id);
  const float inside = coverage(std::abs(row - 5.5f) - 2.9f);
  trees.crown *= inside;
  trees.shadow *= coverage(std::abs(row - 6.8f) - 3.2f);
  return with_trees(ground, trees);
}

/// Fields side by side in rows of different depth, each with its own plant and direction of work.
Reflectance farmland(const Region& region, Point p, uint32_t seed) {
  const Point at = region.local;
  const float depth = between(region.id, 4, 95, 150);
  const float row = std::floor(at.y / depth);
  const uint32_t row_id = hash(static_cast<int32_t>(row), 1, region.id);
  const float length = between(row_id, 1, 70, 260), shifted = at.x + 1000 * unit(row_id, 2);
  const float column = std::floor(shifted / length);
  const uint32_t id = hash(static_cast<int32_t>(column), 2, row_id);
  const float in_x = shifted - column * length, in_y = at.y - row * depth;
  const float edge = std::min(std::min(in_x, length - in_x), std::min(in_y, depth - in_y));
  const float across = unit(id, 3) < 0.5f ? in_x : in_y;
  const float patches =
      0.65f * noise(p.x / 60, p.y / 60, seed + 7) + 0.35f * noise(p.x / 13, p.y / 13, seed + 8);
  const float kind = unit(id, 4);
  const Reflectance field = kind < 0.26f   ? ploughed(id, across, patches)
                            : kind < 0.68f ? crop(id, across, patches)
                            : kind < 0.90f ? meadow(id, p, across, patches, seed)
                                           : orchard(id, p, across, patches);
  const Reflectance strip =
      times({0.42f, 0.47f, 0.25f, 0.62f}, 0.85f + 0.3f * noise(p.x * 0.5f, p.y * 0.5f, seed + 9));
  const Reflectance bordered = mix(field, strip, coverage(edge - 1.6f));
  if (unit(row_id, 5) > 0.45f || std::min(in_y, depth - in_y) > 9) return bordered;
  Trees hedge = trees_at(p.x, p.y, 8, 0.85f, seed + 10);
  hedge.crown *= coverage(std::min(in_y, depth - in_y) - 4);
  hedge.shadow *= coverage(std::min(in_y, depth - in_y) - 7);
  return with_trees(bordered, hedge);
}

struct House {
  Point middle;
  float half_length = 0, half_width = 0, height = 0, angle = 0;
  uint32_t id = 0;
};

/// Two roof faces with a ridge between; `sun` points from the sun in the frame of the house.
Reflectance roof(const House& house, Point in_house, Point sun) {
  static constexpr Reflectance kTiles[] = {{0.66f, 0.37f, 0.27f, 0.45f}, {0.58f, 0.31f, 0.24f, 0.40f},
                                           {0.50f, 0.42f, 0.38f, 0.42f}, {0.40f, 0.41f, 0.44f, 0.38f},
                                           {0.74f, 0.70f, 0.64f, 0.60f}, {0.70f, 0.45f, 0.33f, 0.48f}};
  const Reflectance tiles = kTiles[static_cast<size_t>(unit(house.id, 30) * 5.999f)];
  const float ridge = coverage(-in_house.y);  // 1 on the far side
  const float light = lerp(1.0f + 0.30f * sun.y, 1.0f - 0.30f * sun.y, ridge);
  const float courses = 0.95f + 0.08f * stripes(in_house.y, 2.9f);
  const float top = 0.14f * coverage(std::abs(in_house.y) - 0.5f);
  return times(tiles, light * courses + top);
}

Reflectance with_house(const Reflectance& ground, const House& house, Point at, Point sun) {
  const Point centred{at.x - house.middle.x, at.y - house.middle.y};
  float shadow = 0;
  for (const float t : {0.25f, 0.5f, 0.75f, 1.0f}) {
    const Point p{centred.x - sun.x * house.height * t, centred.y - sun.y * house.height * t};
    shadow = std::max(shadow,
                      coverage(box_distance(rotated(p, house.angle), house.half_length, house.half_width)));
  }
  const Point in_house = rotated(centred, house.angle);
  const Reflectance dark = shaded(ground, shadow);
  const float inside = coverage(box_distance(in_house, house.half_length, house.half_width));
  if (inside == 0) return dark;
  return mix(dark, roof(house, in_house, rotated(sun, house.angle)), inside);
}

Reflectance garden(uint32_t id, Point p, Point in_lot, uint32_t seed) {
  const Reflectance lawn = mix({0.33f, 0.45f, 0.21f, 0.70f}, {0.52f, 0.52f, 0.33f, 0.55f}, unit(id, 21));
  Reflectance ground = times(lawn, 0.88f + 0.24f * noise(p.x * 0.3f, p.y * 0.3f, seed + 11));
  const float drive = box_distance({in_lot.x - between(id, 22, -12, 12), in_lot.y + 18}, 2.2f, 9);
  ground = mix(ground, {0.66f, 0.63f, 0.59f, 0.58f}, coverage(drive));
  if (unit(id, 23) < 0.25f) {
    const float pool = box_distance({in_lot.x - between(id, 24, -10, 10), in_lot.y - 17}, 4.5f, 2.4f);
    ground = mix(ground, {0.86f, 0.84f, 0.80f, 0.70f}, coverage(pool - 1.3f));
    ground = mix(ground, {0.24f, 0.62f, 0.72f, 0.08f}, coverage(pool));
  }
  return ground;
}

/// Blocks of two rows of lots between streets.
Reflectance village(const Region& region, Point p, uint32_t seed) {
  constexpr float kLotWidth = 42, kLotDepth = 56, kStreet = 11;
  constexpr float kPeriodX = 4 * kLotWidth + kStreet, kPeriodY = 2 * kLotDepth + kStreet;
  const Point at = region.local;
  const float block_x = std::floor(at.x / kPeriodX), block_y = std::floor(at.y / kPeriodY);
  const float in_x = at.x - block_x * kPeriodX - kStreet, in_y = at.y - block_y * kPeriodY - kStreet;
  const auto from_axis = [](float in, float period) {
    return std::min(std::abs(in + kStreet / 2), std::abs(in + kStreet / 2 - period));
  };
  const float street = std::min(from_axis(in_x, kPeriodX), from_axis(in_y, kPeriodY)) - kStreet / 2;
  const float lot_x = std::floor(std::max(in_x, 0.0f) / kLotWidth), lot_y = in_y < kLotDepth ? 0.0f : 1.0f;
  const uint32_t block = hash(static_cast<int32_t>(block_x), static_cast<int32_t>(block_y), region.id);
  const uint32_t id = hash(static_cast<int32_t>(lot_x), static_cast<int32_t>(lot_y), block);
  Point in_lot{in_x - (lot_x + 0.5f) * kLotWidth, in_y - (lot_y + 0.5f) * kLotDepth};
  Point sun = rotated({kShadowX, kShadowY}, between(region.id, 3, 0, 3.14159f));
  // Lots of the second row are mirrored: every house has the street in front and the garden behind.
  if (lot_y == 1) in_lot.y = -in_lot.y, sun.y = -sun.y;
  Reflectance ground = garden(id, p, in_lot, seed);
  const float hedge = std::min(kLotWidth / 2 - std::abs(in_lot.x), kLotDepth / 2 - std::abs(in_lot.y));
  ground = mix(ground, {0.17f, 0.27f, 0.13f, 0.55f}, unit(id, 25) * coverage(std::abs(hedge - 1) - 0.9f));
  if (unit(id, 26) < 0.92f) {
    const House house{{between(id, 27, -4, 4), between(id, 28, -8, -3)},
                      between(id, 29, 8, 12.5f),
                      between(id, 31, 5.5f, 8),
                      between(id, 32, 6, 10),
                      0.12f * (unit(id, 33) - 0.5f) + (unit(id, 34) < 0.2f ? 1.5708f : 0.0f),
                      id};
    ground = with_house(ground, house, in_lot, sun);
  }
  const Trees trees = trees_at(p.x, p.y, 13, 0.16f, seed + 12);
  ground = with_trees(ground, trees);
  const Reflectance pavement{0.60f, 0.58f, 0.56f, 0.55f}, asphalt{0.42f, 0.42f, 0.43f, 0.40f};
  ground = mix(ground, pavement, coverage(street));
  return mix(ground, asphalt, coverage(street + 2));
}

Reflectance forest(Point p, uint32_t seed) {
  const Reflectance ferns =
      times({0.24f, 0.29f, 0.16f, 0.48f}, 0.7f + 0.6f * noise(p.x * 0.3f, p.y * 0.3f, seed + 13));
  Trees trees = trees_at(p.x, p.y, 12, 0.88f, seed + 14);
  trees.light *= 1.0f + 0.3f * noise(p.x / 45, p.y / 45, seed + 26);
  trees.tone = 0.5f * trees.tone + 0.5f * noise(p.x / 80, p.y / 80, seed + 27);
  return with_trees(ferns, trees);
}

/// One river in every 2,600 columns, winding downwards. Far from it: a lower bound.
float river_distance(double x, double y, uint32_t seed) {
  constexpr double kSpacing = 2600;
  const double shifted = x - 640 + kSpacing / 2;
  const double column = std::floor(shifted / kSpacing);
  const auto from_middle = static_cast<float>(shifted - column * kSpacing - kSpacing / 2);
  constexpr float kLargestBend = 270;
  if (std::abs(from_middle) > kLargestBend + 200) return std::abs(from_middle) - kLargestBend;
  const uint32_t salt = hash(static_cast<int32_t>(column), 3, seed);
  const auto bend = [&](double at) {
    const auto t = static_cast<float>(at);
    return 430 * (noise(t / 520, 0.5f, salt) - 0.5f) + 110 * (noise(t / 150, 0.5f, salt + 1) - 0.5f);
  };
  const float slope = (bend(y + 4) - bend(y - 4)) / 8;
  const float offset = from_middle - bend(y);
  return std::abs(offset) / std::sqrt(1 + slope * slope);
}

Reflectance with_river(const Reflectance& land, double x, double y, Point p, uint32_t seed) {
  const float distance = river_distance(x, y, seed);
  if (distance > 75) return land;
  const float bank = 24 + 14 * noise(p.x / 90, p.y / 90, seed + 15) + 3 * noise(p.x / 9, p.y / 9, seed + 16);
  const float from_bank = distance - bank;
  const Reflectance grass =
      times({0.34f, 0.43f, 0.22f, 0.66f}, 0.85f + 0.3f * noise(p.x * 0.3f, p.y * 0.3f, seed + 17));
  Reflectance result = mix(land, grass, coverage((from_bank - 24) / 4));
  Trees trees = trees_at(p.x, p.y, 13, 0.5f, seed + 18);
  if (from_bank > 27) trees.crown = trees.shadow = 0;
  const float sand = coverage(from_bank - 4 * noise(p.x / 17, p.y / 17, seed + 19) - 1);
  result = mix(result, {0.70f, 0.64f, 0.51f, 0.60f}, sand);
  const float ripple = stripes(distance + 6 * noise(p.x / 8, p.y / 8, seed + 20), 5) * 0.05f;
  const float shallow = clamp01(1 + from_bank / 22);
  const Reflectance water =
      mix({0.13f, 0.25f, 0.29f, 0.04f}, {0.27f, 0.38f, 0.35f, 0.10f}, shallow * shallow);
  result = mix(result, times(water, 0.94f + ripple * 2), coverage(from_bank));
  // Trees keep away from the water, but their shadows reach it.
  trees.crown *= coverage(4 - from_bank);
  trees.shadow *= coverage(-4 - from_bank);
  return with_trees(result, trees);
}

/// Cars of four by two pixels on the right-hand side.
Reflectance with_cars(const Reflectance& road, const Region& region, float lane) {
  constexpr float kGap = 38;
  const float along = region.along + 500 * unit(region.id, 40);
  const float cell = std::floor(along / kGap);
  const uint32_t id = hash(static_cast<int32_t>(cell), 4, region.border_id ^ (region.id * 3));
  if (unit(id, 1) > 0.35f) return road;
  const Point at{along - (cell + between(id, 2, 0.2f, 0.8f)) * kGap, region.border - lane};
  static constexpr Reflectance kPaint[] = {{0.93f, 0.93f, 0.92f, 0.9f},
                                           {0.16f, 0.17f, 0.19f, 0.15f},
                                           {0.70f, 0.16f, 0.14f, 0.5f},
                                           {0.62f, 0.65f, 0.68f, 0.6f},
                                           {0.18f, 0.28f, 0.52f, 0.3f}};
  const Reflectance paint = kPaint[static_cast<size_t>(unit(id, 3) * 4.999f)];
  const Reflectance ground =
      shaded(road, 0.8f * coverage(box_distance({at.x - 0.9f, at.y - 0.9f}, 2.4f, 1.2f)));
  const float glass = coverage(std::abs(std::abs(at.x - 0.2f) - 1.3f) - 0.35f);
  return mix(ground, mix(paint, {0.12f, 0.14f, 0.16f, 0.1f}, 0.8f * glass),
             coverage(box_distance(at, 2.5f, 1.15f)));
}

/// The border between regions is a main road, a lane, a track with a hedge, or a mere line of trees.
Reflectance with_road(const Reflectance& land, const Region& region, Point p, uint32_t seed) {
  const float kind = unit(region.border_id, 41);
  if (region.border > 22) return land;
  const float grain = 0.94f + 0.12f * noise(p.x * 0.5f, p.y * 0.5f, seed + 21);
  const Reflectance verge =
      times({0.40f, 0.45f, 0.25f, 0.62f}, 0.85f + 0.3f * noise(p.x * 0.4f, p.y * 0.4f, seed + 22));
  if (kind < 0.45f) {
    Reflectance road = mix(land, verge, coverage(region.border - 10));
    road = mix(road, times({0.47f, 0.47f, 0.47f, 0.45f}, grain), coverage(region.border - 6.5f));
    road = mix(road, {0.85f, 0.85f, 0.83f, 0.8f}, 0.8f * coverage(std::abs(region.border - 5.8f) - 0.35f));
    const float dash = region.along - 16 * std::floor(region.along / 16) < 8 ? 1.0f : 0.0f;
    road = mix(road, {0.88f, 0.88f, 0.86f, 0.8f}, dash * coverage(region.border - 0.45f));
    return with_cars(road, region, 3.2f);
  }
  if (kind < 0.75f) {
    const Reflectance lane = mix(land, verge, coverage(region.border - 6));
    return mix(lane, times({0.64f, 0.60f, 0.54f, 0.55f}, grain), coverage(region.border - 3.4f));
  }
  Reflectance track = mix(land, verge, coverage(region.border - 6));
  track = mix(track, times({0.62f, 0.54f, 0.42f, 0.52f}, grain),
              0.9f * coverage(std::abs(region.border - 1.9f) - 0.8f));
  Trees hedge = trees_at(p.x, p.y, 9, 0.8f, seed + 23);
  hedge.crown *= coverage(std::abs(region.border - 9) - 4.5f);
  hedge.shadow *= coverage(std::abs(region.border - 9) - 9);
  return with_trees(track, hedge);
}

/// Air between ground and camera: colours a little greyer, shadows a little bluer.
Reflectance muted(const Reflectance& r) {
  const float grey = 0.3f * r.red + 0.5f * r.green + 0.2f * r.blue;
  return {0.02f + 0.98f * lerp(r.red, grey, 0.2f), 0.03f + 0.97f * lerp(r.green, grey, 0.2f),
          0.05f + 0.95f * lerp(r.blue, grey, 0.2f), r.infrared};
}

}  // namespace

Reflectance landscape(double x, double y, uint32_t seed) {
  const uint32_t salt = hash(static_cast<int32_t>(seed), 0, 77);
  const Region region = region_at(x, y, salt);
  const Point p{static_cast<float>(x), static_cast<float>(y)};
  const float kind = unit(region.id, 5);
  Reflectance land = kind < 0.22f   ? village(region, p, salt)
                     : kind < 0.38f ? forest(p, salt)
                                    : farmland(region, p, salt);
  land = with_river(land, x, y, p, salt);
  land = with_road(land, region, p, salt);
  const float haze = 0.95f + 0.1f * noise(p.x / 700, p.y / 700, salt + 24);
  const float grain = 0.97f + 0.06f * noise(p.x * 1.3f, p.y * 1.3f, salt + 25);
  return muted(times(land, haze * grain));
}

}  // namespace sr

#include "scene/shares.h"

#include <algorithm>

namespace sr {
namespace {

// Where the shares of all pixels in a row meet.
std::vector<int64_t> cuts_of(int64_t all, int64_t shards) {
  std::vector<int64_t> cuts;
  for (int64_t k = 1; k < shards; ++k) cuts.push_back(all / shards * k + all % shards * k / shards);
  return cuts;
}

// The cut of a scene that is nearest to so many pixels of it.
int64_t nearest_row(const SceneCost& scene, int64_t pixels) {
  const int64_t row = pixels / scene.columns;
  return std::min((row + scene.unit / 2) / scene.unit * scene.unit, scene.rows);
}

}  // namespace

std::vector<std::vector<SharePart>> shares(const std::vector<SceneCost>& scenes, int shards) {
  constexpr int64_t kWholeOfAShare = 4;
  int64_t all = 0;
  for (const SceneCost& scene : scenes) all += scene.pixels();
  const std::vector<int64_t> cuts = cuts_of(all, shards);
  const auto cuts_up_to = [&](int64_t pixel) {
    return static_cast<int>(std::ranges::upper_bound(cuts, pixel) - cuts.begin());
  };
  std::vector<std::vector<SharePart>> list;
  int64_t begin = 0;
  for (const SceneCost& scene : scenes) {
    const int64_t cost = scene.pixels(), end = begin + cost;
    std::vector<SharePart> parts;
    if (cost > all / shards / kWholeOfAShare) {
      Rows rows;
      for (int shard = cuts_up_to(begin); rows.first < scene.rows; ++shard, rows.first = rows.end) {
        const bool last =
            static_cast<size_t>(shard) == cuts.size() || cuts[static_cast<size_t>(shard)] >= end;
        rows.end = last ? scene.rows : nearest_row(scene, cuts[static_cast<size_t>(shard)] - begin);
        if (rows.count() > 0) parts.push_back({shard, rows});
      }
      if (parts.size() == 1) parts[0].rows = {};
    } else {
      parts.push_back({cuts_up_to(begin + cost / 2), {}});
    }
    list.push_back(std::move(parts));
    begin = end;
  }
  return list;
}

std::string text_of(const Rows& rows) {
  return "rows " + std::to_string(rows.first) + " to " + std::to_string(rows.end - 1);
}

Window part_of(const Window& region, const Rows& rows) {
  return {region.x, region.y + rows.first, region.w, rows.count()};
}

}  // namespace sr

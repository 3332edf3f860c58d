#include "training/dataset/split.h"

#include <algorithm>
#include <map>
#include <set>

#include "io/counted.h"
#include "tensor/error.h"
#include "tensor/random.h"

namespace sr {
namespace {

template <class List>
void shuffle(List& list, Random& random) {
  for (auto n = static_cast<int64_t>(list.size()); n > 1; --n)
    std::swap(list[static_cast<size_t>(n - 1)], list[static_cast<size_t>(random.integer(n))]);
}

bool overlap(const Window& a, const Window& b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

// Sources whose unscaled tiles make up the wanted number; at least one source is left for training.
std::set<int32_t> validation_sources(const std::vector<PlannedTile>& tiles, const std::vector<int64_t>& base,
                                     int64_t wanted, const SplitOptions& options, Random& random) {
  std::map<int32_t, int64_t> count;
  for (const int64_t t : base) ++count[tiles[static_cast<size_t>(t)].source];
  if (count.size() < 2)
    throw Error(Error::Kind::usage, "--split_by_scene: only ", count.size(),
                " image has tiles that can be used; it takes two, one to train on and one to validate");
  std::vector<int32_t> order;
  for (const auto& [source, tiles_of_it] : count) order.push_back(source);
  if (options.shuffle) shuffle(order, random);
  std::set<int32_t> chosen;
  for (int64_t have = 0; have < wanted && chosen.size() + 1 < count.size(); order.pop_back()) {
    chosen.insert(order.back());
    have += count[order.back()];
  }
  return chosen;
}

}  // namespace

Split split_tiles(const std::vector<PlannedTile>& tiles, const SplitOptions& options) {
  std::vector<int64_t> base;
  for (size_t t = 0; t < tiles.size(); ++t)
    if (!tiles[t].scaled) base.push_back(static_cast<int64_t>(t));
  if (base.size() < 2)
    throw Error(Error::Kind::usage, "only ", counted(static_cast<int64_t>(base.size()), "tile"),
                " can be used; it takes two, one to train on and one to validate: give more images or a ",
                "smaller --tile_size_w and --tile_size_h");
  Random random{options.seed};
  const int64_t wanted =
      std::clamp<int64_t>(static_cast<int64_t>(base.size()) / 10, 1, options.num_data_per_file);
  std::set<int32_t> sources;  // that are validation ground as a whole
  std::vector<int64_t> chosen = base;
  if (options.split_by_scene) {
    sources = validation_sources(tiles, base, wanted, options, random);
    std::erase_if(chosen, [&](int64_t t) { return !sources.contains(tiles[static_cast<size_t>(t)].source); });
  }
  if (options.shuffle) shuffle(chosen, random);
  const auto most = static_cast<size_t>(options.split_by_scene ? options.num_data_per_file : wanted);
  if (chosen.size() > most) chosen.erase(chosen.begin(), chosen.end() - static_cast<int64_t>(most));
  std::sort(chosen.begin(), chosen.end());

  Split split;
  std::map<int32_t, std::vector<Window>> ground;
  for (const int64_t t : chosen) {
    split.validation.push_back({t, 0});
    const PlannedTile& tile = tiles[static_cast<size_t>(t)];
    ground[tile.source].push_back(tile.window);
  }
  const std::set<int64_t> validating(chosen.begin(), chosen.end());
  for (int64_t t = 0; t < static_cast<int64_t>(tiles.size()); ++t) {
    if (validating.contains(t)) continue;
    const PlannedTile& tile = tiles[static_cast<size_t>(t)];
    const std::vector<Window>& taken = ground[tile.source];
    const bool shares =
        std::any_of(taken.begin(), taken.end(), [&](const Window& w) { return overlap(w, tile.window); });
    if (shares || sources.contains(tile.source)) {
      split.left_out.push_back(t);
      continue;
    }
    for (int s = 0; s < options.symmetries; ++s) split.training.push_back({t, s});
  }
  if (split.training.empty())
    throw Error(Error::Kind::usage, "all ", tiles.size(), " tiles share ground with the ", chosen.size(),
                " that validate, none is left to train on: give more images or a smaller --tile_size_w and ",
                "--tile_size_h");
  if (options.shuffle) shuffle(split.training, random);
  return split;
}

}  // namespace sr

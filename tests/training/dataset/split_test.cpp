#include "training/dataset/split.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/expect_error.h"

namespace sr {
namespace {

// `per_source` tiles of 10 x 10 in a row in each source.
std::vector<PlannedTile> rows_of_tiles(std::vector<int> per_source) {
  std::vector<PlannedTile> tiles;
  for (size_t s = 0; s < per_source.size(); ++s)
    for (int i = 0; i < per_source[s]; ++i)
      tiles.push_back({static_cast<int32_t>(s), false, {10 * i, 0, 10, 10}, 10, 10});
  return tiles;
}

std::set<int64_t> tiles_of(const std::vector<SplitItem>& items) {
  std::set<int64_t> tiles;
  for (const SplitItem& item : items) tiles.insert(item.tile);
  return tiles;
}

TEST(SplitTiles, EveryTileTrainsOrValidatesAndATenthValidates) {
  for (const auto& [tiles, wanted] : {std::pair{2, 1}, {15, 1}, {40, 4}, {1000, 50}}) {
    const Split split = split_tiles(rows_of_tiles({tiles}), {.num_data_per_file = 50});
    EXPECT_EQ(static_cast<int>(split.validation.size()), wanted);
    EXPECT_EQ(static_cast<int>(split.training.size()), tiles - wanted);
    std::set<int64_t> all = tiles_of(split.training);
    all.merge(tiles_of(split.validation));
    EXPECT_EQ(static_cast<int>(all.size()), tiles);
    EXPECT_TRUE(split.left_out.empty());
  }
}

TEST(SplitTiles, TheSeedDecidesTheOrder) {
  const auto order = [](uint64_t seed) {
    std::vector<int64_t> list;
    for (const SplitItem& item : split_tiles(rows_of_tiles({60}), {.seed = seed}).training)
      list.push_back(item.tile);
    return list;
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
  EXPECT_FALSE(std::is_sorted(order(1).begin(), order(1).end()));
}

TEST(SplitTiles, WithoutShufflingTheLastTilesValidate) {
  const Split split = split_tiles(rows_of_tiles({10, 10}), {.shuffle = false});
  EXPECT_EQ(tiles_of(split.validation), (std::set<int64_t>{18, 19}));
  for (size_t i = 0; i < split.training.size(); ++i)
    EXPECT_EQ(split.training[i].tile, static_cast<int64_t>(i));
}

TEST(SplitTiles, BySceneNoImageIsInBothParts) {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const std::vector<PlannedTile> tiles = rows_of_tiles({7, 30, 1, 12, 9});
    const Split split = split_tiles(tiles, {.seed = seed, .split_by_scene = true});
    std::map<int32_t, std::set<char>> parts;
    for (const auto& item : split.training) parts[tiles[static_cast<size_t>(item.tile)].source].insert('t');
    for (const auto& item : split.validation) parts[tiles[static_cast<size_t>(item.tile)].source].insert('v');
    EXPECT_EQ(parts.size(), 5u);
    for (const auto& [source, kinds] : parts) EXPECT_EQ(kinds.size(), 1u) << "image " << source;
    EXPECT_GE(split.validation.size(), 5u) << "a tenth of 59";
    EXPECT_EQ(split.training.size() + split.validation.size(), 59u);
  }
}

TEST(SplitTiles, ByScenesThatAreLargerThanARecordFileTheRestIsLeftOut) {
  const Split split =
      split_tiles(rows_of_tiles({100, 100}), {.num_data_per_file = 8, .split_by_scene = true});
  EXPECT_EQ(split.validation.size(), 8u);
  EXPECT_EQ(split.training.size(), 100u);
  EXPECT_EQ(split.left_out.size(), 92u);
}

TEST(SplitTiles, NoGroundThatValidatesIsTrainedOnAtAnyScale) {
  std::vector<PlannedTile> tiles = rows_of_tiles({20, 20});
  for (int32_t s = 0; s < 2; ++s) {
    tiles.push_back({s, false, {195, 0, 10, 10}, 10, 10});  // moved inwards
    for (int i = 0; i < 13; ++i) tiles.push_back({s, true, {15 * i, 0, 15, 10}, 10, 6});
  }
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const Split split = split_tiles(tiles, {.seed = seed});
    ASSERT_EQ(split.validation.size(), 4u);
    for (const SplitItem& v : split.validation) {
      const PlannedTile& validating = tiles[static_cast<size_t>(v.tile)];
      EXPECT_FALSE(validating.scaled);
      for (const SplitItem& t : split.training) {
        const PlannedTile& training = tiles[static_cast<size_t>(t.tile)];
        EXPECT_FALSE(training.source == validating.source &&
                     training.window.x < validating.window.x + validating.window.w &&
                     validating.window.x < training.window.x + training.window.w);
      }
    }
    EXPECT_GE(split.left_out.size(), 2u);
    EXPECT_LE(split.left_out.size(), 4u * 3);
    EXPECT_EQ(split.training.size() + split.validation.size() + split.left_out.size(), tiles.size());
  }
}

TEST(SplitTiles, SymmetriesMultiplyWhatIsTrainedOnAlone) {
  const Split split = split_tiles(rows_of_tiles({20}), {.symmetries = 8});
  EXPECT_EQ(split.training.size(), 18u * 8);
  ASSERT_EQ(split.validation.size(), 2u);
  EXPECT_EQ(split.validation[0].symmetry, 0);
  std::map<int64_t, std::set<int>> seen;
  for (const SplitItem& item : split.training) seen[item.tile].insert(item.symmetry);
  for (const auto& [tile, symmetries] : seen) EXPECT_EQ(symmetries.size(), 8u);
}

TEST(SplitTiles, WhatCannotBeDividedIsRefused) {
  expect_error(Error::Kind::usage, "only 1 tile", [] { split_tiles(rows_of_tiles({1}), {}); });
  expect_error(Error::Kind::usage, "only 0 tiles can be used", [] { split_tiles({}, {}); });
  expect_error(Error::Kind::usage, "none is left to train on", [] {
    split_tiles({{0, false, {0, 0, 10, 10}, 10, 10}, {0, false, {4, 0, 10, 10}, 10, 10}}, {});
  });
  expect_error(Error::Kind::usage, "only 1 image", [] {
    split_tiles(rows_of_tiles({30, 0}), {.split_by_scene = true});
  });
}

}  // namespace
}  // namespace sr

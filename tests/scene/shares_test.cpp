// Scenes shared out among processes.
#include "scene/shares.h"

#include <gtest/gtest.h>

#include <random>

namespace sr {
namespace {

using Parts = std::vector<std::vector<SharePart>>;

std::vector<SceneCost> random_scenes(std::mt19937& random) {
  std::vector<SceneCost> scenes(1 + random() % 12);
  for (SceneCost& scene : scenes)
    scene = {static_cast<int64_t>(1 + random() % 5000), static_cast<int64_t>(1 + random() % 4000),
             random() % 2 ? 128 : 256};
  return scenes;
}

TEST(Shares, EveryRowIsTakenOnceInOrderAndCutsLieBetweenRowsOfBlocks) {
  std::mt19937 random(1);
  for (int run = 0; run < 300; ++run) {
    const std::vector<SceneCost> scenes = random_scenes(random);
    const int shards = static_cast<int>(1 + random() % 40);
    const Parts parts = sr::shares(scenes, shards);
    ASSERT_EQ(parts.size(), scenes.size());
    int last = 0;
    for (size_t i = 0; i < scenes.size(); ++i) {
      ASSERT_FALSE(parts[i].empty());
      int64_t row = 0;
      for (const SharePart& part : parts[i]) {
        EXPECT_GE(part.shard, last);
        EXPECT_LT(part.shard, shards);
        last = part.shard;
        EXPECT_EQ(part.rows.has_value(), parts[i].size() > 1) << "a scene of one part is whole";
        if (!part.rows) continue;
        EXPECT_EQ(part.rows->first, row);
        EXPECT_EQ(part.rows->first % scenes[i].unit, 0);
        EXPECT_GT(part.rows->count(), 0);
        row = part.rows->end;
      }
      EXPECT_EQ(row, parts[i].size() > 1 ? scenes[i].rows : 0);
    }
  }
}

TEST(Shares, NoneIsLargerThanAMeanOneAndWhatCannotBeCut) {
  std::mt19937 random(2);
  for (int run = 0; run < 300; ++run) {
    const std::vector<SceneCost> scenes = random_scenes(random);
    const int shards = static_cast<int>(1 + random() % 40);
    const Parts parts = sr::shares(scenes, shards);
    std::vector<int64_t> taken(static_cast<size_t>(shards));
    int64_t all = 0, block_row = 0;
    for (size_t i = 0; i < scenes.size(); ++i) {
      all += scenes[i].pixels();
      block_row = std::max(block_row, scenes[i].unit * scenes[i].columns);
      for (const SharePart& part : parts[i])
        taken[static_cast<size_t>(part.shard)] +=
            part.rows ? part.rows->count() * scenes[i].columns : scenes[i].pixels();
    }
    for (const int64_t pixels : taken)
      EXPECT_LE(pixels, all / shards + 1 + std::max(block_row, all / shards / 4))
          << "at each end half of that";
  }
}

TEST(Shares, ALargeSceneIsCutAndSmallOnesAreTakenWhole) {
  const Parts parts = sr::shares({{100, 100, 128}, {4000, 1000, 128}, {100, 100, 128}}, 2);
  EXPECT_EQ(parts[0].size(), 1U);
  ASSERT_EQ(parts[1].size(), 2U);
  EXPECT_EQ(*parts[1][0].rows, (Rows{0, 2048}));
  EXPECT_EQ(*parts[1][1].rows, (Rows{2048, 4000}));
  EXPECT_EQ(parts[2][0].shard, 1);
  EXPECT_FALSE(parts[2][0].rows);
}

TEST(Shares, ScenesThatCannotBeOpenedAreSomebodys) {
  for (const int shards : {1, 3}) {
    const Parts parts = sr::shares({{}, {100, 100, 128}, {}}, shards);
    for (const auto& of_scene : parts) EXPECT_EQ(of_scene.size(), 1U);
    EXPECT_EQ(sr::shares({{}, {}}, shards)[1].size(), 1U);
  }
}

TEST(Shares, MoreProcessesThanRowsOfBlocksLeaveSomeWithoutWork) {
  const Parts parts = sr::shares({{300, 100, 128}}, 50);
  ASSERT_EQ(parts[0].size(), 3U);
  EXPECT_EQ(*parts[0][2].rows, (Rows{256, 300}));
}

}  // namespace
}  // namespace sr

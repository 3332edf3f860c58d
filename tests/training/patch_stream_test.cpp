#include "training/patch_stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "io/formats/picture.h"
#include "tensor/ops/resize.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"
#include "tests/support/training_images.h"
#include "training/dataset/create.h"
#include "training/dataset/symmetry.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class Patches : public testing::Test {
 protected:
  // Pictures of the landscape, each of another seed.
  std::vector<std::string> pictures(std::vector<std::pair<int, int>> sizes, int bands = 3) {
    std::vector<std::string> list;
    for (const auto& [w, h] : sizes) {
      list.push_back(folder_ / ("p" + std::to_string(list.size()) + ".png"));
      write_png(list.back(), landscape_image(w, h, bands, static_cast<uint32_t>(list.size())));
    }
    return list;
  }

  Dataset make(const std::vector<std::string>& images, DatasetOptions options = {},
               int64_t cache_bytes = 1 << 29) {
    create_dataset(images, folder_ / ("data/x" + std::to_string(options.factor)), options);
    return Dataset(folder_ / "data", options.factor, cache_bytes);
  }

  TestFolder folder_;
};

TEST_F(Patches, AStreamThatStartsLaterOrHasOtherThreadsGivesTheSameBatches) {
  const Dataset data = make(pictures({{90, 70}, {60, 64}, {48, 80}}), {.tile_w = 48, .tile_h = 48});
  const PatchOptions options{.patch_size = 10, .batch_size = 4, .seed = 3};
  std::vector<TrainingBatch> all;
  PatchStream whole(data, options);
  const int64_t epoch = whole.batches_per_epoch();
  for (int64_t b = 0; b < 3 * epoch; ++b) all.push_back(whole.next());
  for (const int64_t start : {int64_t{1}, epoch - 1, epoch, 2 * epoch + 1}) {
    const int threads = static_cast<int>(start % 3) + 1;
    PatchStream later(data, options, start, Device::cpu, threads);
    for (int64_t b = start; b < 3 * epoch; ++b) {
      const TrainingBatch batch = later.next();
      const TrainingBatch& same = all[static_cast<size_t>(b)];
      ASSERT_EQ(batch.gt.to_vector(), same.gt.to_vector()) << b;
      ASSERT_EQ(batch.down.to_vector(), same.down.to_vector()) << b;
      ASSERT_EQ(batch.base.to_vector(), same.base.to_vector()) << b;
    }
  }
}

// What lies deeper in the patch than the kernels reach depends on the patch alone.
TEST_F(Patches, TruthShrunkAndEnlargedStayAlignedUnderEverySymmetry) {
  for (const int factor : {2, 3, 4}) {
    const int64_t p = 14, f = factor;
    const Dataset data = make(pictures({{180, 150}, {150, 168}}),
                              {.factor = factor, .tile_w = 144, .tile_h = 132, .unrounded = true});
    PatchPlan plan(data, {.patch_size = p, .batch_size = 64, .seed = 2});
    std::set<int> seen;
    for (const PatchPlan::Patch& patch : plan.patches(0)) seen.insert(patch.symmetry);
    EXPECT_EQ(seen.size(), 8u);
    const TrainingBatch batch = plan.batch(0);
    const Tensor down = bicubic_resize(batch.gt, p, p), up = bicubic_enlarge(batch.down, factor);
    ASSERT_EQ(batch.gt.shape(), (Shape{64, f * p, f * p, 1}));
    for (int64_t n = 0; n < 64; ++n)
      for (int64_t y = 3 * f; y < (p - 3) * f; ++y)
        for (int64_t x = 3 * f; x < (p - 3) * f; ++x) {
          const int64_t fine = (n * f * p + y) * f * p + x;
          ASSERT_NEAR(up.data()[fine], batch.base.data()[fine], 2e-6) << n << ' ' << y << ' ' << x;
          const int64_t coarse = (n * p + y / f) * p + x / f;
          ASSERT_NEAR(down.data()[coarse], batch.down.data()[coarse], 2e-6) << n << ' ' << y << ' ' << x;
        }
  }
}

// The same patch cut by hand.
TEST_F(Patches, APatchIsTheTilesPixelsTurned) {
  const Dataset data = make(pictures({{60, 50}, {50, 60}}), {.tile_w = 50, .tile_h = 50});
  PatchPlan plan(data, {.patch_size = 7, .batch_size = 40});
  const auto patches = plan.patches(0);
  const TrainingBatch batch = plan.batch(0);
  for (size_t n = 0; n < patches.size(); ++n) {
    const PatchPlan::Patch& patch = patches[n];
    const Tensor tile = data.tile(Dataset::Part::training, patch.tile).down;
    for (int64_t y = 0; y < 7; ++y)
      for (int64_t x = 0; x < 7; ++x) {
        int64_t row = y, column = x;
        if (patch.symmetry & 4) std::swap(row, column);
        if (patch.symmetry & 2) column = 6 - column;
        if (patch.symmetry & 1) row = 6 - row;
        ASSERT_EQ(batch.down.data()[(static_cast<int64_t>(n) * 7 + y) * 7 + x],
                  tile.data()[(patch.y + row) * tile.shape().w + patch.x + column]);
      }
  }
}

TEST_F(Patches, MeansAreTakenOffAndPutBack) {
  const Dataset data =
      make(pictures({{90, 70}, {60, 64}}), {.tile_w = 48, .tile_h = 48, .mode = ColourMode::joint});
  PatchOptions options{.patch_size = 9, .batch_size = 8};
  const TrainingBatch plain = PatchPlan(data, options).batch(0);
  options.means = {{0.5, 0.25, 0.375}, {0.1, 0.2, 0.3}, {0.25, 0.5, 0.125}};
  const TrainingBatch batch = PatchPlan(data, options).batch(0);
  EXPECT_EQ(batch.gt.to_vector(), plain.gt.to_vector());
  for (int64_t i = 0; i < batch.down.shape().size(); ++i)
    ASSERT_EQ(batch.down.data()[i],
              plain.down.data()[i] - static_cast<float>(options.means.down[static_cast<size_t>(i % 3)]));
  constexpr float kOfBase[] = {0.25f, -0.25f, 0.25f};
  for (int64_t i = 0; i < batch.base.shape().size(); ++i)
    ASSERT_EQ(batch.base.data()[i], plain.base.data()[i] + kOfBase[i % 3]);
}

TEST_F(Patches, WithoutABaseItIsTheMeanOfTheTruthAndTheRestIsAsWithOne) {
  const Dataset data =
      make(pictures({{90, 70}, {60, 64}}), {.tile_w = 48, .tile_h = 48, .mode = ColourMode::joint});
  PatchOptions options{.patch_size = 9, .batch_size = 8};
  options.means = {{0.5, 0.25, 0.375}, {0.1, 0.2, 0.3}, {0.25, 0.5, 0.125}};
  const TrainingBatch with = PatchPlan(data, options).batch(1);
  options.base = Base::none;
  const TrainingBatch batch = PatchPlan(data, options).batch(1);
  EXPECT_EQ(batch.gt.to_vector(), with.gt.to_vector());
  EXPECT_EQ(batch.down.to_vector(), with.down.to_vector());
  for (int64_t i = 0; i < batch.base.shape().size(); ++i)
    ASSERT_EQ(batch.base.data()[i], static_cast<float>(options.means.gt[static_cast<size_t>(i % 3)]));
}

TEST_F(Patches, AnEpochVisitsEveryTileByItsAreaInAnOrderOfItsOwn) {
  const Dataset data = make(pictures({{96, 96}, {96, 96}, {40, 40}, {96, 60}}), {.tile_w = 96, .tile_h = 96});
  const int64_t p = 8;
  PatchPlan plan(data, {.patch_size = p, .batch_size = 1});
  std::vector<int64_t> expected(static_cast<size_t>(data.size(Dataset::Part::training)));
  int64_t sum = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    sum += expected[i] =
        data.coarse_window(Dataset::Part::training, static_cast<int64_t>(i)).pixels() / (p * p);
  ASSERT_EQ(plan.batches_per_epoch(), sum);
  std::vector<std::vector<int64_t>> orders;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<int64_t> visits(expected.size()), order;
    for (int64_t b = 0; b < sum; ++b) {
      order.push_back(plan.patches(epoch * sum + b).at(0).tile);
      ++visits[static_cast<size_t>(order.back())];
    }
    EXPECT_EQ(visits, expected);
    orders.push_back(order);
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_FALSE(std::is_sorted(orders[0].begin(), orders[0].end()));
}

TEST_F(Patches, WithoutShuffleAndAugmentationTilesComeInOrderAsTheyAre) {
  const Dataset data = make(pictures({{96, 96}, {96, 96}, {96, 96}}), {.tile_w = 96, .tile_h = 96});
  PatchPlan plan(data, {.patch_size = 8, .batch_size = 1, .shuffle = false, .augment = false});
  int64_t last = 0;
  for (int64_t b = 0; b < plan.batches_per_epoch(); ++b) {
    const PatchPlan::Patch patch = plan.patches(b).at(0);
    EXPECT_GE(patch.tile, last);
    EXPECT_EQ(patch.symmetry, 0);
    last = patch.tile;
  }
}

TEST_F(Patches, TilesTooSmallForAPatchAreLeftOutOrRefusedWithTheSizeThatFits) {
  const Dataset data = make(pictures({{96, 96}, {96, 96}, {30, 96}, {30, 96}, {30, 96}, {30, 96}}),
                            {.tile_w = 96, .tile_h = 96});
  const PatchStream stream(data, {.patch_size = 20, .batch_size = 2});
  EXPECT_GE(stream.tiles_left_out(), 3);
  expect_error(Error::Kind::usage, "--patch_size 48",
               [&] { PatchPlan(data, {.patch_size = 49, .batch_size = 2}); });
}

TEST_F(Patches, ADataSetOfLessThanABatchFillsIt) {
  const Dataset data = make(pictures({{20, 20}, {20, 20}}), {.tile_w = 20, .tile_h = 20});
  PatchStream stream(data, {.patch_size = 10, .batch_size = 5});
  EXPECT_EQ(stream.batches_per_epoch(), 1);
  EXPECT_EQ(stream.next().down.shape(), (Shape{5, 10, 10, 1}));
}

TEST_F(Patches, PerBandModeGivesEveryBandItsTurnAndJointModeAllAtOnce) {
  DatasetOptions options{.tile_w = 48, .tile_h = 48};
  options.mode = ColourMode::per_band;
  const std::vector<std::string> images = pictures({{96, 96}, {96, 96}});
  const Dataset single = make(images, options);
  EXPECT_EQ(single.info().bands, 3);
  EXPECT_EQ(single.info().nchan, 1);
  PatchPlan plan(single, {.patch_size = 8, .batch_size = 32});
  std::set<int> bands;
  const auto patches = plan.patches(0);
  const TrainingBatch batch = plan.batch(0);
  for (size_t n = 0; n < patches.size(); ++n) {
    bands.insert(patches[n].band);
    const auto tile = single.record(Dataset::Part::training, patches[n].tile);
    if (patches[n].symmetry != 0) continue;
    const int64_t at = (patches[n].y * tile->down.window.w + patches[n].x) * 3 + patches[n].band;
    EXPECT_FLOAT_EQ(batch.down.data()[n * 64], static_cast<float>(tile->down.data<uint8_t>()[at]) / 255);
  }
  EXPECT_EQ(bands.size(), 3u);
  options.mode = ColourMode::joint;
  const Dataset joint = make(images, options);
  EXPECT_EQ(joint.info().nchan, 3);
  EXPECT_EQ(PatchPlan(joint, {.patch_size = 8, .batch_size = 2}).batch(0).gt.shape(), (Shape{2, 16, 16, 3}));
}

TEST_F(Patches, ACacheOfOneTileChangesNothing) {
  const std::vector<std::string> images = pictures({{96, 96}, {96, 96}, {96, 96}});
  const Dataset large = make(images, {.tile_w = 48, .tile_h = 48});
  const Dataset small(folder_ / "data", 2, 1);
  const PatchOptions options{.patch_size = 8, .batch_size = 16, .mixed_bytes = 30000};
  PatchPlan one(large, options), two(small, options);
  for (int64_t b = 0; b < 8; ++b) EXPECT_EQ(one.batch(b).gt.to_vector(), two.batch(b).gt.to_vector());
}

TEST_F(Patches, TilesAreMixedInGroupsThatFitTheMemory) {
  const Dataset data = make(pictures({{192, 192}, {192, 192}, {192, 192}}), {.tile_w = 48, .tile_h = 48});
  const int64_t bytes = data.bytes(Dataset::Part::training, 0);
  PatchPlan plan(data, {.patch_size = 6, .batch_size = 1, .mixed_bytes = 4 * bytes + bytes / 2});
  std::vector<int64_t> order;
  for (int64_t b = 0; b < plan.batches_per_epoch(); ++b) order.push_back(plan.patches(b).at(0).tile);
  for (size_t begin = 0; begin + 64 <= order.size(); begin += 64)
    EXPECT_EQ(std::set<int64_t>(order.begin() + static_cast<int64_t>(begin),
                                order.begin() + static_cast<int64_t>(begin) + 64)
                  .size(),
              4u);
}

TEST_F(Patches, WhatGoesWrongInTheBackgroundComesOutOfNext) {
  const Dataset data = make(pictures({{96, 96}, {96, 96}, {96, 96}}), {.tile_w = 48, .tile_h = 48});
  const std::string file = folder_ / "data/x2/Training/data_000.rec";
  fs::resize_file(file, fs::file_size(file) / 4);
  PatchStream stream(data, {.patch_size = 8, .batch_size = 8});
  expect_error(Error::Kind::format, "data_000.rec", [&] {
    for (int i = 0; i < 100; ++i) stream.next();
  });
}

}  // namespace
}  // namespace sr

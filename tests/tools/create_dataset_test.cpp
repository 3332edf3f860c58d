// create_training_dataset: what a data set holds.
#include <algorithm>
#include <cmath>

#include "tests/support/expect_error.h"
#include "tests/tools/create_dataset_fixture.h"
#include "training/dataset/tile.h"

namespace sr {
namespace {

TEST_F(CreateDataset, TilesAreTheImagesPixelsWithTheirShrunkAndEnlargedVersions) {
  const std::vector<Raster> images{landscape_image(144, 108, 4, 1, SampleType::u16),
                                   landscape_image(71, 45, 4, 2, SampleType::u16)};
  write_tiff(folder_ / "in/a.tif", images[0]);
  write_tiff(folder_ / "in/b.tif", images[1]);
  for (const int factor : {2, 3, 4}) {
    create_well(
        {"--upsampling_factor", std::to_string(factor), "--tile_size_w", "48", "--tile_size_h", "36"});
    const json m = manifest(factor);
    EXPECT_EQ(m["sources"][0]["name"], "a.tif");
    TileForm form{.factor = factor, .bands = 4, .type = SampleType::u16};
    size_t records = 0;
    std::vector<int> covered(144 * 108);
    for_each_record(factor, [&](const TileRecord& record, size_t source, const Window& window, int64_t w,
                                int64_t h, int symmetry) {
      const TileRecord expected = degraded(cut(images[source], window), form);
      EXPECT_EQ(record.gt.samples, expected.gt.samples);
      EXPECT_EQ(record.gt.window, window);
      EXPECT_EQ(record.down.samples, expected.down.samples);
      EXPECT_EQ(record.bic_up.samples, expected.bic_up.samples);
      EXPECT_EQ(w, window.w);
      EXPECT_EQ(h, window.h);
      EXPECT_EQ(symmetry, 0);
      EXPECT_NE(record.note.find(source == 0 ? "a.tif" : "b.tif"), std::string::npos);
      if (source == 0)
        for (int64_t y = window.y; y < window.y + h; ++y)
          for (int64_t x = window.x; x < window.x + w; ++x) covered[static_cast<size_t>(y * 144 + x)] = 1;
      ++records;
    });
    EXPECT_EQ(std::count(covered.begin(), covered.end(), 0), 0) << "no ground is lost";
    EXPECT_EQ(records + left_out(factor), 3u * 3 + 2 * 2);
  }
}

TEST_F(CreateDataset, TheManifestTellsWhatTheDataSetIs) {
  write_tiff(folder_ / "in/a.tif", landscape_image(96, 96));
  write_tiff(folder_ / "in/b.tif", landscape_image(96, 96, 3, 2));
  create_well({"--tile_size_w", "48", "--tile_size_h", "48", "--num_data_per_file", "3", "--seed", "9"});
  const json m = manifest();
  EXPECT_EQ(m["factor"], 2);
  EXPECT_EQ(m["colour_mode"], "luma");
  EXPECT_EQ(m["luma"], "bt601_full");
  EXPECT_EQ(m["nchan"], 1);
  EXPECT_EQ(m["sample_type"], "u8");
  EXPECT_EQ(m["value_range"], json({0, 255}));
  EXPECT_EQ(m["training_tiles"], 7);
  EXPECT_EQ(m["validation_tiles"], 1);
  EXPECT_EQ(m["options"]["seed"], 9);
  EXPECT_EQ(m["options"]["tile_size"], json({48, 48}));
  EXPECT_NE(m["kernel"].get<std::string>().find("bicubic"), std::string::npos);
  ASSERT_EQ(m["files"].size(), 4u) << "3 + 3 + 1 training tiles, one file of validation";
  EXPECT_EQ(m["files"][2]["name"], "Training/data_002.rec");
  EXPECT_EQ(m["files"][3]["name"], "Validation/data_000.rec");
  for (const json& file : m["files"]) {
    const std::string path = folder_ / ("out/x2/" + file["name"].get<std::string>());
    EXPECT_EQ(file["bytes"], fs::file_size(path));
    EXPECT_EQ(file["crc32c"], RecordReader(path).checksum());
  }
}

TEST_F(CreateDataset, MeansAreThoseOfTheTrainingTilesOnTheUnitScale) {
  write_tiff(folder_ / "in/a.tif", landscape_image(96, 96, 3, 1, SampleType::i16));
  for (const char* mode : {"per_band", "joint"}) {
    create_well(
        {"--tile_size_w", "32", "--tile_size_h", "32", "--value_range", "-500,3500", "--colour_mode", mode});
    const Dataset data(folder_ / "out", 2);
    const auto nchan = static_cast<size_t>(data.info().nchan);
    std::vector<double> sums(nchan), counts(nchan);
    for (int64_t i = 0; i < data.size(Dataset::Part::training); ++i) {
      const std::vector<float> down = data.tile(Dataset::Part::training, i).down.to_vector();
      for (size_t k = 0; k < down.size(); ++k) sums[k % nchan] += double{down[k]}, ++counts[k % nchan];
    }
    const MeanValues stored = load_mean_values(folder_ / "out/x2/mean_values.json", static_cast<int>(nchan));
    EXPECT_EQ(stored, data.info().means);
    for (size_t c = 0; c < nchan; ++c) {
      EXPECT_NEAR(stored.down[c], sums[c] / counts[c], 1e-6);
      EXPECT_NEAR(stored.gt[c], stored.down[c], 1e-3);
      EXPECT_NEAR(stored.bic_up[c], stored.down[c], 1e-3);
    }
  }
}

TEST_F(CreateDataset, PicturesOfEveryKindGoTogetherAndAlphaIsNotTrainedOn) {
  write_png(folder_ / "in/rgb.png", landscape_image(40, 30));
  write_png(folder_ / "in/rgba.png", [] {
    Raster image = landscape_image(40, 30, 4, 2);
    for (int64_t p = 0; p < 1200; ++p) image.data<uint8_t>()[4 * p + 3] = 255;
    return image;
  }());
  write_png(folder_ / "in/grey.PNG", landscape_image(40, 30, 1, 3));
  write_tiff(folder_ / "in/scene.tif", landscape_image(40, 30, 3, 4));
  create_well({"--img_ext", ".png", "tif"});
  EXPECT_EQ(manifest()["sources"].size(), 4u);
  EXPECT_EQ(manifest()["colour_mode"], "luma");
  create_well({"--img_ext", ".png,.tif"});
  EXPECT_EQ(manifest()["sources"].size(), 4u);
}

TEST_F(CreateDataset, AnImageSmallerThanTheTileIsTakenWholeAndCroppedToTheFactor) {
  write_png(folder_ / "in/a.png", landscape_image(41, 32));
  write_png(folder_ / "in/b.png", landscape_image(60, 47, 3, 2));
  create_well({"--img_ext", ".png", "--upsampling_factor", "3"});
  std::vector<Window> windows;
  for_each_record(3, [&](const TileRecord& record, size_t, const Window&, int64_t, int64_t, int) {
    windows.push_back(record.gt.window);
  });
  ASSERT_EQ(windows.size(), 2u);
  std::sort(windows.begin(), windows.end(), [](const Window& a, const Window& b) { return a.w < b.w; });
  EXPECT_EQ(windows[0], (Window{0, 0, 39, 30}));
  EXPECT_EQ(windows[1], (Window{0, 0, 60, 45}));
}

TEST_F(CreateDataset, ATileSizeThatIsNoMultipleIsRoundedDownAndSaid) {
  write_png(folder_ / "in/a.png", landscape_image(100, 50));
  const ProgramRun run = create_well(
      {"--img_ext", ".png", "--upsampling_factor", "3", "--tile_size_w", "50", "--tile_size_h", "48"});
  EXPECT_NE(run.out.find("--tile_size_w 50 is no multiple of 3: 48 is taken"), std::string::npos) << run.out;
  EXPECT_EQ(manifest(3)["options"]["tile_size"], json({48, 48}));
}

TEST_F(CreateDataset, AMaskBesideAnImageThatIsNotReadIsNamed) {
  write_tiff(folder_ / "in/a.tif", landscape_image(120, 80, 1, 1, SampleType::u8));
  std::ofstream(folder_ / "in/a.tif.msk") << "a mask";
  const ProgramRun run = create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_NE(run.out.find("a.tif.msk"), std::string::npos) << run.out;
}

TEST_F(CreateDataset, TilesWithNoDataAreSkippedAndCounted) {
  Raster image = landscape_image(120, 40, 1, 1, SampleType::i16);
  image.data<int16_t>()[5 * 120 + 50] = -9999;  // in the second of three tiles
  write_tiff(folder_ / "in/a.tif", image, [](TiffInfo& info) { info.tags.gdal_nodata = "-9999"; });
  Raster floats = landscape_image(120, 40, 1, 1, SampleType::f32);
  const ProgramRun run = create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(manifest()["sources"][0]["no_data"], 1);
  EXPECT_EQ(manifest()["sources"][0]["tiles"], 2);
  EXPECT_NE(run.out.find("left out 1 tile with samples that are no picture"), std::string::npos) << run.out;
  for_each_record(2, [](const TileRecord&, size_t, const Window& window, int64_t, int64_t, int) {
    EXPECT_NE(window.x, 40);
  });
}

TEST_F(CreateDataset, NanAndTransparentPixelsAreNoData) {
  Raster floats = landscape_image(120, 40, 1, 1, SampleType::f32);
  floats.data<float>()[119] = std::nanf("");
  write_tiff(folder_ / "in/a.tif", floats);
  create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(manifest()["sources"][0]["no_data"], 1);
  fs::remove(folder_ / "in/a.tif");
  Raster rgba = landscape_image(120, 40, 4);
  for (int64_t p = 0; p < 120 * 40; ++p) rgba.data<uint8_t>()[4 * p + 3] = p == 0 ? 0 : 200;
  write_png(folder_ / "in/a.png", rgba);
  create_well({"--tile_size_w", "40", "--tile_size_h", "40", "--img_ext", ".png"});
  EXPECT_EQ(manifest()["sources"][0]["no_data"], 1);
}

TEST_F(CreateDataset, FlatTilesAreSkippedByTheirDeviationOnTheUnitScale) {
  Raster image({0, 0, 160, 40}, 1, SampleType::u8);
  for (int64_t y = 0; y < 40; ++y)
    for (int64_t x = 0; x < 160; ++x) {
      // Deviations of the four tiles: 0, 5, 10 and 20 of 255.
      const int amplitude = std::vector{0, 5, 10, 20}[static_cast<size_t>(x / 40)];
      image.data<uint8_t>()[y * 160 + x] = static_cast<uint8_t>(100 + ((x + y) % 2 ? amplitude : -amplitude));
    }
  write_png(folder_ / "in/a.png", image);
  const auto kept = [&](const std::string& min_std) {
    create_well({"--img_ext", ".png", "--tile_size_w", "40", "--tile_size_h", "40", "--min_std", min_std});
    return manifest()["sources"][0]["tiles"].get<int>();
  };
  EXPECT_EQ(kept("0"), 3) << "constant tiles teach nothing";
  EXPECT_EQ(kept("0.03"), 2);
  EXPECT_EQ(
      create({"--img_ext", ".png", "--tile_size_w", "40", "--tile_size_h", "40", "--min_std", "0.06"}).status,
      2)
      << "one tile cannot be divided";
}

TEST_F(CreateDataset, ValueRangeIsMeasuredOverAllImagesOrTakenAndRecorded) {
  Raster dark = landscape_image(50, 50, 1, 1, SampleType::u16), bright = dark;
  for (int64_t i = 0; i < 2500; ++i) {
    dark.data<uint16_t>()[i] = static_cast<uint16_t>(1000 + i);
    bright.data<uint16_t>()[i] = static_cast<uint16_t>(20000 + i);
  }
  write_tiff(folder_ / "in/a.tif", dark);
  write_tiff(folder_ / "in/b.tif", bright);
  const ProgramRun measured = create_well();
  EXPECT_NE(measured.out.find("measured over all images"), std::string::npos) << measured.out;
  EXPECT_EQ(manifest()["value_range"], json({1000, 22499}));
  const ProgramRun given = create_well({"--value_range", "0,30000"});
  EXPECT_NE(given.out.find("value range 0..30000 (as given)"), std::string::npos) << given.out;
  EXPECT_EQ(manifest()["value_range"], json({0, 30000}));
  EXPECT_EQ(Dataset(folder_ / "out", 2).info().ranges, (ValueRanges{{0, 30000}}));
}

TEST_F(CreateDataset, BandsInUnlikeUnitsHaveRangesOfTheirOwnAndAnImageInOthersIsTold) {
  Raster both({0, 0, 50, 50}, 2, SampleType::f32);
  for (int i = 0; i < 2500; ++i) {
    both.data<float>()[2 * i] = static_cast<float>(i % 500) / 1000;
    both.data<float>()[2 * i + 1] = static_cast<float>(1000 + i);
  }
  write_tiff(folder_ / "in/a.tif", both);
  for (int i = 0; i < 2500; ++i) both.data<float>()[2 * i + 1] *= 1e-4f;
  write_tiff(folder_ / "in/b.tif", both);
  const ProgramRun run = create_well();
  const json range = manifest()["value_range"];
  ASSERT_EQ(range.size(), 4u);
  EXPECT_FLOAT_EQ(range[1].get<float>(), 0.499f);
  EXPECT_EQ(range[3], json(3499.0));
  EXPECT_NE(run.out.find("b.tif may be in other units"), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("a.tif may be"), std::string::npos) << run.out;
  for (const char* part : {"gt", "down"}) {
    EXPECT_GT(manifest()["mean_values"][part][0].get<double>(), 0.1) << "of both bands, on the scale 0..1";
    EXPECT_LT(manifest()["mean_values"][part][0].get<double>(), 0.9);
  }
}

TEST_F(CreateDataset, ScaledTilesAreTheGroundShrunk) {
  const std::vector<Raster> images{landscape_image(120, 90, 1), landscape_image(120, 90, 1, 2)};
  write_png(folder_ / "in/a.png", images[0]);
  write_png(folder_ / "in/b.png", images[1]);
  create_well({"--img_ext", ".png", "--tile_size_w", "60", "--tile_size_h", "60", "--scales", "1,0.75"});
  int scaled = 0;
  for_each_record(
      2, [&](const TileRecord& record, size_t source, const Window& window, int64_t w, int64_t h, int) {
        EXPECT_EQ(record.gt.window.w, w);
        EXPECT_EQ(record.gt.window.h, h);
        if (window.w == w) return;
        ++scaled;
        EXPECT_NEAR(static_cast<double>(w) / static_cast<double>(window.w), 0.75, 0.02);
        EXPECT_EQ(record.gt.samples, resized(cut(images[source], window), w, h, {{0, 255}}).samples);
      });
  EXPECT_GE(scaled, 2);
}

TEST_F(CreateDataset, AugmentStoresEveryScaleAndSymmetryOfTrainingTiles) {
  const Raster image = landscape_image(64, 48, 1);
  write_png(folder_ / "in/a.png", image);
  write_png(folder_ / "in/b.png", landscape_image(64, 48, 1, 2));
  create_well({"--img_ext", ".png", "--augment"});
  EXPECT_EQ(manifest()["training_tiles"], 5 * 8);
  EXPECT_EQ(manifest()["validation_tiles"], 1);
  std::set<std::pair<int64_t, int>> seen;
  for_each_record(2, [&](const TileRecord& record, size_t source, const Window& window, int64_t w, int64_t,
                         int symmetry) {
    seen.insert({w, symmetry});
    if (source == 0 && window.w == w) {
      EXPECT_EQ(record.gt.samples, turned(cut(image, window), symmetry).samples);
    }
  });
  EXPECT_EQ(seen.size(), 40u);
}

TEST_F(CreateDataset, BySceneWholeImagesValidate) {
  for (int i = 0; i < 4; ++i)
    write_png(folder_ / ("in/" + std::to_string(i) + ".png"),
              landscape_image(80, 80, 1, static_cast<uint32_t>(i + 1)));
  create_well({"--img_ext", ".png", "--tile_size_w", "20", "--tile_size_h", "20", "--split_by_scene"});
  const json m = manifest();
  std::set<int> training, validation;
  for (const json& file : m["files"])
    for (const json& tile : file["tiles"])
      (file["name"].get<std::string>().starts_with("Training") ? training : validation)
          .insert(tile[0].get<int>());
  EXPECT_EQ(training.size(), 3u);
  EXPECT_EQ(validation.size(), 1u);
  EXPECT_FALSE(training.contains(*validation.begin()));
}

TEST_F(CreateDataset, TheSameBytesWhateverTheThreadsAndAgain) {
  write_tiff(folder_ / "in/a.tif", landscape_image(200, 150, 2, 1, SampleType::u16));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 150, 2, 2, SampleType::u16));
  const std::vector<std::string> options{
      "--tile_size_w", "40",          "--tile_size_h",       "40", "--scales",
      "1,0.8",         "--unrounded", "--num_data_per_file", "10"};
  const auto made_with = [&](const std::string& threads) {
    std::vector<std::string> all = options;
    all.insert(all.end(), {"--threads", threads});
    create_well(all);
    return content_of(folder_ / "out");
  };
  const auto one = made_with("1");
  EXPECT_GT(one.size(), 4u);
  EXPECT_EQ(made_with("4"), one);
  EXPECT_EQ(made_with("3"), one);
  create_well({"--tile_size_w", "40", "--tile_size_h", "40", "--seed", "5"});
  EXPECT_NE(content_of(folder_ / "out")["Training/data_000.rec"], one.at("x2/Training/data_000.rec"));
}

TEST_F(CreateDataset, DebugWritesPicturesOfTiles) {
  write_png(folder_ / "in/a.png", landscape_image(120, 40));
  create_well({"--img_ext", ".png", "--tile_size_w", "40", "--tile_size_h", "40", "--debug"});
  EXPECT_EQ(read_picture(folder_ / "out/x2/Debug/tile_002.png").window.w, 3 * 40 + 16);
  create_well({"--img_ext", ".png", "--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_FALSE(fs::exists(folder_ / "out/x2/Debug"));
}

// ---- real pairs ----

SceneTags placed_at(double pixel, double shift = 0) {
  SceneTags tags;
  tags.pixel_scale = {pixel, pixel, 0};
  tags.tiepoints = {0, 0, 0, 500000 + shift, 5300000, 0};
  return tags;
}

TEST_F(CreateDataset, PairsAreTheTwoImagesOfTheSameGround) {
  const Raster coarse = landscape_image(60, 45, 1, 1, SampleType::u16);
  const Raster fine = landscape_image(120, 90, 1, 2, SampleType::u16);  // another sensor sees other values
  write_tiff(folder_ / "in/a.tif", coarse, [](TiffInfo& info) { info.tags = placed_at(10); });
  write_tiff(folder_ / "fine/a.tif", fine, [](TiffInfo& info) { info.tags = placed_at(5); });
  create_well({"--pair_path", folder_ / "fine", "--tile_size_w", "50", "--tile_size_h", "40"});
  EXPECT_EQ(manifest()["pairs"], true);
  size_t records = 0;
  for_each_record(2, [&](const TileRecord& record, size_t, const Window& w, int64_t, int64_t, int) {
    EXPECT_EQ(record.gt.samples, cut(fine, w).samples);
    EXPECT_EQ(record.down.samples, cut(coarse, {w.x / 2, w.y / 2, w.w / 2, w.h / 2}).samples);
    ++records;
  });
  EXPECT_EQ(records + left_out(2), 9u);
  EXPECT_TRUE(Dataset(folder_ / "out", 2).info().pairs);
}

TEST_F(CreateDataset, PairsThatDoNotFitAreRefusedWithTheReasonAndTheRestGoesOn) {
  const auto add = [&](const std::string& name, int fine_width, double fine_shift, SampleType type) {
    write_tiff(folder_ / ("in/" + name), landscape_image(40, 30, 1),
               [](TiffInfo& info) { info.tags = placed_at(10); });
    if (fine_width == 0) return;
    write_tiff(folder_ / ("fine/" + name), landscape_image(fine_width, 60, 1, 1, type),
               [&](TiffInfo& info) { info.tags = placed_at(5, fine_shift); });
  };
  add("good1.tif", 80, 0, SampleType::u8);
  add("good2.tif", 80, 2, SampleType::u8);
  add("wide.tif", 81, 0, SampleType::u8);
  add("alone.tif", 0, 0, SampleType::u8);
  add("shifted.tif", 80, 7, SampleType::u8);
  add("other.tif", 80, 0, SampleType::u16);
  const ProgramRun run = create({"--pair_path", folder_ / "fine"});
  EXPECT_EQ(run.status, 1);
  for (const char* part : {"wide.tif", "80 x 60", "alone.tif: has no pair", "shifted.tif", "1.4 fine pixels",
                           "other.tif", "1 of u16", "4 of 6 images failed"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
  EXPECT_EQ(manifest()["sources"].size(), 2u);
  EXPECT_EQ(manifest()["sources"][0]["pair"], "good1.tif");
}

}  // namespace
}  // namespace sr

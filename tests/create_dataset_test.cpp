// create_training_dataset as a user runs it.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/picture.h"
#include "io/tiff_reader.h"
#include "tensor/random.h"
#include "tests/expect_error.h"
#include "tests/run_program.h"
#include "tests/training_images.h"
#include "training/dataset.h"
#include "training/training_tile.h"

namespace sr {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class CreateDataset : public testing::Test {
 protected:
  CreateDataset() {
    fs::create_directory(folder_ / "in");
    fs::create_directory(folder_ / "fine");
  }

  ProgramRun create(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"--data_path", folder_ / "in", "--out_path", folder_ / "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("create_training_dataset", arguments, 120);
  }

  ProgramRun create_well(const std::vector<std::string>& more = {}) {
    ProgramRun run = create(more);
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    EXPECT_EQ(run.err, "");
    return run;
  }

  json manifest(int factor = 2) const {
    return json::parse(text_of_file(folder_ / ("out/x" + std::to_string(factor) + "/manifest.json")));
  }

  // Tiles that share ground with validation.
  size_t left_out(int factor) const {
    const json m = manifest(factor);
    size_t sum = 0;
    for (const json& source : m["sources"]) sum += source.value("left_out", size_t{0});
    return sum;
  }

  // One line on the error stream that says all parts; no data set left.
  void expect_refusal(const ProgramRun& run, int status, const std::vector<std::string>& parts) {
    EXPECT_EQ(run.status, status) << run.out << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    for (const std::string& part : parts)
      EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "out/x2"));
  }

  // All files below a folder with their content.
  static std::map<std::string, std::string> content_of(const std::string& folder) {
    std::map<std::string, std::string> content;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
      if (entry.is_regular_file())
        content[fs::relative(entry.path(), folder).string()] = text_of_file(entry.path());
    return content;
  }

  // Calls f(record, image number, source window, tile width and height, symmetry) for every record.
  template <class F>
  void for_each_record(int factor, const F& f) {
    const json m = manifest(factor);
    const std::string folder = folder_ / ("out/x" + std::to_string(factor) + "/");
    for (const json& file : m["files"]) {
      const RecordReader reader(folder + file["name"].get<std::string>());
      ASSERT_EQ(reader.size(), static_cast<int64_t>(file["tiles"].size()));
      for (int64_t i = 0; i < reader.size(); ++i) {
        const auto t = file["tiles"][static_cast<size_t>(i)].get<std::vector<int64_t>>();
        ASSERT_EQ(t.size(), 8u);
        f(reader.read(i), static_cast<size_t>(t[0]), Window{t[1], t[2], t[3], t[4]}, t[5], t[6],
          static_cast<int>(t[7]));
      }
    }
  }

  TestFolder folder_;
};

Raster cut(const Raster& image, const Window& window) {
  Raster part(window, image.bands, image.type);
  const int64_t pixel = image.bands * bytes_of(image.type);
  for (int64_t y = 0; y < window.h; ++y)
    std::memcpy(part.samples.data() + y * window.w * pixel,
                image.samples.data() + ((window.y + y) * image.window.w + window.x) * pixel,
                static_cast<size_t>(window.w * pixel));
  return part;
}

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

TEST_F(CreateDataset, TilesWithNoDataAreSkippedAndCounted) {
  Raster image = landscape_image(120, 40, 1, 1, SampleType::i16);
  image.data<int16_t>()[5 * 120 + 50] = -9999;  // in the second of three tiles
  write_tiff(folder_ / "in/a.tif", image, [](TiffInfo& info) { info.tags.gdal_nodata = "-9999"; });
  Raster floats = landscape_image(120, 40, 1, 1, SampleType::f32);
  const ProgramRun run = create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(manifest()["sources"][0]["no_data"], 1);
  EXPECT_EQ(manifest()["sources"][0]["tiles"], 2);
  EXPECT_NE(run.out.find("left out 1 tiles with samples that are no picture"), std::string::npos) << run.out;
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
  EXPECT_NEAR(manifest()["value_range"][0].get<double>(), 1005, 5);
  EXPECT_NEAR(manifest()["value_range"][1].get<double>(), 22494, 10);
  const ProgramRun given = create_well({"--value_range", "0,30000"});
  EXPECT_NE(given.out.find("value range 0..30000 (as given)"), std::string::npos) << given.out;
  EXPECT_EQ(manifest()["value_range"], json({0, 30000}));
  EXPECT_EQ(Dataset(folder_ / "out", 2).info().range, (ValueRange{0, 30000}));
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
        EXPECT_EQ(record.gt.samples, resized(cut(images[source], window), w, h, {0, 255}).samples);
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

// ---- what goes wrong ----

TEST_F(CreateDataset, ImagesThatCannotBeUsedAreNamedAndTheRestGoesOn) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80, 3, 2));
  write_tiff(folder_ / "in/four.tif", landscape_image(100, 80, 4));
  write_tiff(folder_ / "in/deep.tif", landscape_image(100, 80, 3, 1, SampleType::u16));
  write_tiff(folder_ / "in/tiny.tif", landscape_image(1, 80));
  std::ofstream(folder_ / "in/text.tif") << "no picture";
  const std::string good = text_of_file(folder_ / "in/a.tif");
  std::string damaged = good;
  for (size_t i = good.size() / 3; i < good.size() * 2 / 3; ++i) damaged[i] = static_cast<char>(i * 37);
  std::ofstream(folder_ / "in/damaged.tif", std::ios::binary) << damaged;
  const ProgramRun run = create({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(run.status, 1);
  for (const char* part : {"four.tif: 4 bands of u8, but a.tif has 3 of u8", "deep.tif", "tiny.tif",
                           "text.tif", "damaged.tif", "5 of 7 images failed"})
    EXPECT_NE(run.err.find(part), std::string::npos) << part << " in: " << run.err;
  EXPECT_EQ(manifest()["sources"].size(), 2u);
  const Dataset data(folder_ / "out", 2);
  const int64_t tiles = data.size(Dataset::Part::training) + data.size(Dataset::Part::validation);
  EXPECT_EQ(static_cast<size_t>(tiles) + left_out(2), 2u * 3 * 2);
}

TEST_F(CreateDataset, WrongUsageIsStatusTwoAndOneLine) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80));
  expect_refusal(run_program("create_training_dataset", {}), 2, {"--data_path"});
  expect_refusal(create({"--upsampling_factor", "5"}), 2, {"--upsampling_factor"});
  expect_refusal(create({"--tile_size_w", "0"}), 2, {"--tile_size_w"});
  expect_refusal(create({"--tile_size_h", "many"}), 2, {"--tile_size_h"});
  expect_refusal(create({"--num_data_per_file", "0"}), 2, {"--num_data_per_file"});
  expect_refusal(create({"--value_range", "9,1"}), 2, {"--value_range"});
  expect_refusal(create({"--scales", "0.9,0.8"}), 2, {"--scales", "1 must be among them"});
  expect_refusal(create({"--scales", "1,2"}), 2, {"--scales"});
  expect_refusal(create({"--scales", "1,0.5", "--augment"}), 2, {"--augment"});
  expect_refusal(create({"--scales", "1,0.5", "--pair_path", folder_ / "fine"}), 2, {"--pair_path"});
  expect_refusal(create({"--nchan", "4"}), 2, {"--nchan 4", "3 bands", "--nchan 3"});
  expect_refusal(create({"--nchan", "3", "--colour_mode", "luma"}), 2, {"--nchan 3", "joint"});
  expect_refusal(create({"--min_std", "2"}), 2, {"--min_std"});
  expect_refusal(create({"--no_such_option"}), 2, {"no_such_option"});
}

TEST_F(CreateDataset, ColourModesThatTheImagesCannotHaveAreRefused) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80, 4));
  expect_refusal(create({"--colour_mode", "luma"}), 2, {"4 bands", "per_band"});
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80, 3, 1, SampleType::u16));
  expect_refusal(create({"--colour_mode", "luma", "--luma", "studio"}), 2, {"studio", "8 bits"});
}

TEST_F(CreateDataset, WithoutAnyUsableImageNothingIsWritten) {
  expect_refusal(create(), 1, {"no image (.tif)"});
  std::ofstream(folder_ / "in/text.tif") << "no picture";
  const ProgramRun run = create();
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("no image can be used"), std::string::npos) << run.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(CreateDataset, ASingleTileCannotBeDividedAndWhyThereIsNoOtherIsSaid) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  expect_refusal(create(), 2, {"only 1 tile", "--tile_size_w"});
  write_tiff(folder_ / "in/b.tif", landscape_image(100, 80), [](TiffInfo& info) {
    info.tags.gdal_nodata = std::to_string(landscape_image(100, 80).data<uint8_t>()[0]);
  });
  const ProgramRun run = create();
  EXPECT_NE(run.out.find("left out 1 tiles with samples that are no picture"), std::string::npos) << run.out;
  expect_refusal(run, 2, {"only 1 tile"});
}

TEST_F(CreateDataset, ItsOwnEarlierOutputIsReplacedAndForeignFilesAreNot) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  const std::vector<std::string> small{"--tile_size_w",       "20", "--tile_size_h", "20",
                                       "--num_data_per_file", "4"};
  create_well(small);
  EXPECT_TRUE(fs::exists(folder_ / "out/x2/Training/data_004.rec"));
  std::ofstream(folder_ / "out/x2/Training/data_009.rec.part-123") << "left by a run that was killed";
  fs::remove(folder_ / "out/x2/manifest.json");
  create_well({"--tile_size_w", "40", "--tile_size_h", "40"});
  EXPECT_EQ(content_of(folder_ / "out/x2").size(), 4u) << "two record files, means and manifest";
  const auto before = content_of(folder_ / "out");
  for (const char* name : {"notes.txt", "Training/holiday.png", "Validation/data_000.rec.bak"}) {
    std::ofstream(folder_ / ("out/x2/" + std::string(name))) << "mine";
    const ProgramRun run = create(small);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find(name), std::string::npos) << run.err;
    EXPECT_EQ(text_of_file(folder_ / ("out/x2/" + std::string(name))), "mine");
    fs::remove(folder_ / ("out/x2/" + std::string(name)));
    EXPECT_EQ(content_of(folder_ / "out"), before);
  }
}

TEST_F(CreateDataset, AnEarlierDataSetSurvivesARunThatFailsBeforeItWrites) {
  write_tiff(folder_ / "in/a.tif", landscape_image(100, 80));
  create_well({"--tile_size_w", "20", "--tile_size_h", "20"});
  const auto before = content_of(folder_ / "out");
  EXPECT_EQ(create().status, 2) << "one tile";
  EXPECT_EQ(content_of(folder_ / "out"), before);
}

TEST_F(CreateDataset, AFullDiskIsSaidAndLeavesNothing) {
  const std::string disk = folder_ / "out";
  fs::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a small file system can only be mounted by root";
  Raster noise({0, 0, 600, 400}, 3, SampleType::u8);
  Random random{1};
  for (std::byte& b : noise.samples) b = static_cast<std::byte>(random.next() & 255);
  write_tiff(folder_ / "in/a.tif", noise);
  const ProgramRun run = create({"--tile_size_w", "60", "--tile_size_h", "60"});
  const auto left = content_of(disk);
  umount(disk.c_str());
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("disk is full"), std::string::npos) << run.err;
  EXPECT_TRUE(left.empty()) << left.begin()->first;
}

TEST_F(CreateDataset, AnInterruptedRunLeavesNothingThatLooksComplete) {
  Raster noise({0, 0, 1200, 900}, 3, SampleType::u8);
  Random random{1};
  for (std::byte& b : noise.samples) b = static_cast<std::byte>(random.next() & 255);
  write_tiff(folder_ / "in/a.tif", noise);
  for (const char* signal : {"INT", "KILL"}) {
    // A delay of seconds would depend on the machine: stop as soon as the first record file is begun.
    const std::string program = std::string(SR_BIN_DIR) + "/create_training_dataset";
    const std::string script =
        program + " --data_path " + (folder_ / "in") + " --out_path " + (folder_ / "out") +
        " --tile_size_w 60 --tile_size_h 60 --augment --threads 1 & pid=$!; "
        "while kill -0 $pid && ! ls " +
        (folder_ / "out/x2/Training") + "/*.part-* ; do :; done; kill -" + signal + " $pid; wait $pid";
    const ProgramRun run = run_program("bash", {"-c", script}, 120);
    EXPECT_EQ(run.status, std::string(signal) == "INT" ? 1 : 137) << run.err;
    EXPECT_FALSE(fs::exists(folder_ / "out/x2/manifest.json"));
    if (std::string(signal) == "INT") {
      EXPECT_NE(run.err.find("interrupted"), std::string::npos) << run.err;
      EXPECT_TRUE(content_of(folder_ / "out").empty());
    }
    expect_error(Error::Kind::io, "not complete", [&] { Dataset(folder_ / "out", 2); });
  }
  create_well({"--tile_size_w", "200", "--tile_size_h", "200"});
  EXPECT_EQ(content_of(folder_ / "out/x2").size(), 4u) << "what the killed run left is gone";
}

}  // namespace
}  // namespace sr

#include "scene/code_bands.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "io/output_file.h"
#include "io/tiff/output/writer.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

using Value = std::function<double(int64_t x, int64_t y)>;

// A number from 0 to 1 that changes from block to block of so many pixels.
double noise(int64_t x, int64_t y, int64_t block, uint64_t seed) {
  uint64_t h =
      static_cast<uint64_t>(x / block) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(y / block) + seed;
  h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
  h = (h ^ h >> 27) * 0x94d049bb133111ebu;
  return static_cast<double>((h ^ h >> 31) >> 11) * 0x1p-53;
}

const Value kClasses = [](int64_t x, int64_t y) { return 3 + std::floor(9 * noise(x, y, 5, 1)); };
const Value kMask = [](int64_t x, int64_t y) { return noise(x, y, 7, 2) < 0.3 ? 4012 : 17; };
const Value kScene = [](int64_t x, int64_t y) {
  return 900 + 500 * std::sin(0.1 * static_cast<double>(x + y)) + 300 * noise(x, y, 1, 3);
};
// Deep water: few values, but each goes over into its neighbour.
const Value kDark = [](int64_t x, int64_t y) {
  return std::floor(12 + 8 * std::sin(0.02 * static_cast<double>(x - 2 * y)) + noise(x, y, 1, 4));
};
const Value kConstant = [](int64_t, int64_t) { return 0.5; };

struct Band {
  Value value;
  std::string name = "";
};

class CodeBands : public testing::Test {
 protected:
  void write(
      SampleType type, const std::vector<Band>& bands,
      const std::function<void(TiffInfo&)>& more = [](TiffInfo&) {}) {
    TiffInfo info;
    info.width = 300, info.height = 200, info.bands = static_cast<int>(bands.size()), info.type = type;
    info.extra_samples.assign(bands.size() - 1, 0);
    info.tags.gdal_metadata = "<GDALMetadata>";
    for (size_t b = 0; b < bands.size(); ++b)
      if (!bands[b].name.empty())
        info.tags.gdal_metadata += "<Item name=\"DESCRIPTION\" sample=\"" + std::to_string(b) +
                                   "\" role=\"description\">" + bands[b].name + "</Item>";
    info.tags.gdal_metadata += "</GDALMetadata>";
    more(info);
    Raster raster({0, 0, info.width, info.height}, info.bands, type);
    with_sample_type(type, [&](auto zero) {
      using T = decltype(zero);
      for (int64_t p = 0; p < raster.window.pixels(); ++p)
        for (int b = 0; b < info.bands; ++b)
          raster.data<T>()[p * info.bands + b] =
              static_cast<T>(bands[static_cast<size_t>(b)].value(p % info.width, p / info.width));
    });
    TiffWriter writer(path(), info);
    writer.write(raster);
    writer.finish();
  }
  std::string hint(const BandList& copied = {}) {
    TiffReader reader(path());
    return hint_of_codes(reader, copied);
  }
  std::string path() const { return folder_ / "a.tif"; }

  TestFolder folder_;
};

TEST_F(CodeBands, ClassesAndNumbersAmongMeasurementsAreNamed) {
  write(SampleType::u16, {{kScene, "B02"}, {kClasses, "classes of 2020"}, {kScene}, {kMask}});
  EXPECT_EQ(
      hint(),
      "bands 2 (classes of 2020), 4 look like codes, not a picture: --copy_bands 2,4 keeps their values");
  EXPECT_EQ(hint({1}), "band 4 looks like codes, not a picture: --copy_bands 4 keeps its values");
  EXPECT_EQ(hint({1, 3}), "");
}

TEST_F(CodeBands, ANameIsEnough) {
  for (const char* name : {"SCL", "QA_PIXEL", "pixel_qa", "Fmask 4.0", "cloud", "cloud-mask", "land/label"}) {
    write(SampleType::f32, {{kScene, "height"}, {kScene, name}});
    EXPECT_EQ(hint(), "band 2 (" + std::string(name) +
                          ") looks like codes, not a picture: --copy_bands 2 keeps its values");
  }
}

TEST_F(CodeBands, PicturesOfFewValuesAreNone) {
  // A sensor's noise over little light: hardly a pixel is as the one beside it.
  const Value noisy = [](int64_t x, int64_t y) { return std::floor(12 * noise(x, y, 1, 7)); };
  write(SampleType::u8, {{noisy}, {kDark, "glass"}, {kConstant, "aqua"}, {kScene, "sclera"}});
  EXPECT_EQ(hint(), "");
}

// Each of them beside the next one, in rings, and most of them the middle one.
TEST_F(CodeBands, ClassesWhoseNumbersLieFarApartAreNamedWhateverLiesBesideThem) {
  const Value rings = [](int64_t x, int64_t y) {
    const double r = std::hypot(static_cast<double>(x - 150), static_cast<double>(y - 100));
    return r < 40 ? 200 : r < 70 ? 5 : r < 110 ? 1 : 0;
  };
  const Value spots = [](int64_t x, int64_t y) {
    const double n = noise(x, y, 9, 8);
    return n < 0.1 ? 1 : n < 0.9 ? 5 : 200;
  };
  for (const char* collar : {"", "0"})
    for (const Value& classes : {rings, spots}) {
      write(SampleType::u8, {{classes}}, [&](TiffInfo& info) { info.tags.gdal_nodata = collar; });
      EXPECT_EQ(hint(), "band 1 looks like codes, not a picture: --copy_bands 1 keeps its values");
    }
  // Still water, and in it a ship.
  const Value ship = [](int64_t x, int64_t y) {
    const double water = std::floor(13.5 + 1.4 * std::sin(0.03 * static_cast<double>(x + y)));
    return x / 9 == 16 && y / 9 == 11 ? 200 : water;
  };
  write(SampleType::u8, {{ship}});
  EXPECT_EQ(hint(), "");
}

TEST_F(CodeBands, NodataAndMaskedValuesDoNotCount) {
  const Value holes = [](int64_t x, int64_t y) { return noise(x, y, 9, 5) < 0.5 ? -9999 : 0.25; };
  write(SampleType::f32, {{kScene}, {holes}}, [](TiffInfo& info) { info.tags.gdal_nodata = "-9999"; });
  EXPECT_EQ(hint(), "");
}

TEST_F(CodeBands, ColoursAndAlphaAreNotSuspectedForTheirValues) {
  write(SampleType::u8, {{kClasses}, {kClasses}, {kClasses}, {kMask}}, [](TiffInfo& info) {
    info.photometric = 2;
    info.extra_samples = {2};
  });
  EXPECT_EQ(hint(), "");
  write(SampleType::u8, {{kClasses}, {kClasses}, {kClasses}, {kClasses}}, [](TiffInfo& info) {
    info.photometric = 2;
    info.extra_samples = {0};
  });
  EXPECT_EQ(hint(), "band 4 looks like codes, not a picture: --copy_bands 4 keeps its values");
}

TEST_F(CodeBands, PalettesOfClassesAreToldFromThoseOfPictures) {
  const auto palette = [&](const Value& value, const std::string& nodata = "",
                           const std::string& metadata = "") {
    write(SampleType::u8, {{value}}, [&](TiffInfo& info) {
      info.photometric = 3;
      for (int i = 0; i < 768; ++i) info.palette.push_back(static_cast<uint16_t>(i * 85));
      info.tags.gdal_nodata = nodata, info.tags.gdal_metadata = metadata;
    });
    return sign_of_classes(path(), {});
  };
  const Value photo = [](int64_t x, int64_t y) { return std::floor(256 * noise(x, y, 1, 6)); };
  EXPECT_EQ(palette(photo), "");
  EXPECT_EQ(
      palette(photo, "", "<GDALMetadata><Item name=\"STATISTICS_MEAN\" sample=\"0\">3</Item></GDALMetadata>"),
      "");
  EXPECT_EQ(palette(photo, "0"), "has a nodata value");
  EXPECT_EQ(
      palette(photo, "", "<GDALMetadata><Item name=\"LEGEND\" sample=\"0\">1=town</Item></GDALMetadata>"),
      "has texts for its band (LEGEND)");
  EXPECT_EQ(palette(kClasses), "uses 9 colours");
  write_file(path() + ".aux.xml",
             "<PAMDataset><PAMRasterBand band=\"1\"><CategoryNames/></PAMRasterBand></PAMDataset>");
  EXPECT_EQ(palette(photo), "has categories in the .aux.xml beside it");
  write(SampleType::u8, {{kClasses}});
  EXPECT_EQ(sign_of_classes(path(), {}), "") << "no palette";
}

}  // namespace
}  // namespace sr

#include "scene/repeated_pixels.h"

#include <gtest/gtest.h>

#include "io/tiff/output/writer.h"
#include "tensor/random.h"
#include "tests/support/test_folder.h"

namespace sr {
namespace {

constexpr int64_t kWidth = 300, kHeight = 200;

class RepeatedPixels : public testing::Test {
 protected:
  TestFolder folder_;

  /// A file with a band for each repetition; sample (x, y) is that of the random pixel ((x + 1) / across, y /
  /// down).
  std::string file_with(const std::vector<Repetition>& bands, int64_t grey_levels = 1000) {
    TiffInfo info;
    info.width = kWidth, info.height = kHeight, info.bands = static_cast<int>(bands.size());
    info.type = SampleType::u16;
    info.extra_samples.assign(bands.size() - 1, 0);
    Raster raster({0, 0, kWidth, kHeight}, info.bands, info.type);
    Random random{7};
    for (size_t b = 0; b < bands.size(); ++b) {
      std::vector<uint16_t> coarse(static_cast<size_t>(kWidth + 2) * kHeight);
      for (uint16_t& value : coarse) value = static_cast<uint16_t>(random.integer(grey_levels));
      for (int64_t y = 0; y < kHeight; ++y)
        for (int64_t x = 0; x < kWidth; ++x)
          raster.data<uint16_t>()[(y * kWidth + x) * info.bands + static_cast<int64_t>(b)] =
              coarse[static_cast<size_t>(y / bands[b].down * kWidth + (x + 1) / bands[b].across)];
    }
    const std::string path = folder_ / "scene.tif";
    TiffWriter writer(path, info);
    writer.write(raster);
    writer.finish();
    return path;
  }
};

TEST_F(RepeatedPixels, AreCountedForEachBandWhereverTheirGridBegins) {
  const std::vector<Repetition> bands{{1, 1}, {2, 2}, {2, 2}, {3, 2}, {6, 6}};
  TiffReader reader(file_with(bands));
  EXPECT_EQ(repeated_pixels(reader), bands);
}

TEST_F(RepeatedPixels, OfOneDirectionAloneAreNotCounted) {
  TiffReader reader(file_with({{2, 1}}));
  EXPECT_EQ(repeated_pixels(reader), std::vector<Repetition>{Repetition()});
}

TEST_F(RepeatedPixels, AreNotCountedWhereNothingChanges) {
  TiffReader reader(file_with({{1, 1}}, 1));
  EXPECT_EQ(repeated_pixels(reader), std::vector<Repetition>{Repetition()});
}

TEST_F(RepeatedPixels, AreSaidWithTheBandsAndTheWayOut) {
  TiffReader stack(file_with({{1, 1}, {2, 2}, {2, 2}, {1, 1}, {4, 4}}));
  const std::string text = hint_of_repeated_pixels(stack);
  EXPECT_NE(text.find("(bands 2-3 2 x 2, band 5 4 x 4)"), std::string::npos) << text;
  EXPECT_NE(text.find("gdal_translate -r nearest"), std::string::npos) << text;
  TiffReader usual(file_with({{1, 1}, {1, 1}}));
  EXPECT_EQ(hint_of_repeated_pixels(usual), "");
  TiffReader one(file_with({{2, 2}}));
  EXPECT_NE(hint_of_repeated_pixels(one).find("repeated (2 x 2)"), std::string::npos);
}

}  // namespace
}  // namespace sr

// Codecs that may change samples, levels, and bands stored apart.
#include <cmath>

#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

// Smooth, with a little noise: what JPEG is made for.
Raster smooth_picture(const TiffInfo& info) {
  Raster picture({0, 0, info.width, info.height}, info.bands, info.type);
  std::mt19937 random(1);
  with_sample_type(info.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < picture.window.pixels(); ++i)
      for (int band = 0; band < info.bands; ++band) {
        const double x = static_cast<double>(i % info.width), y = static_cast<double>(i / info.width);
        const double value = 120 + 60 * std::sin(x / 19 + band) + 50 * std::cos(y / 23);
        picture.data<T>()[i * info.bands + band] = static_cast<T>(value + static_cast<double>(random() % 3));
      }
  });
  return picture;
}

double largest_difference(const Raster& a, const Raster& b) {
  double most = 0;
  with_sample_type(a.type, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < a.window.pixels() * a.bands; ++i)
      most =
          std::max(most, std::abs(static_cast<double>(a.data<T>()[i]) - static_cast<double>(b.data<T>()[i])));
  });
  return most;
}

class TiffCodecTest : public TiffWriterTest {
 protected:
  TiffWriterOptions options_{.compression = Compression::jpeg, .block = 64, .threads = 3};

  Raster written(const TiffInfo& info, const Raster& picture) {
    write_whole(path_, info, picture, options_);
    return TiffReader(path_).read(picture.window);
  }
};

TEST_F(TiffCodecTest, JpegKeepsThePictureNearlyAndTheBetterTheHigherTheQuality) {
  for (const int bands : {1, 3})
    for (const bool cog : {false, true})
      for (const bool by_band : {false, true}) {
        const TiffInfo info = make_info(300, 200, bands, SampleType::u8);
        const Raster picture = smooth_picture(info);
        options_.cog = cog, options_.by_band = by_band;
        options_.quality = 95;
        EXPECT_LE(largest_difference(written(info, picture), picture), 8);
        const auto size = std::filesystem::file_size(path_);
        options_.quality = 40;
        EXPECT_LE(largest_difference(written(info, picture), picture), 60);
        EXPECT_LT(std::filesystem::file_size(path_), size);
        TiffFile file(path_, TiffFile::Mode::read);
        EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PHOTOMETRIC), bands == 1 ? PHOTOMETRIC_MINISBLACK
                                                            : by_band  ? PHOTOMETRIC_RGB
                                                                       : PHOTOMETRIC_YCBCR);
      }
}

TEST_F(TiffCodecTest, JpegTakesNothingButOneOrThreeBandsOfBytes) {
  const auto refused = [&](TiffInfo info, const char* reason) {
    const std::string text = error_text([&] { TiffWriter(path_, info, options_); }, Error::Kind::unsupported);
    EXPECT_NE(text.find(path_), std::string::npos) << text;
    EXPECT_NE(text.find(reason), std::string::npos) << text;
    EXPECT_TRUE(std::filesystem::is_empty(folder_));
  };
  refused(make_info(64, 64, 1, SampleType::u16), "1 of u16");
  refused(make_info(64, 64, 4, SampleType::u8), "4 of u8");
  TiffInfo nodata = make_info(64, 64, 3, SampleType::u8);
  nodata.nodata = 0;
  refused(nodata, "no-data");
  options_.compression = Compression::lerc;
  options_.max_z_error = 1;
  refused(nodata, "no-data");
  TiffInfo alpha = make_info(64, 64, 4, SampleType::u8);
  alpha.extra_samples = {EXTRASAMPLE_UNASSALPHA};
  refused(alpha, "transparent");
}

TEST_F(TiffCodecTest, LercChangesNoSampleByMoreThanTheErrorAllowed) {
  if (!TIFFIsCODECConfigured(COMPRESSION_LERC)) GTEST_SKIP() << "libtiff was built without LERC";
  options_.compression = Compression::lerc;
  for (const SampleType type :
       {SampleType::u8, SampleType::i16, SampleType::u32, SampleType::f32, SampleType::f64})
    for (const int bands : {1, 3}) {
      const TiffInfo info = make_info(150, 90, bands, type);
      const Raster picture = smooth_picture(info);
      options_.max_z_error = 0;
      EXPECT_EQ(written(info, picture).samples, picture.samples) << name_of(type);
      options_.max_z_error = 2;
      const double changed = largest_difference(written(info, picture), picture);
      EXPECT_LE(changed, 2) << name_of(type);
      EXPECT_GT(changed, 0) << name_of(type);
    }
}

// libtiff would make a mask of such an alpha band and lose the colours below it.
TEST_F(TiffCodecTest, LercKeepsColoursOfTransparentPixels) {
  if (!TIFFIsCODECConfigured(COMPRESSION_LERC)) GTEST_SKIP() << "libtiff was built without LERC";
  options_.compression = Compression::lerc;
  TiffInfo info = make_info(100, 70, 4, SampleType::u8);
  info.extra_samples = {EXTRASAMPLE_UNASSALPHA};
  Raster picture = smooth_picture(info);
  for (int64_t i = 0; i < 100 * 70; ++i) picture.data<uint8_t>()[4 * i + 3] = i % 100 < 40 ? 0 : 255;
  EXPECT_EQ(written(info, picture).samples, picture.samples);
}

TEST_F(TiffCodecTest, AHigherLevelMakesASmallerFile) {
  const TiffInfo info = make_info(600, 500, 1, SampleType::u16);
  const Raster picture = smooth_picture(info);
  for (const Compression codec : {Compression::deflate, Compression::zstd}) {
    options_.compression = codec;
    std::vector<uintmax_t> sizes;
    for (const int level : {1, 9}) {
      options_.level = level;
      EXPECT_EQ(written(info, picture).samples, picture.samples);
      sizes.push_back(std::filesystem::file_size(path_));
    }
    EXPECT_GT(sizes[0], sizes[1]);
  }
}

TEST_F(TiffCodecTest, BandsApartHoldTheSamePixels) {
  for (const SampleType type : kTypes)
    for (const Compression codec : kCompressions) {
      options_.compression = codec;
      options_.by_band = true;
      const TiffInfo info = make_info(150, 90, 5, type);
      const Raster picture = random_picture(info, 1);
      EXPECT_EQ(written(info, picture).samples, picture.samples) << name_of(type);
      TiffFile file(path_, TiffFile::Mode::read);
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PLANARCONFIG), PLANARCONFIG_SEPARATE);
      EXPECT_EQ(TIFFNumberOfTiles(file.get()), 3u * 2 * 5);
    }
}

}  // namespace
}  // namespace sr

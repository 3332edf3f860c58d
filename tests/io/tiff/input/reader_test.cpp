// TIFFs written here with plain libtiff calls are read back to the sample, whatever their layout.
#include "io/tiff/input/reader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>

#include "io/tiff/file.h"
#include "io/tiff/input/unpack.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

double sample(const Raster& raster, int64_t x, int64_t y, int band) {
  const size_t at = static_cast<size_t>((y * raster.window.w + x) * raster.bands + band);
  return with_sample_type(raster.type,
                          [&](auto zero) { return static_cast<double>(raster.data<decltype(zero)>()[at]); });
}

// The number of samples that differ from the page's, after scaling of 1 to 7 bits.
int wrong_samples(const Raster& raster, const TestPage& page) {
  int wrong = 0;
  for (int64_t y = 0; y < raster.window.h; ++y) {
    for (int64_t x = 0; x < raster.window.w; ++x) {
      for (int band = 0; band < page.bands; ++band) {
        double expected = page.value(static_cast<uint32_t>(raster.window.x + x),
                                     static_cast<uint32_t>(raster.window.y + y), static_cast<uint32_t>(band));
        if (page.bits < 8) expected = std::floor(expected * 255 / ((1 << page.bits) - 1) + 0.5);
        wrong += sample(raster, x, y, band) != expected;
      }
    }
  }
  return wrong;
}

Window whole(const TiffReader& reader) {
  return {0, 0, reader.info().width, reader.info().height};
}

std::string name(const TestPage& page, const std::string& mode = "") {
  return std::to_string(page.bits) + " bits, format " + std::to_string(page.format) + ", compression " +
         std::to_string(page.compression) + ", predictor " + std::to_string(page.predictor) +
         (page.planar ? ", planar" : ", chunky") + (page.tile ? ", tiles " : ", strips ") + mode;
}

void expect_page_is_read(const std::string& path, const TestPage& page, const std::string& mode = "w",
                         const TiffLimits& limits = {}) {
  SCOPED_TRACE(name(page, mode));
  ASSERT_TRUE(write_tiff(path, page, mode.c_str()));
  TiffReader reader(path, limits);
  EXPECT_EQ(reader.info().width, page.width);
  EXPECT_EQ(reader.info().height, page.height);
  ASSERT_EQ(reader.info().bands, page.bands);
  EXPECT_EQ(wrong_samples(reader.read(whole(reader)), page), 0);
}

struct Numbers {
  uint16_t bits, format;
  SampleType type;
};
constexpr Numbers kAllTypes[] = {
    {8, SAMPLEFORMAT_UINT, SampleType::u8},     {8, SAMPLEFORMAT_INT, SampleType::i8},
    {16, SAMPLEFORMAT_UINT, SampleType::u16},   {16, SAMPLEFORMAT_INT, SampleType::i16},
    {32, SAMPLEFORMAT_UINT, SampleType::u32},   {32, SAMPLEFORMAT_INT, SampleType::i32},
    {32, SAMPLEFORMAT_IEEEFP, SampleType::f32}, {64, SAMPLEFORMAT_IEEEFP, SampleType::f64}};

TEST(TiffReader, EveryTypeLayoutAndByteOrderIsReadExactly) {
  const TestFolder folder;
  for (const Numbers& numbers : kAllTypes) {
    for (const char* mode : {"wl", "wb", "wl8", "wb8"}) {
      for (const int layout : {0, 1, 2, 3}) {
        TestPage page;
        page.bits = numbers.bits;
        page.format = numbers.format;
        page.bands = 3;
        page.planar = layout & 1;
        page.tile = layout & 2 ? 16 : 0;
        page.compression = *std::next(mode) == 'l' ? COMPRESSION_NONE : COMPRESSION_ADOBE_DEFLATE;
        expect_page_is_read(folder / "a.tif", page, mode);
        EXPECT_EQ(TiffReader(folder / "a.tif").info().type, numbers.type);
      }
    }
  }
}

TEST(TiffReader, EveryLosslessCodecAndPredictorIsReadExactly) {
  const TestFolder folder;
  for (const uint16_t compression : std::initializer_list<uint16_t>{
           COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS,
           COMPRESSION_ZSTD, COMPRESSION_LZMA, COMPRESSION_LERC}) {
    if (!TIFFIsCODECConfigured(compression)) continue;
    for (const Numbers& numbers : kAllTypes) {
      for (const uint16_t predictor : std::initializer_list<uint16_t>{1, 2, 3}) {
        const bool predicts = compression == COMPRESSION_LZW || compression == COMPRESSION_ADOBE_DEFLATE ||
                              compression == COMPRESSION_ZSTD;
        const bool floats = numbers.format == SAMPLEFORMAT_IEEEFP;
        if (predictor > 1 && (!predicts || floats != (predictor == 3))) continue;
        TestPage page;
        page.bits = numbers.bits;
        page.format = numbers.format;
        page.bands = 2;
        page.compression = compression;
        page.predictor = predictor;
        page.tile = 32;
        expect_page_is_read(folder / "a.tif", page, predictor == 2 ? "wb" : "w");
      }
    }
  }
}

TEST(TiffReader, PackedBitsAreScaledOrWidened) {
  const TestFolder folder;
  for (uint16_t bits = 1; bits <= 31; ++bits) {
    for (const int layout : {0, 1, 2, 3}) {
      TestPage page;
      page.bits = bits;
      page.bands = 3;
      page.planar = layout & 1;
      page.tile = layout & 2 ? 16 : 0;
      expect_page_is_read(folder / "a.tif", page, bits % 2 ? "wb" : "wl");
      const TiffInfo info = TiffReader(folder / "a.tif").info();
      EXPECT_EQ(info.type, bits <= 8 ? SampleType::u8 : bits <= 16 ? SampleType::u16 : SampleType::u32);
      EXPECT_EQ(info.significant_bits, bits < 8 ? 8 : bits);
    }
  }
}

TEST(TiffReader, HalfFloatsBecomeFloats) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(half_to_float(0x0400), std::ldexp(1.0f, -14));
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_EQ(half_to_float(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(half_to_float(0x7e00)));

  const TestFolder folder;
  TestPage page;
  page.bits = 16;
  page.format = SAMPLEFORMAT_UINT;
  ASSERT_TRUE(write_tiff(folder / "u16.tif", page));
  const Raster integers = TiffReader(folder / "u16.tif").read({0, 0, 53, 41});
  TIFF* tiff = TIFFOpen((folder / "half.tif").c_str(), "wb");
  set_layout(tiff, page);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP);
  ASSERT_TRUE(write_blocks(tiff, page));
  TIFFClose(tiff);
  TiffReader reader(folder / "half.tif");
  ASSERT_EQ(reader.info().type, SampleType::f32);
  const Raster floats = reader.read(whole(reader));
  for (size_t i = 0; i < 53 * 41; ++i) {
    const float expected = half_to_float(integers.data<uint16_t>()[i]);
    const float found = floats.data<float>()[i];
    EXPECT_TRUE(found == expected || (std::isnan(found) && std::isnan(expected)));
  }
}

// GDAL 3.6 stores -9992 where it is given -9999 for a file of halves, numpy -10000.
TEST(TiffReader, HalfFloatsThatStandForANodataValueAreThatValue) {
  const TestFolder folder;
  TestPage page;
  page.width = 5, page.height = 1, page.bits = 16, page.format = SAMPLEFORMAT_IEEEFP;
  TIFF* tiff = TIFFOpen((folder / "half.tif").c_str(), "w");
  set_layout(tiff, page);
  uint16_t halves[] = {0xf0e0, 0xf0e1, 0xf0e2, 0xf0e3, 0x3c00};
  TIFFWriteScanline(tiff, halves, 0);
  TIFFClose(tiff);
  const auto samples_with = [&](const char* nodata) {
    TiffFile file(folder / "half.tif", TiffFile::Mode::read);  // so that libtiff knows the tag
    TIFF* more = TIFFOpen((folder / "half.tif").c_str(), "r+");
    TIFFSetField(more, kTagGdalNodata, nodata);
    TIFFRewriteDirectory(more);
    TIFFClose(more);
    TiffReader reader(folder / "half.tif");
    const Raster raster = reader.read(whole(reader));
    return std::vector<float>(raster.data<float>(), raster.data<float>() + 5);
  };
  EXPECT_EQ(samples_with("-9999"), (std::vector<float>{-9984, -9999, -9999, -10008, 1}));
  EXPECT_EQ(samples_with("-9991"), (std::vector<float>{-9991, -9991, -10000, -10008, 1}));
  EXPECT_EQ(samples_with("-9992"), (std::vector<float>{-9984, -9992, -10000, -10008, 1})) << "a half itself";
}

TEST(TiffReader, PalettesBecomeColours) {
  const TestFolder folder;
  for (const uint16_t bits : std::initializer_list<uint16_t>{1, 2, 4, 8, 16}) {
    TestPage page;
    page.bits = bits;
    page.photometric = PHOTOMETRIC_PALETTE;
    std::vector<uint16_t> channels[3];
    for (uint32_t i = 0; i < 1u << bits; ++i) {
      for (uint32_t c = 0; c < 3; ++c)
        channels[c].push_back(static_cast<uint16_t>(65535 - (i * 911 + c * 7001)));
    }
    TIFF* tiff = TIFFOpen((folder / "a.tif").c_str(), "w");
    set_layout(tiff, page);
    TIFFSetField(tiff, TIFFTAG_COLORMAP, channels[0].data(), channels[1].data(), channels[2].data());
    ASSERT_TRUE(write_blocks(tiff, page));
    TIFFClose(tiff);
    TiffReader reader(folder / "a.tif");
    ASSERT_EQ(reader.info().bands, 3);
    EXPECT_EQ(reader.info().photometric, PHOTOMETRIC_RGB);
    EXPECT_TRUE(reader.info().extra_samples.empty());
    EXPECT_EQ(reader.info().type, bits == 16 ? SampleType::u16 : SampleType::u8);
    const Raster raster = reader.read(whole(reader));
    for (uint32_t y = 0; y < page.height; ++y) {
      for (uint32_t x = 0; x < page.width; ++x) {
        for (int c = 0; c < 3; ++c) {
          const uint16_t colour = channels[c][page.stored(x, y, 0)];
          ASSERT_EQ(sample(raster, x, y, c), bits == 16 ? colour : colour >> 8);
        }
      }
    }
  }
}

std::vector<TestPage> pages_of_many_layouts() {
  std::vector<TestPage> pages;
  for (const int layout : {0, 1, 2, 3, 4, 5, 6, 7}) {
    TestPage page;
    page.width = 157;
    page.height = 203;
    page.bands = 3;
    page.bits = layout & 4 ? 12 : 16;
    page.planar = layout & 1;
    page.tile = layout & 2 ? 48 : 0;
    page.rows_per_strip = 90;
    page.compression = COMPRESSION_ADOBE_DEFLATE;
    pages.push_back(page);
    page.compression = COMPRESSION_NONE;
    pages.push_back(page);
  }
  pages.push_back(pages[2]);  // planar strips, and more planes than the reader opens files
  pages.back().width = 30;
  pages.back().bands = 19;
  return pages;
}

TEST(TiffReader, WindowsEqualTheWholeWhateverTheCacheHolds) {
  const TestFolder folder;
  std::mt19937 random(5);
  for (const TestPage& page : pages_of_many_layouts()) {
    SCOPED_TRACE(name(page));
    ASSERT_TRUE(write_tiff(folder / "a.tif", page));
    // The small caches make strips count as large: they are decoded in bands.
    for (const int64_t cache_bytes : {int64_t{0}, int64_t{5000}, int64_t{60000}, int64_t{1} << 28}) {
      TiffLimits limits;
      limits.cache_bytes = cache_bytes;
      TiffReader reader(folder / "a.tif", limits);
      for (int i = 0; i < 12; ++i) {
        if (i % 4 == 3) reader.set_threads(i / 4 + 1);
        const auto below = [&](int64_t n) { return static_cast<int64_t>(random()) % n; };
        Window w{below(page.width), below(page.height), 0, 0};
        w.w = 1 + below(page.width - w.x);
        w.h = 1 + below(page.height - w.y);
        EXPECT_EQ(wrong_samples(reader.read(w), page), 0);
      }
    }
  }
}

void damage(const std::string& path, std::initializer_list<uint32_t> blocks) {
  std::vector<char> bytes = contents_of(path);
  TIFF* tiff = TIFFOpen(path.c_str(), "r");
  for (const uint32_t block : blocks)
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(TIFFGetStrileOffset(tiff, block)), 20, '\xff');
  TIFFClose(tiff);
  write_bytes(path, bytes);
}

TEST(TiffReader, SeveralThreadsNameTheFirstDamagedBlockAndReadOn) {
  const TestFolder folder;
  TestPage page;
  page.width = page.height = 160;
  page.tile = 32;
  page.compression = COMPRESSION_ADOBE_DEFLATE;
  ASSERT_TRUE(write_tiff(folder / "a.tif", page));
  damage(folder / "a.tif", {7, 8, 19});
  for (const int threads : {1, 3}) {
    TiffReader reader(folder / "a.tif");
    reader.set_threads(threads);
    expect_error(Error::Kind::format, "tile 7 ", [&] { reader.read(whole(reader)); });
    EXPECT_EQ(wrong_samples(reader.read({0, 0, 160, 32}), page), 0) << threads;
  }
}

TEST(TiffReader, LargeStripIsNeverDecodedAsAWhole) {
  const TestFolder folder;
  for (const bool planar : {false, true}) {
    for (const bool compressed : {false, true}) {
      TestPage page;
      page.width = 400;
      page.height = 700;
      page.bands = 2;
      page.planar = planar;
      page.rows_per_strip = 350;  // 280,000 bytes, or 140,000 in each plane
      page.compression = compressed ? COMPRESSION_ADOBE_DEFLATE : COMPRESSION_NONE;
      TiffLimits limits;
      limits.cache_bytes = 20000;
      if (!compressed) limits.block_bytes = 10000;
      expect_page_is_read(folder / "a.tif", page, "w", limits);
      // The samples do not compress: one strip as stored, of each plane, is held beside the bands.
      const int64_t stored = compressed ? 282000 : 0;
      EXPECT_LT(TiffReader(folder / "a.tif", limits).decoding_bytes(), 20000 + stored);
    }
  }
}

TEST(TiffReader, BlocksWithoutDataHoldNodataOrZero) {
  const TestFolder folder;
  for (const char* nodata : {"", "-32768", "7"}) {
    TestPage page;
    page.bits = 16;
    page.format = SAMPLEFORMAT_INT;
    page.bands = 2;
    page.tile = 16;
    page.compression = COMPRESSION_ADOBE_DEFLATE;
    page.blocks_left_out = {1, 11};
    {
      TiffFile file(folder / "a.tif", TiffFile::Mode::create);
      set_layout(file.get(), page);
      if (*nodata) TIFFSetField(file.get(), kTagGdalNodata, nodata);
      ASSERT_TRUE(write_blocks(file.get(), page));
      file.close();
    }
    TiffReader reader(folder / "a.tif");
    const Raster raster = reader.read(whole(reader));
    const double fill = *nodata ? std::stod(nodata) : 0;
    for (uint32_t y = 0; y < page.height; ++y) {
      for (uint32_t x = 0; x < page.width; ++x) {
        const uint32_t tile = y / 16 * 4 + x / 16;
        for (int b = 0; b < 2; ++b) {
          const bool left_out = tile == 1 || tile == 11;
          ASSERT_EQ(sample(raster, x, y, b), left_out ? fill : page.value(x, y, static_cast<uint32_t>(b)));
        }
      }
    }
  }
}

TEST(TiffReader, JpegInYcbcrComesAsRgb) {
  const TestFolder folder;
  for (const uint32_t tile : {0u, 32u}) {
    TIFF* tiff = TIFFOpen((folder / "a.tif").c_str(), "w");
    TestPage page;
    page.bands = 3;
    page.compression = COMPRESSION_JPEG;
    page.photometric = PHOTOMETRIC_YCBCR;
    page.tile = tile;
    page.rows_per_strip = 16;
    set_layout(tiff, page);
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    std::vector<uint8_t> colour(3 * 53 * 64);
    for (size_t i = 0; i < colour.size(); ++i)
      colour[i] = static_cast<uint8_t>(i % 3 == 0 ? 200 : i % 3 * 40);
    for (uint32_t i = 0; i < 4 - (tile ? 0u : 1u); ++i) {
      tile ? TIFFWriteEncodedTile(tiff, i, colour.data(), 3 * 32 * 32)
           : TIFFWriteEncodedStrip(tiff, i, colour.data(), 3 * 53 * (i < 2 ? 16 : 9));
    }
    TIFFClose(tiff);
    for (const int64_t cache_bytes : {int64_t{4000}, int64_t{1} << 20}) {
      TiffLimits limits;
      limits.cache_bytes = cache_bytes;
      TiffReader reader(folder / "a.tif", limits);
      EXPECT_EQ(reader.info().photometric, PHOTOMETRIC_RGB);
      const Raster raster = reader.read(whole(reader));
      for (int64_t i = 0; i < 53 * 41; ++i) {
        ASSERT_NEAR(sample(raster, i % 53, i / 53, 0), 200, 4);
        ASSERT_NEAR(sample(raster, i % 53, i / 53, 1), 40, 4);
        ASSERT_NEAR(sample(raster, i % 53, i / 53, 2), 80, 4);
      }
    }
  }
}

TEST(TiffReader, WindowOutsideTheImageIsUsage) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiff(folder / "a.tif", TestPage{}));
  TiffReader reader(folder / "a.tif");
  for (const Window& w : {Window{-1, 0, 1, 1}, Window{0, 0, 54, 1}, Window{53, 41, 1, 1}, Window{0, 0, -1, 1},
                          Window{1, 1, INT64_MAX, INT64_MAX}}) {
    try {
      reader.read(w);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::usage);
    }
  }
  EXPECT_TRUE(reader.read({53, 41, 0, 0}).samples.empty());
}

}  // namespace
}  // namespace sr

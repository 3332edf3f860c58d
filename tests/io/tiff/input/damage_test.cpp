// Damaged, hostile and foreign TIFFs end in an Error or in samples: no crash, no endless loop, no large
// memory.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <random>

#include "io/tiff/file.h"
#include "io/tiff/input/reader.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/shared_data.h"

namespace sr {
namespace {

// Opens the file and reads up to max_pixels of it, by rows of windows. Throws what the reader throws.
void read_all(const std::string& path, int64_t max_pixels, const TiffLimits& limits = {}) {
  TiffReader reader(path, limits);
  const int64_t width = std::min<int64_t>(reader.info().width, 4096);
  const int64_t rows = std::max<int64_t>(1, (int64_t{1} << 22) / (width * reader.info().bands));
  for (int64_t y = 0; y < reader.info().height && y * width < max_pixels; y += rows) {
    reader.read({0, y, width, std::min(rows, reader.info().height - y)});
  }
}

// The error of opening and reading a file, or an empty text if all goes well. Nothing may be printed.
std::string error_of(const std::string& path, Error::Kind* kind = nullptr, const TiffLimits& limits = {}) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  std::string text;
  try {
    read_all(path, int64_t{1} << 24, limits);
  } catch (const Error& error) {
    text = error.what();
    if (kind) *kind = error.kind();
    EXPECT_NE(text.find(path), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << path;
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "") << path;
  return text;
}

void expect_error(const std::string& path, Error::Kind expected, const std::string& word,
                  const TiffLimits& limits = {}) {
  Error::Kind kind{};
  const std::string text = error_of(path, &kind, limits);
  EXPECT_NE(text.find(word), std::string::npos) << "'" << word << "' is not in: " << text;
  EXPECT_EQ(kind, expected) << text;
}

// Where the entry of a tag lies in the first directory of a little-endian classic TIFF: tag, type, count,
// value.
size_t entry_of(const std::vector<char>& bytes, uint16_t tag) {
  uint32_t directory = 0;
  std::memcpy(&directory, &bytes[4], 4);
  for (size_t at = directory + 2; at + 12 <= bytes.size(); at += 12) {
    if (std::memcmp(&bytes[at], &tag, 2) == 0) return at;
  }
  ADD_FAILURE() << "tag " << tag << " is not in the file";
  return 8;
}

template <class T>
void patch(const std::string& path, uint16_t tag, size_t offset_in_entry, T value) {
  std::vector<char> bytes = contents_of(path);
  std::memcpy(&bytes[entry_of(bytes, tag) + offset_in_entry], &value, sizeof value);
  write_bytes(path, bytes);
}
constexpr size_t kCount = 4, kValue = 8;

TestPage tiled_deflate() {
  TestPage page;
  page.bands = 3;
  page.photometric = PHOTOMETRIC_RGB;
  page.tile = 16;
  page.compression = COMPRESSION_ADOBE_DEFLATE;
  return page;
}

TEST(TiffDamage, MissingFilesFoldersAndForeignFilesAreNamed) {
  const TestFolder folder;
  expect_error(folder / "none.tif", Error::Kind::io, "No such file");
  std::filesystem::create_directory(folder / "folder.tif");
  expect_error(folder / "folder.tif", Error::Kind::io, "folder");
  write_bytes(folder / "empty.tif", {});
  expect_error(folder / "empty.tif", Error::Kind::format, "empty");
  write_bytes(folder / "text.tif", std::vector<char>(1000, 'x'));
  expect_error(folder / "text.tif", Error::Kind::format, "not a TIFF");
}

TEST(TiffDamage, FileCutAnywhereIsAnError) {
  const TestFolder folder;
  for (const TestPage& page : {tiled_deflate(), TestPage{}}) {
    // libtiff puts the directory last; rewriting it in front leaves the samples to be cut.
    ASSERT_TRUE(write_tiff(folder / "a.tif", page));
    const std::vector<char> bytes = contents_of(folder / "a.tif");
    for (size_t length = 0; length < bytes.size(); length += 1 + length / 40) {
      write_bytes(folder / "b.tif", {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length)});
      EXPECT_NE(error_of(folder / "b.tif"), "") << length << " of " << bytes.size() << " bytes";
    }
  }
}

// A file whose directory comes before its samples, as in cloud-optimized GeoTIFFs.
void write_directory_first(const std::string& path, const TestPage& page) {
  TIFF* tiff = TIFFOpen(path.c_str(), "w");
  set_layout(tiff, page);
  TIFFDeferStrileArrayWriting(tiff);
  TIFFWriteCheck(tiff, page.tile != 0, "test");
  TIFFWriteDirectory(tiff);
  TIFFSetDirectory(tiff, 0);
  TIFFForceStrileArrayWriting(tiff);
  TIFFClose(tiff);
  tiff = TIFFOpen(path.c_str(), "r+");
  write_blocks(tiff, page);
  TIFFClose(tiff);
}

TEST(TiffDamage, SamplesBeyondTheEndAreFoundAtOpening) {
  const TestFolder folder;
  for (const TestPage& page : {tiled_deflate(), TestPage{}}) {
    write_directory_first(folder / "a.tif", page);
    ASSERT_EQ(error_of(folder / "a.tif"), "");
    std::vector<char> bytes = contents_of(folder / "a.tif");
    bytes.erase(bytes.end() - 20, bytes.end());
    write_bytes(folder / "a.tif", bytes);
    try {
      TiffReader reader(folder / "a.tif");
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::format);
      EXPECT_NE(std::string(error.what()).find("truncated"), std::string::npos) << error.what();
    }
  }
}

TEST(TiffDamage, FlippedBytesNeverCrash) {
  const TestFolder folder;
  std::mt19937 random(11);
  std::vector<TestPage> pages = {tiled_deflate(), TestPage{}, TestPage{}, TestPage{}};
  pages[1].compression = COMPRESSION_LZW;
  pages[1].bits = 12;
  pages[2].bands = 2;
  pages[2].planar = true;
  pages[3].compression = COMPRESSION_PACKBITS;
  TiffLimits limits;
  limits.block_bytes = int64_t{1} << 22;
  limits.cache_bytes = 4000;
  for (const TestPage& page : pages) {
    ASSERT_TRUE(write_tiff(folder / "a.tif", page));
    const std::vector<char> good = contents_of(folder / "a.tif");
    uint32_t directory = 0;
    std::memcpy(&directory, &good[4], 4);
    for (int i = 0; i < 250; ++i) {
      std::vector<char> bytes = good;
      for (int flips = 1 + i % 3; flips > 0; --flips) {
        // Every other time in the directory and what belongs to it.
        const size_t start = i % 2 ? directory : 0;
        bytes[start + random() % (bytes.size() - start)] = static_cast<char>(random());
      }
      write_bytes(folder / "b.tif", bytes);
      error_of(folder / "b.tif", nullptr, limits);
    }
  }
}

TEST(TiffDamage, CorruptBlockIsNamed) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiff(folder / "a.tif", tiled_deflate(), "wl"));
  std::vector<char> bytes = contents_of(folder / "a.tif");
  uint32_t offsets = 0, tile_5 = 0;
  std::memcpy(&offsets, &bytes[entry_of(bytes, TIFFTAG_TILEOFFSETS) + kValue], 4);
  std::memcpy(&tile_5, &bytes[offsets + 5 * 4], 4);
  std::fill_n(bytes.begin() + tile_5, 60, char{0x55});
  write_bytes(folder / "a.tif", bytes);
  expect_error(folder / "a.tif", Error::Kind::format, "tile 5 (columns 16 to 31, rows 16 to 31");
  TiffReader reader(folder / "a.tif");
  EXPECT_EQ(reader.read({0, 0, 53, 16}).window.h, 16);  // the others are still to be had
  EXPECT_THROW(reader.read({16, 16, 1, 1}), Error);
  EXPECT_THROW(reader.read({16, 16, 1, 1}), Error);
  EXPECT_EQ(reader.read({32, 16, 16, 16}).window.h, 16);
}

TEST(TiffDamage, JpegThatEndsEarlyIsAnErrorAndNotGrey) {
  const TestFolder folder;
  TestPage page;
  page.compression = COMPRESSION_JPEG;
  page.rows_per_strip = 48;
  ASSERT_TRUE(write_tiff(folder / "a.tif", page, "wl"));
  ASSERT_EQ(error_of(folder / "a.tif"), "");
  std::vector<char> bytes = contents_of(folder / "a.tif");
  const std::vector<char> good = bytes;
  uint32_t strip = 0, count = 0;
  std::memcpy(&strip, &bytes[entry_of(bytes, TIFFTAG_STRIPOFFSETS) + kValue], 4);
  std::memcpy(&count, &bytes[entry_of(bytes, TIFFTAG_STRIPBYTECOUNTS) + kValue], 4);
  bytes[strip + count / 2] = static_cast<char>(0xff);
  bytes[strip + count / 2 + 1] = static_cast<char>(0xd9);  // end of image
  write_bytes(folder / "a.tif", bytes);
  expect_error(folder / "a.tif", Error::Kind::format, "Corrupt JPEG data");
  write_bytes(folder / "a.tif", good);
  patch(folder / "a.tif", TIFFTAG_STRIPBYTECOUNTS, kValue, count - 2);
  EXPECT_EQ(error_of(folder / "a.tif"), "") << "it lacks nothing but the end marker";
  patch(folder / "a.tif", TIFFTAG_STRIPBYTECOUNTS, kValue, count - 4);
  expect_error(folder / "a.tif", Error::Kind::format, "premature end of data segment");
}

TEST(TiffDamage, ListOfBlocksThatIsTooShortIsAnErrorAndNotZeros) {
  const TestFolder folder;
  for (const uint16_t tag : std::initializer_list<uint16_t>{TIFFTAG_STRIPOFFSETS, TIFFTAG_STRIPBYTECOUNTS}) {
    ASSERT_TRUE(write_tiff(folder / "a.tif", TestPage{}, "wl"));
    patch(folder / "a.tif", tag, kCount, uint32_t{4});
    EXPECT_NE(error_of(folder / "a.tif"), "");
  }
  ASSERT_TRUE(write_tiff(folder / "a.tif", TestPage{}, "wl"));
  patch(folder / "a.tif", TIFFTAG_IMAGELENGTH, kValue, uint16_t{4100});
  EXPECT_NE(error_of(folder / "a.tif"), "");
}

TEST(TiffDamage, HugeClaimsOfSmallFilesAreRefusedBeforeAllocating) {
  const TestFolder folder;
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  const auto with = [&](const TestPage& page, uint16_t tag, size_t where, auto value) {
    EXPECT_TRUE(write_tiff(folder / "a.tif", page, "wl"));
    patch(folder / "a.tif", tag, where, value);
    const std::string text = error_of(folder / "a.tif");
    EXPECT_TRUE(where == kCount || !text.empty()) << tag << " " << value;  // a list too long does no harm
  };
  TestPage grey;
  grey.width = 70000;  // stored in 32 bits
  grey.height = 3;
  with(grey, TIFFTAG_IMAGEWIDTH, kValue, uint32_t{0xffffffff});
  with(grey, TIFFTAG_IMAGEWIDTH, kValue, uint32_t{0x7fffffff});
  with(TestPage{}, TIFFTAG_SAMPLESPERPIXEL, kValue, uint16_t{65535});
  with(TestPage{}, TIFFTAG_STRIPOFFSETS, kCount, uint32_t{0xffffffff});
  with(tiled_deflate(), TIFFTAG_TILEWIDTH, kValue, uint16_t{0x7ff0});
  with(tiled_deflate(), TIFFTAG_TILELENGTH, kValue, uint16_t{0xfff0});
  with(tiled_deflate(), TIFFTAG_TILEOFFSETS, kCount, uint32_t{0x10000000});
  // One tile of 800 MB, within the limits, in a kilobyte.
  TestPage one_tile = tiled_deflate();
  one_tile.tile = 64;
  ASSERT_TRUE(write_tiff(folder / "a.tif", one_tile, "wl"));
  patch(folder / "a.tif", TIFFTAG_TILEWIDTH, kValue, uint16_t{0x4000});
  patch(folder / "a.tif", TIFFTAG_TILELENGTH, kValue, uint16_t{0x4000});
  expect_error(folder / "a.tif", Error::Kind::format, "too few");
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 100 * 1024);  // kilobytes
}

TEST(TiffDamage, BlocksOverTheLimitAreRefused) {
  const TestFolder folder;
  TiffLimits limits;
  limits.block_bytes = 50000;
  TestPage page;
  page.tile = 256;
  ASSERT_TRUE(write_tiff(folder / "a.tif", page));
  expect_error(folder / "a.tif", Error::Kind::limit, "tile of 256 x 256", limits);
  page = TestPage{};
  page.width = 60000;
  page.height = 2;
  ASSERT_TRUE(write_tiff(folder / "a.tif", page));
  expect_error(folder / "a.tif", Error::Kind::limit, "60000 x 1", limits);
}

TEST(TiffDamage, UnsupportedKindsAreNamed) {
  const TestFolder folder;
  const auto expect_refused = [&](const TestPage& page, const std::string& word) {
    ASSERT_TRUE(write_tiff(folder / "a.tif", page, "wl"));
    expect_error(folder / "a.tif", Error::Kind::unsupported, word);
  };
  TestPage page;
  page.bits = 64;
  page.format = SAMPLEFORMAT_COMPLEXIEEEFP;
  expect_refused(page, "complex");
  page.format = SAMPLEFORMAT_UINT;
  expect_refused(page, "unsigned integers of 64 bits");
  page.format = SAMPLEFORMAT_INT;
  page.bits = 12;
  expect_refused(page, "signed integers of 12 bits");

  ASSERT_TRUE(write_tiff(folder / "a.tif", tiled_deflate(), "wl"));
  for (const auto& [photometric, word] : std::initializer_list<std::pair<uint16_t, const char*>>{
           {PHOTOMETRIC_CIELAB, "L*a*b*"}, {PHOTOMETRIC_YCBCR, "YCbCr"}, {PHOTOMETRIC_CFA, "mosaic"}}) {
    patch(folder / "a.tif", TIFFTAG_PHOTOMETRIC, kValue, photometric);
    expect_error(folder / "a.tif", Error::Kind::unsupported, word);
  }
  ASSERT_TRUE(write_tiff(folder / "a.tif", tiled_deflate(), "wl"));
  patch(folder / "a.tif", TIFFTAG_COMPRESSION, kValue, uint16_t{50013});
  expect_error(folder / "a.tif", Error::Kind::unsupported, "50013");
  for (const uint16_t jpeg_xl : std::initializer_list<uint16_t>{50002, 52546}) {
    patch(folder / "a.tif", TIFFTAG_COMPRESSION, kValue, jpeg_xl);
    expect_error(folder / "a.tif", Error::Kind::unsupported, "JPEG XL");
    expect_error(folder / "a.tif", Error::Kind::unsupported, "tifffile");
    EXPECT_EQ(error_of(folder / "a.tif").find("gdal_translate"), std::string::npos);
  }
  patch(folder / "a.tif", TIFFTAG_COMPRESSION, kValue, uint16_t{COMPRESSION_OJPEG});
  expect_error(folder / "a.tif", Error::Kind::unsupported, "old-style JPEG");
  page = TestPage{};
  page.bands = 2, page.photometric = PHOTOMETRIC_PALETTE;
  TIFF* tiff = TIFFOpen((folder / "a.tif").c_str(), "w");
  set_layout(tiff, page);
  std::vector<uint16_t> channel(256);
  TIFFSetField(tiff, TIFFTAG_COLORMAP, channel.data(), channel.data(), channel.data());
  ASSERT_TRUE(write_blocks(tiff, page));
  TIFFClose(tiff);
  expect_error(
      folder / "a.tif", Error::Kind::unsupported,
      "a palette for the first of 2 bands; gdal_translate -b 1 OLD.tif NEW.tif takes that one alone");
  // The three bits per sample lie outside the entry: 8 8 8 becomes 8 16 8.
  ASSERT_TRUE(write_tiff(folder / "a.tif", tiled_deflate(), "wl"));
  std::vector<char> bytes = contents_of(folder / "a.tif");
  uint32_t at = 0;
  std::memcpy(&at, &bytes[entry_of(bytes, TIFFTAG_BITSPERSAMPLE) + kValue], 4);
  bytes[at + 2] = 16;
  write_bytes(folder / "a.tif", bytes);
  expect_error(folder / "a.tif", Error::Kind::unsupported, "differ in sample type");
}

TEST(TiffDamage, EverySatelliteSceneIsRead) {
  const std::string folder = shared_data("data/satellite");
  if (folder.empty()) GTEST_SKIP() << "the folder data/satellite is not on this machine";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".tif") continue;
    EXPECT_EQ(error_of(entry.path().string()), "");
  }
}

TEST(TiffDamage, EveryOddFileIsReadOrRefused) {
  const std::string folder = shared_data("data/tiff_odd");
  if (folder.empty()) GTEST_SKIP() << "the folder data/tiff_odd is not on this machine";
  const std::vector<std::string> refused = {"12monkeys_40-8bit-gray-zip.tif",
                                            "12monkeys_jpeg-lossless-8bit-gray.tif",
                                            "12monkeys_value-beyond-eof.tif",
                                            "12monkeys_planar-yuv420-jpeg-uncompressed.tif",
                                            "derived_cfloat32.tif",
                                            "derived_corrupt_one_deflate_tile.tif",
                                            "derived_empty_0bytes.tif",
                                            "derived_height_2000000.tif",
                                            "derived_text_named.tif",
                                            "derived_truncated_strips_lzw.tif",
                                            "derived_width_4294967295.tif",
                                            "geo_corrupt.tif",
                                            "imagetiff_text.tif",
                                            "imagetiff_gradient-3c-64b.tiff",
                                            "imagetiff_off_luv24.tif",
                                            "pillow_libtiff_segfault.tif"};
  TiffLimits limits;
  limits.block_bytes = int64_t{128} << 20;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string text = error_of(entry.path().string(), nullptr, limits);
    const std::string file = entry.path().filename().string();
    const bool must_fail = std::find(refused.begin(), refused.end(), file) != refused.end();
    EXPECT_TRUE(!must_fail || !text.empty()) << file;
    const bool must_work = file.starts_with("geo_") || file.starts_with("derived_rgba");
    EXPECT_TRUE(must_fail || !must_work || text.empty()) << text;
  }
}

}  // namespace
}  // namespace sr

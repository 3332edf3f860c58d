// Files that libtiff reads with a warning: those whose pixels are all there are read with one note, others
// are refused. GDAL 3.6 gives the same pixels for the former.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include <jpeglib.h>

#include "io/tiff/input/reader.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using Bytes = std::vector<char>;

// A grey JPEG of steps of 8 x 8 pixels, with a restart marker after each row of blocks.
Bytes jpeg_of(uint32_t width, uint32_t height) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &out, &size);
  jpeg.image_width = width, jpeg.image_height = height;
  jpeg.input_components = 1, jpeg.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg.restart_in_rows = 1;
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<JSAMPLE> row(width);
  for (uint32_t y = 0; y < height; ++y) {
    for (uint32_t x = 0; x < width; ++x) row[x] = static_cast<JSAMPLE>((x / 8 * 37 + y / 8 * 91) % 251);
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&jpeg, &rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  const Bytes bytes(out, out + size);
  jpeg_destroy_compress(&jpeg);
  free(out);
  return bytes;
}

size_t at_marker(const Bytes& jpeg, unsigned char marker) {
  for (size_t i = 0; i + 1 < jpeg.size(); ++i)
    if (jpeg[i] == '\xff' && static_cast<unsigned char>(jpeg[i + 1]) == marker) return i;
  ADD_FAILURE() << "no marker " << int{marker};
  return 0;
}
constexpr unsigned char kTables = 0xc4, kScan = 0xda, kRestart1 = 0xd1, kEnd = 0xd9;
constexpr size_t kScanHeader = 10;  // bytes of it, for one component

Bytes with_stray_bytes(Bytes jpeg, unsigned char before_marker, size_t count) {
  jpeg.insert(jpeg.begin() + static_cast<ptrdiff_t>(at_marker(jpeg, before_marker)), count, '\0');
  return jpeg;
}

Bytes with_wrong_scan_header(Bytes jpeg) {
  jpeg[at_marker(jpeg, kScan) + 8] = 0;  // where the spectrum ends: 0 for 63
  return jpeg;
}

Bytes without_half_of_the_scan(Bytes jpeg) {
  jpeg.resize((at_marker(jpeg, kScan) + jpeg.size()) / 2);
  return jpeg;
}

class DecoderWarnings : public testing::Test {
 protected:
  // A page of 4 tiles of 64 x 64 pixels, each with these bytes; of strips of so many rows if tile is 0.
  void write_page(const Bytes& block, uint32_t width = 128, uint32_t rows = 128, uint32_t tile = 64) {
    TIFF* tiff = TIFFOpen(path_.c_str(), "wl");
    TestPage page;
    page.width = width, page.height = rows, page.tile = tile, page.rows_per_strip = rows;
    page.compression = COMPRESSION_JPEG;
    set_layout(tiff, page);
    const uint32_t blocks = tile ? TIFFNumberOfTiles(tiff) : 1;
    for (uint32_t i = 0; i < blocks; ++i) {
      Bytes copy = block;
      const auto size = static_cast<tmsize_t>(copy.size());
      if (tile)
        TIFFWriteRawTile(tiff, i, copy.data(), size);
      else
        TIFFWriteRawStrip(tiff, i, copy.data(), size);
    }
    TIFFClose(tiff);
  }

  Raster read(const TiffLimits& limits = {}) {
    TiffReader reader(path_, limits);
    Raster all = reader.read({0, 0, reader.info().width, reader.info().height});
    note_ = reader.decoding_note();
    return all;
  }

  TestFolder folder_;
  std::string path_ = folder_ / "a.tif", note_;
};

TEST_F(DecoderWarnings, StrayBytesInAJpegCostNothingAndAreToldOnce) {
  const Bytes clean = jpeg_of(64, 64);
  write_page(clean);
  const auto pixels = read().samples;
  EXPECT_EQ(note_, "");
  for (const unsigned char marker : {kTables, kScan, kEnd}) {
    write_page(with_stray_bytes(clean, marker, 24));
    EXPECT_EQ(read().samples, pixels);
    EXPECT_NE(note_.find("tile 0: JPEGLib: Corrupt JPEG data: "), std::string::npos) << note_;
    EXPECT_EQ(note_.find("extraneous"), note_.rfind("extraneous")) << note_;
  }
  write_page(with_wrong_scan_header(clean));
  EXPECT_EQ(read().samples, pixels);
  EXPECT_NE(note_.find("Invalid SOS parameters"), std::string::npos) << note_;
}

TEST_F(DecoderWarnings, AStripThatIsDecodedInOrderIsHeldToTheSame) {
  const TiffLimits in_bands{.cache_bytes = 4000};
  const Bytes clean = jpeg_of(64, 128);
  write_page(clean, 64, 128, 0);
  const auto pixels = read(in_bands).samples;
  write_page(with_stray_bytes(clean, kEnd, 24), 64, 128, 0);
  EXPECT_EQ(read(in_bands).samples, pixels);
  EXPECT_NE(note_, "");
  write_page(without_half_of_the_scan(with_wrong_scan_header(clean)), 64, 128, 0);
  expect_error(Error::Kind::format, "lost pixels", [&] { read(in_bands); });
}

// GDAL 3.6 reads these, with a warning.
TEST_F(DecoderWarnings, AJpegThatLacksItsEndMarkerIsReadAndOneThatLacksMoreIsNot) {
  const Bytes clean = jpeg_of(64, 64);
  for (const bool in_order : {false, true}) {
    const TiffLimits limits = in_order ? TiffLimits{.cache_bytes = 2000} : TiffLimits();
    const auto write = [&](const Bytes& jpeg) {
      write_page(jpeg, in_order ? 64 : 128, in_order ? 64 : 128, in_order ? 0 : 64);
    };
    write(clean);
    const auto pixels = read(limits).samples;
    int count = 0;
    for (size_t length = at_marker(clean, kScan) + kScanHeader; length < clean.size(); ++length) {
      write({clean.begin(), clean.begin() + static_cast<ptrdiff_t>(length)});
      try {
        EXPECT_EQ(read(limits).samples, pixels) << length << " of " << clean.size();
        EXPECT_NE(note_.find("Premature end of JPEG file"), std::string::npos) << note_;
        ++count;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("lost pixels"), std::string::npos) << error.what();
      }
    }
    EXPECT_TRUE(count == 2 || count == 3) << count;
  }
}

// libjpeg tells only the first warning of a picture.
TEST_F(DecoderWarnings, LossBehindAHarmlessWarningIsFound) {
  const Bytes clean = jpeg_of(64, 64);
  for (const Bytes& harmless : {with_stray_bytes(clean, kTables, 24), with_wrong_scan_header(clean)}) {
    write_page(without_half_of_the_scan(harmless));
    expect_error(Error::Kind::format,
                 "tile 0 (columns 0 to 63, rows 0 to 63; compression JPEG (code 7)) has lost",
                 [&] { read(); });
  }
}

TEST_F(DecoderWarnings, AMissingRestartMarkerIsLoss) {
  Bytes jpeg = jpeg_of(64, 64);
  const auto marker = jpeg.begin() + static_cast<ptrdiff_t>(at_marker(jpeg, kRestart1));
  jpeg.erase(marker, marker + 2);
  write_page(jpeg);
  expect_error(Error::Kind::format, "lost pixels", [&] { read(); });
}

// libtiff leaves what the picture lacks as it was: zeros.
TEST_F(DecoderWarnings, AJpegSmallerThanItsTileIsLossOnlyWithinThePage) {
  write_page(jpeg_of(64, 64), 64, 56);
  const auto pixels = read().samples;
  write_page(jpeg_of(64, 56), 64, 56);
  EXPECT_EQ(read().samples, pixels);
  write_page(jpeg_of(64, 48), 64, 56);
  expect_error(Error::Kind::format, "only 64 x 48 pixels", [&] { read(); });
  write_page(jpeg_of(56, 64));
  expect_error(Error::Kind::format, "only 56 x 64 pixels", [&] { read(); });
}

// libtiff calls these warnings and leaves the rest white.
TEST_F(DecoderWarnings, AFaxThatEndsEarlyIsLoss) {
  TestPage page;
  page.width = 200, page.height = 64, page.bits = 1, page.rows_per_strip = 64;
  for (const uint16_t fax :
       std::initializer_list<uint16_t>{COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4}) {
    page.compression = fax;
    ASSERT_TRUE(write_tiff(path_, page, "wl"));
    read();
    EXPECT_EQ(note_, "");
    TIFF* tiff = TIFFOpen(path_.c_str(), "r");
    Bytes strip(TIFFGetStrileByteCount(tiff, 0) / 2);
    TIFFReadRawStrip(tiff, 0, strip.data(), static_cast<tmsize_t>(strip.size()));
    TIFFClose(tiff);
    tiff = TIFFOpen(path_.c_str(), "wl");
    set_layout(tiff, page);
    TIFFWriteRawStrip(tiff, 0, strip.data(), static_cast<tmsize_t>(strip.size()));
    TIFFClose(tiff);
    EXPECT_THROW(read(), Error) << fax;
  }
}

// Where the entry of a tag lies in the directory of a little-endian classic TIFF.
size_t entry_of(const Bytes& file, uint16_t tag) {
  uint32_t directory = 0;
  std::memcpy(&directory, &file[4], 4);
  for (size_t at = directory + 2; at + 12 <= file.size(); at += 12)
    if (std::memcmp(&file[at], &tag, 2) == 0) return at;
  ADD_FAILURE() << "no tag " << tag;
  return 8;
}

TEST_F(DecoderWarnings, TagsOutOfOrderAreToldInANote) {
  ASSERT_TRUE(write_tiff(path_, TestPage{}, "wl"));
  EXPECT_TRUE(TiffReader(path_).info().notes.empty());
  const auto pixels = read().samples;
  Bytes file = contents_of(path_);
  const auto width = file.begin() + static_cast<ptrdiff_t>(entry_of(file, TIFFTAG_IMAGEWIDTH));
  std::swap_ranges(width, width + 12, width + 12);
  write_bytes(path_, file);
  EXPECT_EQ(read().samples, pixels);
  const auto notes = TiffReader(path_).info().notes;
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("libtiff warns: "), std::string::npos) << notes[0];
}

TEST_F(DecoderWarnings, UncompressedStripsAreReadWhateverLengthIsStatedIfTheyHaveRoom) {
  TestPage page;
  page.rows_per_strip = 41;
  ASSERT_TRUE(write_tiff(path_, page, "wl"));
  const auto pixels = read().samples;
  Bytes file = contents_of(path_);
  const uint32_t few = 2100;  // of 2173: libtiff itself puts right what is far off
  std::memcpy(&file[entry_of(file, TIFFTAG_STRIPBYTECOUNTS) + 8], &few, 4);
  write_bytes(path_, file);
  EXPECT_EQ(read().samples, pixels);

  page.rows_per_strip = 7;  // six strips, the second moved into the first
  ASSERT_TRUE(write_tiff(path_, page, "wl"));
  file = contents_of(path_);
  uint32_t offsets = 0, counts = 0, second = 0;
  std::memcpy(&offsets, &file[entry_of(file, TIFFTAG_STRIPOFFSETS) + 8], 4);
  std::memcpy(&counts, &file[entry_of(file, TIFFTAG_STRIPBYTECOUNTS) + 8], 4);
  std::memcpy(&second, &file[offsets + 4], 4);
  second -= 60;
  std::memcpy(&file[offsets + 4], &second, 4);
  const uint16_t short_by_60 = 7 * 53 - 60;
  std::memcpy(&file[counts], &short_by_60, 2);
  write_bytes(path_, file);
  expect_error(Error::Kind::format, "too few for", [&] { read(); });
}

}  // namespace
}  // namespace sr

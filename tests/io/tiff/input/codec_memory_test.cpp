#include "io/tiff/input/codec_memory.h"

#include <gtest/gtest.h>

#include "tests/io/tiff/samples.h"

namespace sr {
namespace {

// One strip of 2,100,000 bytes.
int64_t memory_of(const std::string& path, uint16_t compression, uint32_t level_tag = 0, int level = 0) {
  TestPage page;
  page.width = 3000, page.height = 700, page.rows_per_strip = 700, page.compression = compression;
  TIFF* tiff = TIFFOpen(path.c_str(), "wl");
  set_layout(tiff, page);
  if (level_tag != 0) TIFFSetField(tiff, level_tag, level);
  EXPECT_TRUE(write_blocks(tiff, page));
  TIFFClose(tiff);
  TiffFile file(path, TiffFile::Mode::read);
  const TiffLayout layout = read_layout(file, {}, SampleReading::picture);
  EXPECT_EQ(layout.codec_bytes, codec_memory(file, layout));
  return layout.codec_bytes;
}

// RFC 8878 and the library's table of levels: level 1 has a window of 2^19 bytes, level 9 of 2^22.
TEST(CodecMemory, IsTheWindowOfZstdButNoMoreThanTheStrip) {
  const TestFolder folder;
  EXPECT_EQ(memory_of(folder / "a.tif", COMPRESSION_ZSTD, TIFFTAG_ZSTD_LEVEL, 1), 1 << 19);
  EXPECT_EQ(memory_of(folder / "a.tif", COMPRESSION_ZSTD, TIFFTAG_ZSTD_LEVEL, 9), 2'100'000);
}

TEST(CodecMemory, IsTheWholeStripWhereTheCodecTakesItAtOnce) {
  const TestFolder folder;
  EXPECT_EQ(memory_of(folder / "a.tif", COMPRESSION_LZW), 0);
  EXPECT_EQ(memory_of(folder / "a.tif", COMPRESSION_LZMA), 2'100'000);
  if (!TIFFIsCODECConfigured(COMPRESSION_LERC)) GTEST_SKIP() << "libtiff has no LERC";
  EXPECT_GE(memory_of(folder / "a.tif", COMPRESSION_LERC), 2 * 2'100'000);
}

TEST(CodecMemory, HoldsNoCoefficientsOfAJpegOfOneScan) {
  const TestFolder folder;
  const int64_t bytes = memory_of(folder / "a.tif", COMPRESSION_JPEG);
  EXPECT_LE(bytes, static_cast<int64_t>(contents_of(folder / "a.tif").size()));
}

}  // namespace
}  // namespace sr

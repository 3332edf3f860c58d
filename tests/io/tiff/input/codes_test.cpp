// Samples that are codes: palettes as indices or colours, and 1 to 7 bits as they are.
#include <gtest/gtest.h>

#include "io/tiff/input/reader.h"
#include "tests/io/tiff/samples.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

std::vector<uint16_t> some_palette(int bits) {
  std::vector<uint16_t> palette;
  for (uint32_t i = 0; i < 3u << bits; ++i) palette.push_back(static_cast<uint16_t>(65535 - i * 911));
  return palette;
}

// A palette page, with GDAL's texts if they are not empty.
void write_palette(const std::string& path, TestPage page, const std::string& nodata = "",
                   const std::string& metadata = "") {
  page.photometric = PHOTOMETRIC_PALETTE;
  std::vector<uint16_t> channels[3];
  const std::vector<uint16_t> palette = some_palette(page.bits);
  for (size_t i = 0; i < palette.size(); ++i) channels[i % 3].push_back(palette[i]);
  TiffFile file(path, TiffFile::Mode::create);
  set_layout(file.get(), page);
  TIFFSetField(file.get(), TIFFTAG_COLORMAP, channels[0].data(), channels[1].data(), channels[2].data());
  if (!nodata.empty()) TIFFSetField(file.get(), kTagGdalNodata, nodata.c_str());
  if (!metadata.empty()) TIFFSetField(file.get(), kTagGdalMetadata, metadata.c_str());
  ASSERT_TRUE(write_blocks(file.get(), page));
  file.close();
}

uint64_t value_at(const Raster& raster, uint32_t x, uint32_t y) {
  const int64_t at = y * raster.window.w + x;
  return raster.type == SampleType::u8 ? raster.data<uint8_t>()[at] : raster.data<uint16_t>()[at];
}

TEST(Codes, FewBitsComeUnscaledWithTheirNodata) {
  const TestFolder folder;
  for (const uint16_t bits : std::initializer_list<uint16_t>{1, 2, 3, 4, 7, 8}) {
    TestPage page;
    page.bits = bits;
    page.blocks_left_out = {2};
    TiffFile file(folder / "a.tif", TiffFile::Mode::create);
    set_layout(file.get(), page);
    TIFFSetField(file.get(), kTagGdalNodata, "1");
    ASSERT_TRUE(write_blocks(file.get(), page));
    file.close();
    TiffReader reader(folder / "a.tif", {}, SampleReading::codes);
    EXPECT_EQ(reader.info().type, SampleType::u8);
    EXPECT_EQ(reader.info().significant_bits, bits);
    EXPECT_EQ(reader.info().stored_bits, bits);
    EXPECT_EQ(reader.info().nodata, 1.0);
    EXPECT_EQ(reader.info().tags.gdal_nodata, "1");
    const Raster raster = reader.read({0, 0, page.width, page.height});
    for (uint32_t y = 0; y < page.height; ++y)
      for (uint32_t x = 0; x < page.width; ++x)
        ASSERT_EQ(value_at(raster, x, y), y / 7 == 2 ? 1 : page.stored(x, y, 0)) << bits;
  }
}

TEST(Codes, WhatASampleIsWorthStaysTheSameHoweverItIsHandedOut) {
  const TestFolder folder;
  TestPage page;
  page.bits = 4;
  const std::string start =
                        "<GDALMetadata><Item name=\"OFFSET\" sample=\"0\" role=\"offset\">10</Item>"
                        "<Item name=\"SCALE\" sample=\"0\" role=\"scale\">",
                    end = "</Item></GDALMetadata>";
  TiffFile file(folder / "a.tif", TiffFile::Mode::create);
  set_layout(file.get(), page);
  TIFFSetField(file.get(), kTagGdalMetadata, (start + "8.5" + end).c_str());
  ASSERT_TRUE(write_blocks(file.get(), page));
  file.close();
  EXPECT_EQ(TiffReader(folder / "a.tif", {}, SampleReading::codes).info().tags.gdal_metadata,
            start + "8.5" + end);
  EXPECT_EQ(TiffReader(folder / "a.tif").info().tags.gdal_metadata, start + "0.5" + end) << "15 became 255";
}

TEST(Codes, IndicesOfPalettesKeepPaletteNodataAndTexts) {
  const TestFolder folder;
  const std::string texts =
      "<GDALMetadata><Item name=\"DESCRIPTION\" sample=\"0\">code</Item></GDALMetadata>";
  for (const uint16_t bits : std::initializer_list<uint16_t>{1, 2, 4, 8, 16}) {
    TestPage page;
    page.bits = bits;
    write_palette(folder / "a.tif", page, "1", texts);
    TiffReader reader(folder / "a.tif", {}, SampleReading::codes);
    const TiffInfo& info = reader.info();
    EXPECT_EQ(info.bands, 1);
    EXPECT_EQ(info.photometric, PHOTOMETRIC_PALETTE);
    EXPECT_EQ(info.palette, some_palette(bits));
    EXPECT_EQ(info.nodata, 1.0);
    EXPECT_FALSE(info.has_mask);
    EXPECT_EQ(info.tags.gdal_metadata, texts);
    const Raster raster = reader.read({0, 0, page.width, page.height});
    for (uint32_t y = 0; y < page.height; ++y)
      for (uint32_t x = 0; x < page.width; ++x) ASSERT_EQ(value_at(raster, x, y), page.stored(x, y, 0));
  }
}

TEST(Codes, TheNodataIndexOfAnExpandedPaletteHidesItsPixels) {
  const TestFolder folder;
  for (const uint16_t bits : std::initializer_list<uint16_t>{2, 8, 16})
    for (const bool tiled : {false, true}) {
      TestPage page;
      page.bits = bits;
      page.tile = tiled ? 16 : 0;
      page.blocks_left_out = {1};
      const auto hidden = static_cast<uint32_t>(page.stored(0, 0, 0));
      write_palette(
          folder / "a.tif", page, std::to_string(hidden),
          "<GDALMetadata><Item name=\"A\">1</Item>\n<Item name=\"B\" sample=\"0\">2</Item></GDALMetadata>");
      TiffReader reader(folder / "a.tif");
      EXPECT_EQ(reader.info().bands, 3);
      EXPECT_FALSE(reader.info().nodata);
      EXPECT_EQ(reader.info().tags.gdal_nodata, "");
      EXPECT_EQ(reader.info().tags.gdal_metadata, "<GDALMetadata><Item name=\"A\">1</Item>\n</GDALMetadata>");
      EXPECT_TRUE(reader.info().has_mask);
      const Window window{3, 2, 40, 30};
      const Raster raster = reader.read(window);
      ASSERT_EQ(raster.mask.size(), 1200u);
      for (uint32_t i = 0; i < 1200; ++i) {
        const uint32_t x = 3 + i % 40, y = 2 + i / 40;
        const bool left_out = tiled ? x / 16 == 1 && y / 16 == 0 : y / 7 == 1;
        ASSERT_EQ(raster.mask[i] == 0, left_out || page.stored(x, y, 0) == hidden) << x << ", " << y;
      }
    }
}

TEST(Codes, ANodataIndexThatThePaletteLacksHidesNothing) {
  const TestFolder folder;
  TestPage page;
  page.bits = 4;
  write_palette(folder / "a.tif", page, "16");
  const TiffReader reader(folder / "a.tif");
  EXPECT_FALSE(reader.info().has_mask);
  ASSERT_EQ(reader.info().notes.size(), 1u);
  EXPECT_NE(reader.info().notes[0].find("'16' hides nothing"), std::string::npos);
}

TEST_F(TiffWriterTest, IndicesAndTheirPaletteAreWrittenAndReadBack) {
  for (const int bits : {4, 8, 16}) {
    TiffInfo info = make_info(40, 30, 1, bits > 8 ? SampleType::u16 : SampleType::u8);
    info.photometric = PHOTOMETRIC_PALETTE;
    info.palette = some_palette(bits);
    const Raster picture = random_picture(info, 3);
    write_whole(path_, info, picture, {Compression::deflate, 16, 2});
    TiffReader reader(path_, {}, SampleReading::codes);
    EXPECT_EQ(reader.info().photometric, PHOTOMETRIC_PALETTE);
    EXPECT_EQ(reader.read(picture.window).samples, picture.samples);
    std::vector<uint16_t> padded = info.palette;
    padded.resize(size_t{3} << 8 * bytes_of(info.type));
    EXPECT_EQ(reader.info().palette, padded) << "entries that it lacks are black";
  }
}

}  // namespace
}  // namespace sr

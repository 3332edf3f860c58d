// Compressed strips too large to be decoded as a whole are decoded from their first row.
#include <gtest/gtest.h>

#include "io/tiff/input/page.h"
#include "tests/io/tiff/samples.h"

namespace sr {
namespace {

constexpr int64_t kRows = 31, kMargin = 5;

TestPage in_one_strip(uint16_t compression, bool planar) {
  TestPage page;
  page.width = 300, page.height = 400, page.bands = 3, page.bits = 16;
  page.planar = planar, page.compression = compression, page.rows_per_strip = 400;
  return page;
}

// All tiles of kRows x 70 pixels with their margins, row by row, as a scene is read.
void read_tiles(TiffPage& reader, const TestPage& page) {
  for (int64_t y = 0; y < page.height; y += kRows)
    for (int64_t x = 0; x < page.width; x += 70) {
      const int64_t x0 = std::max<int64_t>(0, x - kMargin), y0 = std::max<int64_t>(0, y - kMargin);
      const Window window{x0, y0, std::min<int64_t>(page.width, x + 70 + kMargin) - x0,
                          std::min<int64_t>(page.height, y + kRows + kMargin) - y0};
      std::vector<uint16_t> samples(static_cast<size_t>(window.pixels() * page.bands));
      reader.read(window, reinterpret_cast<std::byte*>(samples.data()));
      const auto last_x = static_cast<uint32_t>(x0 + window.w - 1);
      const auto last_y = static_cast<uint32_t>(y0 + window.h - 1);
      ASSERT_EQ(samples.back(), page.stored(last_x, last_y, 2)) << last_x << ", " << last_y;
      ASSERT_EQ(samples.front(), page.stored(static_cast<uint32_t>(x0), static_cast<uint32_t>(y0), 0));
    }
}

TEST(StripsInOrder, TilesReadRowByRowDecodeEachRowOnceIfTheCacheHoldsTheirRows) {
  const TestFolder folder;
  for (const uint16_t compression :
       std::initializer_list<uint16_t>{COMPRESSION_ADOBE_DEFLATE, COMPRESSION_LZW, COMPRESSION_ZSTD})
    for (const bool planar : {false, true}) {
      const TestPage page = in_one_strip(compression, planar);
      ASSERT_TRUE(write_tiff(folder / "a.tif", page));
      TiffPage reader(folder / "a.tif", 0, {.cache_bytes = 20000});
      ASSERT_TRUE(reader.layout().in_order());
      const int64_t once = page.height * (planar ? 3 : 1);
      reader.set_cache_limit(reader.bytes_of_rows(kRows + 2 * kMargin));
      read_tiles(reader, page);
      EXPECT_EQ(reader.rows_decoded_in_order(), once);
      reader.set_cache_limit(0);  // what it would be otherwise
      read_tiles(reader, page);
      EXPECT_GT(reader.rows_decoded_in_order(), 20 * once);
    }
}

TEST(StripsInOrder, NothingNeedsToBeKeptOfFilesThatAreReadAnywhere) {
  const TestFolder folder;
  TestPage page = in_one_strip(COMPRESSION_NONE, false);
  ASSERT_TRUE(write_tiff(folder / "a.tif", page));
  EXPECT_EQ(TiffPage(folder / "a.tif", 0, {.cache_bytes = 20000}).bytes_of_rows(41), 0);
  page = in_one_strip(COMPRESSION_LZW, false);
  page.tile = 64;
  ASSERT_TRUE(write_tiff(folder / "a.tif", page));
  EXPECT_EQ(TiffPage(folder / "a.tif", 0, {.cache_bytes = 20000}).bytes_of_rows(41), 0);
}

}  // namespace
}  // namespace sr

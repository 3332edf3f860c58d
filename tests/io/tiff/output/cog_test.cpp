// Cloud Optimized GeoTIFFs, read by libtiff and byte by byte. What GDAL finds in them is in tools_cog_test.
#include <sys/mount.h>

#include <fstream>
#include <iterator>

#include "io/output_file.h"
#include "io/tiff/output/overview.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int kBlock = 32;

class CogTest : public TiffWriterTest {
 protected:
  static TiffWriterOptions options(int threads = 1) {
    TiffWriterOptions options{.compression = Compression::zstd, .block = kBlock, .threads = threads};
    options.cog = true;
    return options;
  }

  static TiffInfo masked_info(int bands = 3) {
    TiffInfo info = make_info(203, 139, bands, SampleType::u16);
    info.has_mask = true;
    info.tags.pixel_scale = {10, 10, 0};
    info.tags.gdal_nodata = "7";
    return info;
  }

  static Raster masked_picture(const TiffInfo& info) {
    Raster picture = random_picture(info, 1);
    for (int64_t i = 0; i < picture.window.pixels(); ++i) picture.mask.push_back(i / 5 % 3 != 0);
    return picture;
  }

  std::string bytes() const { return read_file(path_, 1 << 26); }
};

struct Page {
  uint64_t directory = 0;
  uint32_t width = 0, height = 0, subfile = 0;
  std::vector<uint64_t> offsets, sizes;
};

std::vector<Page> pages_of(const std::string& path) {
  TiffFile file(path, TiffFile::Mode::read);
  std::vector<Page> pages;
  do {
    Page page;
    page.directory = TIFFCurrentDirOffset(file.get());
    TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &page.width);
    TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &page.height);
    TIFFGetFieldDefaulted(file.get(), TIFFTAG_SUBFILETYPE, &page.subfile);
    for (uint32_t i = 0; i < TIFFNumberOfTiles(file.get()); ++i) {
      page.offsets.push_back(TIFFGetStrileOffset(file.get(), i));
      page.sizes.push_back(TIFFGetStrileByteCount(file.get(), i));
    }
    pages.push_back(page);
  } while (TIFFReadDirectory(file.get()));
  EXPECT_EQ(file.take_messages(), "");
  return pages;
}

TEST_F(CogTest, BytesAreTheSameForAnyWindowsInAnyOrderAndAnyThreads) {
  for (const bool by_band : {false, true}) {
    const TiffInfo info = masked_info();
    const Raster picture = masked_picture(info);
    TiffWriterOptions used = options();
    used.by_band = by_band;
    write_whole(path_, info, picture, used);
    const std::string whole = bytes();
    std::mt19937 random(3);
    for (const int threads : {1, 2, 5}) {
      used.threads = threads;
      TiffWriter writer(path_, info, used);
      for (const Window& window : random_windows(info.width, info.height, random))
        writer.write(cut(picture, window));
      EXPECT_EQ(writer.pending_bytes(), 0);
      writer.finish();
      EXPECT_TRUE(bytes() == whole) << threads << " threads";
    }
  }
}

TEST_F(CogTest, DirectoriesComeFirstAndTheSmallestOverviewsBlocksBeforeLargerOnes) {
  const TiffInfo info = masked_info();
  write_whole(path_, info, masked_picture(info), options());
  const std::vector<Page> pages = pages_of(path_);
  const std::vector<std::pair<uint32_t, uint32_t>> sizes{{203, 139}, {203, 139}, {101, 69}, {50, 34},
                                                         {25, 17},   {101, 69},  {50, 34},  {25, 17}};
  const uint32_t subfiles[] = {0, 4, 1, 1, 1, 5, 5, 5};
  ASSERT_EQ(pages.size(), sizes.size());
  uint64_t first_block = UINT64_MAX, last_directory = 0;
  for (size_t p = 0; p < pages.size(); ++p) {
    EXPECT_EQ(std::pair(pages[p].width, pages[p].height), sizes[p]);
    EXPECT_EQ(pages[p].subfile, subfiles[p]);
    EXPECT_GT(pages[p].directory, last_directory);
    last_directory = pages[p].directory;
    first_block = std::min(first_block, *std::min_element(pages[p].offsets.begin(), pages[p].offsets.end()));
  }
  EXPECT_GT(first_block, last_directory);
  uint64_t end = first_block - 4;
  // Each picture block, smallest overview first and row by row, and its mask's behind it, without a gap.
  const std::string file = bytes();
  const auto expect_next = [&](uint64_t offset, uint64_t size) {
    EXPECT_EQ(offset, end + 4);
    uint32_t leader = 0;
    std::memcpy(&leader, &file[offset - 4], 4);
    EXPECT_EQ(leader, size) << "as little-endian";
    EXPECT_EQ(file.substr(offset + size - 4, 4), file.substr(offset + size, 4));
    end = offset + size + 4;
  };
  for (const auto& [picture, mask] : {std::pair<size_t, size_t>{4, 7}, {3, 6}, {2, 5}, {0, 1}})
    for (size_t i = 0; i < pages[picture].offsets.size(); ++i) {
      expect_next(pages[picture].offsets[i], pages[picture].sizes[i]);
      expect_next(pages[mask].offsets[i], pages[mask].sizes[i]);
    }
  EXPECT_EQ(end, file.size());
}

TEST_F(CogTest, TheTextBehindTheHeaderSaysWhatIsKept) {
  TiffInfo info = masked_info();
  const auto text = [&](const TiffWriterOptions& used) {
    write_whole(path_, info, masked_picture(info), used);
    const std::string file = bytes();
    EXPECT_EQ(file.substr(8, 30), "GDAL_STRUCTURAL_METADATA_SIZE=");
    const size_t size = std::stoul(file.substr(38, 6));
    EXPECT_EQ(file.substr(44, 7), " bytes\n");
    return file.substr(51, size);
  };
  const std::string order =
      "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
      "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";
  EXPECT_EQ(text(options()), order + "MASK_INTERLEAVED_WITH_IMAGERY=YES\n");
  TiffWriterOptions by_band = options();
  by_band.by_band = true;
  EXPECT_EQ(text(by_band), order) << "a band's block has no mask behind it";
  info.has_mask = false;
  EXPECT_EQ(text(options()), order);
}

TEST_F(CogTest, PicturesAndOverviewsHoldTheirPixels) {
  for (const bool by_band : {false, true})
    for (const int bands : {1, 4}) {
      const TiffInfo info = masked_info(bands);
      Raster level = masked_picture(info);
      TiffWriterOptions used = options(2);
      used.by_band = by_band;
      write_whole(path_, info, level, used);
      const Raster read = TiffReader(path_).read(level.window);
      EXPECT_EQ(read.samples, level.samples);
      for (size_t i = 0; i < level.mask.size(); ++i) ASSERT_EQ(read.mask[i] != 0, level.mask[i] != 0);
      if (by_band) continue;
      TiffFile file(path_, TiffFile::Mode::read);
      for (uint16_t page = 2; page < 5; ++page) {  // overviews; of a picture as a whole they are the same
        level = halved(level, overview_rule(info, {}), {level.window.w / 2, level.window.h / 2});
        ASSERT_EQ(TIFFSetDirectory(file.get(), page), 1);
        TiffInfo size = info;
        size.width = level.window.w, size.height = level.window.h;
        EXPECT_EQ(picture_of(file, size).samples, level.samples) << page;
        EXPECT_EQ(text_tag(file, kTagGdalNodata), "7");
        uint16_t count = 0;
        const double* scale = nullptr;
        EXPECT_EQ(TIFFGetField(file.get(), kTagModelPixelScale, &count, &scale), 0)
            << "the first page's alone";
      }
    }
}

TEST_F(CogTest, ASmallPictureHasNoOverviews) {
  const TiffInfo info = make_info(kBlock, 3, 1, SampleType::f32);
  write_whole(path_, info, random_picture(info, 1), options());
  EXPECT_EQ(pages_of(path_).size(), 1u);
}

TEST_F(CogTest, NothingIsLeftOfAnUnfinishedOne) {
  const TiffInfo info = masked_info();
  {
    TiffWriter writer(path_, info, options());
    writer.write(cut(masked_picture(info), {0, 0, 64, 64}));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2)
        << "the blocks, and the name that is taken";
  }
  EXPECT_TRUE(fs::is_empty(folder_));
  write_whole(path_, info, masked_picture(info), options());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(CogTest, AFullDiskIsAnErrorAndLeavesNothing) {
  const std::string disk = (folder_ / "disk").string();
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "cannot mount a small disk";
  const std::string path = disk + "/scene.tif";
  // The blocks do not fit; then they do, but the file that is made of them does not beside them.
  for (const int64_t rows : {1024, 416}) {
    const TiffInfo info = make_info(256, rows, 1, SampleType::u8);
    TiffWriterOptions used = options();
    used.compression = Compression::none;
    const auto text =
        error_text([&] { write_whole(path, info, random_picture(info, 1), used); }, Error::Kind::io);
    EXPECT_NE(text.find(path + ": "), std::string::npos) << text;
    EXPECT_NE(text.find("disk is full"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(fs::is_empty(disk));
  }
  ::umount(disk.c_str());
}

}  // namespace
}  // namespace sr

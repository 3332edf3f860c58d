#include "io/tiff/output/writer.h"

#include <sys/mount.h>

#include <fstream>

#include "io/output_file.h"
#include "io/tiff/input/reader.h"
#include "io/tiff/output/result_file.h"
#include "tests/io/tiff/writing.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

TEST_F(TiffWriterTest, EveryTypeAndCompressionKeepsEveryBit) {
  for (const SampleType type : kTypes) {
    for (const Compression compression : kCompressions) {
      for (const int bands : {1, 3, 5}) {
        const TiffInfo info = make_info(75, 53, bands, type);
        const Raster picture = random_picture(info, static_cast<uint32_t>(bands));
        write_whole(path_, info, picture, {compression, 32});
        EXPECT_EQ(read_back(path_, info).samples, picture.samples)
            << name_of(type) << " " << bands << " bands, compression " << static_cast<int>(compression);
      }
    }
  }
}

// What a block of one pixel became is not made again for the next one of that pixel, only for that.
TEST_F(TiffWriterTest, BlocksOfOnePixelKeepTheirOwn) {
  const TiffInfo info = make_info(16 * 6, 16 * 4 - 3, 2, SampleType::u16);
  for (const Compression compression : kCompressions) {
    for (const bool by_band : {false, true}) {
      Raster picture = random_picture(info, 5);
      for (int64_t y = 0; y < info.height; ++y)
        for (int64_t x = 0; x < info.width; ++x)
          if (const int64_t block = y / 16 * 6 + x / 16; block % 4 != 3)  // 0, 1, 0, random, ...
            for (int band = 0; band < 2; ++band)
              picture.data<uint16_t>()[(y * info.width + x) * 2 + band] =
                  static_cast<uint16_t>(256 * (block % 2) + (block > 11 ? 7 * band : 0));
      TiffWriterOptions options{compression, 16};
      options.by_band = by_band;
      write_whole(path_, info, picture, options);
      EXPECT_EQ(TiffReader(path_).read({0, 0, info.width, info.height}).samples, picture.samples)
          << "compression " << static_cast<int>(compression) << ", by band " << by_band;
    }
  }
}

TEST_F(TiffWriterTest, WindowsOfAnySizeInAnyOrderGiveThePicture) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const TiffInfo info = make_info(1 + random() % 200, 1 + random() % 200,
                                    1 + static_cast<int>(random() % 4), SampleType::u16);
    const Raster picture = random_picture(info, static_cast<uint32_t>(round));
    TiffWriter writer(path_, info, {Compression::lzw, 48});
    for (const Window& window : random_windows(info.width, info.height, random)) {
      writer.write(cut(picture, window));
    }
    writer.finish();
    EXPECT_EQ(read_back(path_, info).samples, picture.samples) << info.width << " x " << info.height;
  }
}

// More blocks than an encoder's file in memory has, edge blocks, and windows that end within blocks.
TEST_F(TiffWriterTest, TheFileIsTheSameForAnyNumberOfThreads) {
  for (const Compression compression : kCompressions) {
    const int64_t blocks = compression == Compression::deflate ? 48 : 8;  // along a side
    const TiffInfo info = make_info(16 * blocks + 5, 16 * blocks + 3, 1, SampleType::u16);
    const int64_t left = 8 * blocks, top = 8 * blocks + 4;
    Raster picture = random_picture(info, 11);
    for (size_t i = 0; i < picture.samples.size(); ++i)  // so that it can be compressed
      if (i % 3 != 0) picture.samples[i] = std::byte{9};
    std::vector<std::string> files;
    for (const int threads : {1, 2, 5}) {
      TiffWriter writer(path_, info, {compression, 16, threads});
      for (const Window& window : {Window{0, 0, left, top}, Window{left, 0, info.width - left, top}})
        writer.write(cut(picture, window));
      writer.write(cut(picture, {0, top, info.width, info.height - top}));
      writer.finish();
      EXPECT_EQ(read_back(path_, info).samples, picture.samples) << threads;
      std::ifstream file(path_, std::ios::binary);
      files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    EXPECT_TRUE(files[0] == files[1]) << static_cast<int>(compression);
    EXPECT_TRUE(files[0] == files[2]) << static_cast<int>(compression);
  }
}

TEST_F(TiffWriterTest, ManyThreadsRefuseAPixelThatComesTwice) {
  const TiffInfo info = make_info(64, 64, 1, SampleType::u8);
  TiffWriter writer(path_, info, {Compression::deflate, 16, 3});
  const Raster picture = random_picture(info, 1);
  writer.write(cut(picture, {0, 0, 64, 32}));
  expect_error(Error::Kind::usage, "written before", [&] { writer.write(cut(picture, {16, 16, 32, 32})); });
}

TEST_F(TiffWriterTest, EdgeBlocksRepeatTheEdgeBeyondThePicture) {
  const TiffInfo info = make_info(18, 17, 1, SampleType::u8);
  const Raster picture = random_picture(info, 3);
  write_whole(path_, info, picture, {Compression::deflate, 16});
  TiffFile file(path_, TiffFile::Mode::read);
  const auto blocks = decoded_blocks(file);
  ASSERT_EQ(blocks.size(), 4u);
  for (size_t y = 0; y < 16; ++y) {
    for (size_t x = 0; x < 16; ++x) {
      EXPECT_EQ(blocks[3][y * 16 + x], picture.samples[16 * 18 + 16 + std::min<size_t>(x, 1)]);
    }
  }
}

TEST_F(TiffWriterTest, OnlyBlocksThatWaitForPixelsTakeMemory) {
  const TiffInfo info = make_info(64, 64, 3, SampleType::u8);
  const Raster picture = random_picture(info, 3);
  TiffWriter writer(path_, info, {Compression::deflate, 32});
  writer.write(cut(picture, {32, 0, 32, 64}));
  EXPECT_EQ(writer.pending_bytes(), 0);
  writer.write(cut(picture, {0, 0, 31, 64}));
  EXPECT_EQ(writer.pending_bytes(), 2 * 32 * 32 * (3 + 1));
  writer.write(cut(picture, {31, 0, 1, 64}));
  EXPECT_EQ(writer.pending_bytes(), 0);
  writer.finish();
}

TEST_F(TiffWriterTest, FileHasItsNameOnlyAfterFinish) {
  const TiffInfo info = make_info(40, 40, 1, SampleType::u8);
  {
    TiffWriter writer(path_, info);
    writer.write(random_picture(info, 1));
    EXPECT_FALSE(fs::exists(path_));
    EXPECT_TRUE(fs::exists(temporary_name(path_)));
  }
  EXPECT_TRUE(fs::is_empty(folder_)) << "an unfinished file is removed";
  write_whole(path_, info, random_picture(info, 1));
  EXPECT_TRUE(fs::exists(path_));
  EXPECT_FALSE(fs::exists(temporary_name(path_)));
}

TEST_F(TiffWriterTest, PixelsMustComeOnceAndLieInThePicture) {
  const TiffInfo info = make_info(40, 40, 1, SampleType::u8);
  const Raster picture = random_picture(info, 1);
  const auto refused = [&](const Window& first, const Window& second, const char* reason) {
    TiffWriter writer(path_, info, {Compression::deflate, 16});
    writer.write(cut(picture, first));
    const auto text =
        error_text([&] { writer.write(Raster(second, 1, SampleType::u8)); }, Error::Kind::usage);
    EXPECT_NE(text.find(path_), std::string::npos) << text;
    EXPECT_NE(text.find(reason), std::string::npos) << text;
  };
  refused({0, 0, 16, 16}, {15, 15, 4, 4}, "written before");  // a block that is complete
  refused({0, 0, 10, 10}, {9, 9, 10, 10}, "written before");  // a block that waits
  refused({0, 0, 10, 10}, {0, 0, 16, 16}, "written before");  // the whole of a block that waits
  refused({0, 0, 16, 16}, {30, 0, 11, 1}, "the picture has");
  refused({0, 0, 16, 16}, {-1, 0, 4, 4}, "the picture has");
  refused({0, 0, 16, 16}, {20, 20, 0, 4}, "the picture has");
}

TEST_F(TiffWriterTest, SamplesMustBeThoseOfThePage) {
  const TiffInfo info = make_info(40, 40, 3, SampleType::u16);
  TiffWriter writer(path_, info);
  EXPECT_THROW(writer.write(Raster({0, 0, 8, 8}, 1, SampleType::u16)), Error);
  EXPECT_THROW(writer.write(Raster({0, 0, 8, 8}, 3, SampleType::i16)), Error);
  Raster truncated({0, 0, 8, 8}, 3, SampleType::u16);
  truncated.samples.pop_back();
  EXPECT_THROW(writer.write(truncated), Error);
}

TEST_F(TiffWriterTest, MissingPixelsAreAnErrorAtTheEnd) {
  const TiffInfo info = make_info(40, 40, 1, SampleType::u8);
  const Raster picture = random_picture(info, 1);
  {
    TiffWriter writer(path_, info, {Compression::deflate, 16});
    writer.write(cut(picture, {0, 0, 40, 39}));
    const auto text = error_text([&] { writer.finish(); }, Error::Kind::usage);
    EXPECT_NE(text.find("3 of 9 blocks"), std::string::npos) << text;
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(TiffWriterTest, NothingFollowsFinish) {
  const TiffInfo info = make_info(8, 8, 1, SampleType::u8);
  TiffWriter writer(path_, info);
  writer.write(random_picture(info, 1));
  writer.finish();
  EXPECT_THROW(writer.write(random_picture(info, 1)), Error);
  EXPECT_THROW(writer.finish(), Error);
}

TEST_F(TiffWriterTest, MaskPageHoldsOneBitAPixel) {
  TiffInfo info = make_info(50, 37, 3, SampleType::u8);
  info.has_mask = true;
  Raster picture = random_picture(info, 4);
  std::mt19937 random(9);
  TiffWriter writer(path_, info, {Compression::zstd, 16, 2});
  EXPECT_THROW(writer.write(picture), Error) << "without a mask";
  for (int64_t i = 0; i < 50 * 37; ++i)  // 0, 1, 128 and 129: all but 0 mean valid
    picture.mask.push_back(static_cast<uint8_t>(random() & 0x81));
  for (const Window& window : random_windows(50, 37, random)) writer.write(cut(picture, window));
  writer.finish();

  EXPECT_EQ(read_back(path_, info).samples, random_picture(info, 4).samples);
  TiffFile file(path_, TiffFile::Mode::read);
  ASSERT_EQ(TIFFNumberOfDirectories(file.get()), 2);
  ASSERT_EQ(TIFFSetDirectory(file.get(), 1), 1);
  EXPECT_EQ(tag<uint32_t>(file, TIFFTAG_SUBFILETYPE), static_cast<uint32_t>(FILETYPE_MASK));
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PHOTOMETRIC), PHOTOMETRIC_MASK);
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_BITSPERSAMPLE), 1);
  const auto blocks = decoded_blocks(file);
  for (size_t y = 0; y < 37; ++y) {
    for (size_t x = 0; x < 50; ++x) {
      const std::byte byte = blocks.at(y / 16 * 4 + x / 16)[y % 16 * 2 + x % 16 / 8];
      const bool valid = (byte & (std::byte{0x80} >> (x % 8))) != std::byte{};
      ASSERT_EQ(valid, picture.mask[y * 50 + x] != 0) << x << ", " << y;
    }
  }
}

TEST_F(TiffWriterTest, LevelsOfDeflateAndZstdAreFiveUnlessTheyAreGiven) {
  const TiffInfo info = make_info(256, 256, 1, SampleType::u16);
  Raster picture(Window{0, 0, 256, 256}, 1, SampleType::u16);
  for (int64_t i = 0; i < 65536; ++i)
    picture.data<uint16_t>()[i] = static_cast<uint16_t>(i / 256 * (i % 256) / 40 + i * i % 7);
  const auto bytes = [&](Compression codec, std::optional<int> level) {
    write_whole(path_, info, picture, {.compression = codec, .level = level});
    return std::filesystem::file_size(path_);
  };
  for (const Compression codec : {Compression::deflate, Compression::zstd}) {
    EXPECT_EQ(bytes(codec, {}), bytes(codec, 5));
    EXPECT_NE(bytes(codec, {}), bytes(codec, 3));
    EXPECT_NE(bytes(codec, {}), bytes(codec, 9));
  }
}

TEST_F(TiffWriterTest, ReaderGivesBackPictureMaskAndDescription) {
  TiffInfo info = make_info(70, 45, 4, SampleType::i16);
  info.extra_samples = {EXTRASAMPLE_UNASSALPHA};
  info.tags.gdal_nodata = "-9999";
  info.tags.pixel_scale = {10, 10, 0};
  info.tags.tiepoints = {0, 0, 0, 500000, 5300000, 0};
  info.tags.geo_key_directory = {1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 2};
  info.has_mask = true;
  Raster picture = random_picture(info, 8);
  for (int64_t i = 0; i < 70 * 45; ++i) picture.mask.push_back(i % 3 != 0);
  write_whole(path_, info, picture, {Compression::zstd, 32});

  TiffReader reader(path_);
  const Raster read = reader.read({0, 0, 70, 45});
  EXPECT_EQ(read.samples, picture.samples);
  ASSERT_EQ(read.mask.size(), picture.mask.size());
  for (size_t i = 0; i < read.mask.size(); ++i) ASSERT_EQ(read.mask[i] != 0, i % 3 != 0) << i;
  const TiffInfo& found = reader.info();
  EXPECT_TRUE(found.has_mask);
  EXPECT_EQ(found.type, SampleType::i16);
  EXPECT_EQ(found.nodata, -9999);
  EXPECT_EQ(found.extra_samples, info.extra_samples);
  EXPECT_TRUE(found.tags.pixel_is_point);
  EXPECT_EQ(found.tags.pixel_scale, info.tags.pixel_scale);
  EXPECT_EQ(found.tags.tiepoints, info.tags.tiepoints);
  EXPECT_EQ(found.tags.geo_key_directory, info.tags.geo_key_directory);
}

// A file of 4e9 bytes is too much for a test: what decides is asked.
TEST_F(TiffWriterTest, BigTiffIsChosenByTheSizeOfTheFile) {
  const auto version = [&](const TiffInfo& info) {
    write_whole(path_, info, random_picture(info, 1));
    std::ifstream file(path_, std::ios::binary);
    char header[4] = {};
    file.read(header, 4);
    return static_cast<int>(header[2] + header[3]);  // one is zero, whatever the byte order
  };
  EXPECT_EQ(version(make_info(100, 100, 3, SampleType::u8)), 42);
  EXPECT_FALSE(needs_big_tiff(3'990'000'000, 100));
  EXPECT_TRUE(needs_big_tiff(4'000'000'000, 100));
  EXPECT_TRUE(needs_big_tiff(3'900'000'000, 10'000'000)) << "16 bytes for each block";
}

TEST_F(TiffWriterTest, ImpossibleRequestsAreRefusedBeforeAFileExists) {
  const auto refused = [&](const TiffInfo& info, const TiffWriterOptions& options, Error::Kind kind) {
    const auto text = error_text([&] { TiffWriter(path_, info, options); }, kind);
    EXPECT_NE(text.find(path_), std::string::npos) << text;
    EXPECT_TRUE(fs::is_empty(folder_));
  };
  const TiffInfo good = make_info(20, 20, 1, SampleType::u8);
  for (const int block : {0, -16, 8, 100, 32768})
    refused(good, {Compression::none, block}, Error::Kind::usage);
  refused(make_info(0, 20, 1, SampleType::u8), {}, Error::Kind::usage);
  refused(make_info(int64_t{1} << 32, 20, 1, SampleType::u8), {}, Error::Kind::limit);
  refused(make_info(4'000'000'000, 4'000'000'000, 1, SampleType::u8), {}, Error::Kind::limit);
  refused(make_info(20, 20, 60000, SampleType::f64), {}, Error::Kind::limit);
  TiffInfo palette = good;
  palette.photometric = PHOTOMETRIC_PALETTE;
  refused(palette, {}, Error::Kind::unsupported);
  TiffInfo extra = good;
  extra.extra_samples = {0, 0};
  refused(extra, {}, Error::Kind::usage);
}

TEST_F(TiffWriterTest, MissingFolderIsNamedWithTheRemedy) {
  const std::string path = (folder_ / "no" / "scene.tif").string();
  const auto text =
      error_text([&] { TiffWriter(path, make_info(20, 20, 1, SampleType::u8)); }, Error::Kind::io);
  EXPECT_NE(text.find(path + ": "), std::string::npos) << text;
  EXPECT_NE(text.find("create it first"), std::string::npos) << text;
}

TEST_F(TiffWriterTest, FullDiskIsAnErrorAndLeavesNothing) {
  const std::string disk = (folder_ / "disk").string();
  fs::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "cannot mount a small disk";
  const std::string path = disk + "/scene.tif";
  // The data does not fit; then the data does but the directory after it does not.
  for (const int64_t rows : {512, 1008}) {
    const TiffInfo info = make_info(rows == 512 ? 1024 : 256, rows, 1, SampleType::u8);
    const auto text = error_text(
        [&] {
          write_whole(path, info, random_picture(info, 1), {Compression::none, 16});
        },
        Error::Kind::io);
    EXPECT_NE(text.find(path + ": "), std::string::npos) << text;
    EXPECT_NE(text.find("disk is full"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_TRUE(fs::is_empty(disk));
  }
  ::umount(disk.c_str());
}

}  // namespace
}  // namespace sr

#include "io/tiff_writer.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "io/output_file.h"
#include "io/tiff_file.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

class TiffWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tiff_writer_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = (folder_ / "scene.tif").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  std::string path_;
};

TiffInfo make_info(int64_t width, int64_t height, int bands, SampleType type) {
  TiffInfo info;
  info.width = width;
  info.height = height;
  info.bands = bands;
  info.type = type;
  info.photometric = bands >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  info.extra_samples.assign(static_cast<size_t>(bands >= 3 ? bands - 3 : bands - 1), EXTRASAMPLE_UNSPECIFIED);
  return info;
}

/// A picture of random bytes: every bit pattern must survive, NaN of all kinds included.
Raster random_picture(const TiffInfo& info, uint32_t seed) {
  Raster picture({0, 0, info.width, info.height}, info.bands, info.type);
  std::mt19937 random(seed);
  for (std::byte& b : picture.samples) b = static_cast<std::byte>(random() & 255);
  return picture;
}

Raster part_of(const Raster& picture, const Window& window) {
  Raster part(window, picture.bands, picture.type);
  const int64_t pixel = picture.bands * bytes_of(picture.type);
  for (int64_t y = 0; y < window.h; ++y) {
    std::memcpy(part.samples.data() + y * window.w * pixel,
                picture.samples.data() + ((window.y + y) * picture.window.w + window.x) * pixel,
                static_cast<size_t>(window.w * pixel));
  }
  return part;
}

/// Cuts the picture into windows at random columns and rows, in random order.
std::vector<Window> random_windows(int64_t width, int64_t height, std::mt19937& random) {
  const auto cuts = [&](int64_t length) {
    std::vector<int64_t> at{0};
    while (at.back() < length) at.push_back(std::min<int64_t>(length, at.back() + 1 + random() % 70));
    return at;
  };
  const auto columns = cuts(width), rows = cuts(height);
  std::vector<Window> windows;
  for (size_t r = 0; r + 1 < rows.size(); ++r) {
    for (size_t c = 0; c + 1 < columns.size(); ++c) {
      windows.push_back({columns[c], rows[r], columns[c + 1] - columns[c], rows[r + 1] - rows[r]});
    }
  }
  std::shuffle(windows.begin(), windows.end(), random);
  return windows;
}

/// All blocks of the current directory, one after the other, as libtiff decodes them.
std::vector<std::vector<std::byte>> decoded_blocks(TiffFile& file) {
  std::vector<std::vector<std::byte>> blocks(TIFFNumberOfTiles(file.get()));
  for (uint32_t i = 0; i < blocks.size(); ++i) {
    blocks[i].resize(static_cast<size_t>(TIFFTileSize(file.get())));
    const auto size = static_cast<tmsize_t>(blocks[i].size());
    EXPECT_EQ(TIFFReadEncodedTile(file.get(), i, blocks[i].data(), size), size) << file.take_messages();
  }
  return blocks;
}

/// The picture of the first page, read with libtiff alone.
Raster read_back(const std::string& path, const TiffInfo& info) {
  TiffFile file(path, TiffFile::Mode::read);
  uint32_t side = 0;
  TIFFGetField(file.get(), TIFFTAG_TILEWIDTH, &side);
  const auto blocks = decoded_blocks(file);
  const int64_t across = (info.width + side - 1) / side, pixel = info.bands * bytes_of(info.type);
  Raster picture({0, 0, info.width, info.height}, info.bands, info.type);
  for (int64_t y = 0; y < info.height; ++y) {
    for (int64_t x = 0; x < info.width; ++x) {
      const auto& block = blocks.at(static_cast<size_t>(y / side * across + x / side));
      std::memcpy(picture.samples.data() + (y * info.width + x) * pixel,
                  block.data() + (y % side * side + x % side) * pixel, static_cast<size_t>(pixel));
    }
  }
  return picture;
}

void write_whole(const std::string& path, const TiffInfo& info, const Raster& picture,
                 const TiffWriterOptions& options = {}) {
  TiffWriter writer(path, info, options);
  writer.write(picture);
  writer.finish();
}

template <class T>
T tag(TiffFile& file, uint32_t number) {
  T value{};
  EXPECT_EQ(TIFFGetField(file.get(), number, &value), 1) << "tag " << number;
  return value;
}

template <class T>
std::vector<T> array_tag(TiffFile& file, uint32_t number) {
  uint16_t count = 0;
  const T* values = nullptr;
  EXPECT_EQ(TIFFGetField(file.get(), number, &count, &values), 1) << "tag " << number;
  return values ? std::vector<T>(values, values + count) : std::vector<T>();
}

std::string text_tag(TiffFile& file, uint32_t number) {
  const char* text = nullptr;
  return TIFFGetField(file.get(), number, &text) == 1 && text ? text : "(absent)";
}

template <class F>
std::string error_text(F&& f, Error::Kind kind) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

constexpr SampleType kTypes[] = {SampleType::u8,  SampleType::i8,  SampleType::u16, SampleType::i16,
                                 SampleType::u32, SampleType::i32, SampleType::f32, SampleType::f64};
constexpr Compression kCompressions[] = {Compression::none, Compression::lzw, Compression::deflate,
                                         Compression::zstd};

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

TEST_F(TiffWriterTest, SampleTypeAndCompressionAreDeclared) {
  const uint16_t codecs[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_ZSTD};
  for (const SampleType type : kTypes) {
    for (size_t c = 0; c < 4; ++c) {
      const TiffInfo info = make_info(20, 20, 1, type);
      write_whole(path_, info, random_picture(info, 1), {kCompressions[c], 16});
      TiffFile file(path_, TiffFile::Mode::read);
      const std::string name = name_of(type);
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_BITSPERSAMPLE), std::stoi(name.substr(1)));
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_SAMPLEFORMAT), name[0] == 'u'   ? SAMPLEFORMAT_UINT
                                                           : name[0] == 'i' ? SAMPLEFORMAT_INT
                                                                            : SAMPLEFORMAT_IEEEFP);
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_COMPRESSION), codecs[c]);
      if (c > 0) {
        EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PREDICTOR), name[0] == 'f' ? 3 : 2);
      }
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
      writer.write(part_of(picture, window));
    }
    writer.finish();
    EXPECT_EQ(read_back(path_, info).samples, picture.samples) << info.width << " x " << info.height;
  }
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
  writer.write(part_of(picture, {32, 0, 32, 64}));
  EXPECT_EQ(writer.pending_bytes(), 0);
  writer.write(part_of(picture, {0, 0, 31, 64}));
  EXPECT_EQ(writer.pending_bytes(), 2 * 32 * 32 * (3 + 1));
  writer.write(part_of(picture, {31, 0, 1, 64}));
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
    writer.write(part_of(picture, first));
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
    writer.write(part_of(picture, {0, 0, 40, 39}));
    const auto text = error_text([&] { writer.finish(); }, Error::Kind::usage);
    EXPECT_NE(text.find("3 of 9 blocks"), std::string::npos) << text;
    EXPECT_THROW(writer.begin_mask(), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(TiffWriterTest, NothingFollowsFinish) {
  const TiffInfo info = make_info(8, 8, 1, SampleType::u8);
  TiffWriter writer(path_, info);
  writer.write(random_picture(info, 1));
  writer.finish();
  EXPECT_THROW(writer.write(random_picture(info, 1)), Error);
  EXPECT_THROW(writer.begin_mask(), Error);
  EXPECT_THROW(writer.finish(), Error);
}

TEST_F(TiffWriterTest, MaskPageHoldsOneBitAPixel) {
  const TiffInfo info = make_info(50, 37, 3, SampleType::u8);
  const TiffInfo mask_info = make_info(50, 37, 1, SampleType::u8);
  Raster mask = random_picture(mask_info, 5);
  for (std::byte& b : mask.samples) b &= std::byte{0x81};  // 0, 1, 128 and 129: all but 0 mean valid
  std::mt19937 random(9);
  TiffWriter writer(path_, info, {Compression::zstd, 16});
  writer.write(random_picture(info, 4));
  writer.begin_mask();
  EXPECT_THROW(writer.write(random_picture(info, 4)), Error) << "a mask has one band";
  for (const Window& window : random_windows(50, 37, random)) writer.write(part_of(mask, window));
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
      ASSERT_EQ(valid, mask.samples[y * 50 + x] != std::byte{}) << x << ", " << y;
    }
  }
}

TEST_F(TiffWriterTest, ReaderGivesBackPictureMaskAndDescription) {
  TiffInfo info = make_info(70, 45, 4, SampleType::i16);
  info.extra_samples = {EXTRASAMPLE_UNASSALPHA};
  info.tags.gdal_nodata = "-9999";
  info.tags.pixel_scale = {10, 10, 0};
  info.tags.tiepoints = {0, 0, 0, 500000, 5300000, 0};
  info.tags.geo_key_directory = {1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 2};
  const Raster picture = random_picture(info, 8);
  Raster mask({0, 0, 70, 45}, 1, SampleType::u8);
  for (size_t i = 0; i < mask.samples.size(); ++i) mask.samples[i] = std::byte{i % 3 != 0};
  TiffWriter writer(path_, info, {Compression::zstd, 32});
  writer.write(picture);
  writer.begin_mask();
  writer.write(mask);
  writer.finish();

  TiffReader reader(path_);
  const Raster read = reader.read({0, 0, 70, 45});
  EXPECT_EQ(read.samples, picture.samples);
  ASSERT_EQ(read.mask.size(), mask.samples.size());
  for (size_t i = 0; i < read.mask.size(); ++i) ASSERT_EQ(read.mask[i] != 0, i % 3 != 0) << i;
  const TiffInfo& found = reader.info();
  EXPECT_TRUE(found.has_mask);
  EXPECT_EQ(found.type, SampleType::i16);
  EXPECT_EQ(found.nodata, -9999);
  EXPECT_EQ(found.alpha_band(), 3);
  EXPECT_TRUE(found.tags.pixel_is_point);
  EXPECT_EQ(found.tags.pixel_scale, info.tags.pixel_scale);
  EXPECT_EQ(found.tags.tiepoints, info.tags.tiepoints);
  EXPECT_EQ(found.tags.geo_key_directory, info.tags.geo_key_directory);
}

TEST_F(TiffWriterTest, BigTiffIsChosenByTheUncompressedSize) {
  const auto version = [&](int64_t width, int64_t height, int bands, Compression compression) {
    const TiffWriter writer(path_, make_info(width, height, bands, SampleType::u8), {compression, 256});
    std::ifstream file(temporary_name(path_), std::ios::binary);
    char header[4] = {};
    file.read(header, 4);
    return static_cast<int>(header[2] + header[3]);  // one is zero, whatever the byte order
  };
  EXPECT_EQ(version(100, 100, 3, Compression::deflate), 42);
  EXPECT_EQ(version(256 * 140, 256 * 139, 3, Compression::deflate), 42);  // 3.83e9 bytes and 0.16e9 of mask
  EXPECT_EQ(version(256 * 140, 256 * 140, 3, Compression::deflate), 43);  // 4.01e9
  EXPECT_EQ(version(256 * 140, 256 * 100, 3, Compression::deflate), 42);
  EXPECT_EQ(version(256 * 140, 256 * 100, 3, Compression::lzw), 43);  // 2.9e9 that may grow by half
}

TEST_F(TiffWriterTest, AllTagsAreWritten) {
  TiffInfo info = make_info(20, 20, 1, SampleType::f32);
  SceneTags& tags = info.tags;
  tags.pixel_scale = {10, 20, 0};
  tags.tiepoints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  tags.transformation = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  tags.geo_key_directory = {1, 1, 0, 1, 1024, 0, 1, 1};
  tags.geo_double_params = {6378137, 298.25};
  tags.geo_ascii_params = "WGS 84 / UTM zone 31N|WGS 84|";
  for (int i = 0; i < 92; ++i) tags.rpc.push_back(i / 7.0);
  tags.gdal_metadata = "<GDALMetadata>\n  <Item name=\"A\">b</Item>\n</GDALMetadata>\n";
  tags.gdal_nodata = "-3.4028234663852886e+38";
  tags.icc_profile = {0, 1, 2, 250, 0, 3};
  tags.x_resolution = 300;
  tags.y_resolution = 150.5;
  tags.resolution_unit = RESUNIT_CENTIMETER;
  tags.orientation = ORIENTATION_RIGHTTOP;
  tags.description = "field";
  tags.software = "camera 1.0";
  tags.date_time = "2020:02:31 25:61:61";
  tags.artist = "somebody";
  tags.copyright = "nobody";
  tags.document_name = "sheet 3";
  tags.make = "maker";
  tags.model = "model";
  write_whole(path_, info, random_picture(info, 2));

  TiffFile file(path_, TiffFile::Mode::read);
  EXPECT_EQ(array_tag<double>(file, kTagModelPixelScale), tags.pixel_scale);
  EXPECT_EQ(array_tag<double>(file, kTagModelTiepoint), tags.tiepoints);
  EXPECT_EQ(array_tag<double>(file, kTagModelTransformation), tags.transformation);
  EXPECT_EQ(array_tag<uint16_t>(file, kTagGeoKeyDirectory), tags.geo_key_directory);
  EXPECT_EQ(array_tag<double>(file, kTagGeoDoubleParams), tags.geo_double_params);
  EXPECT_EQ(text_tag(file, kTagGeoAsciiParams), tags.geo_ascii_params);
  EXPECT_EQ(array_tag<double>(file, kTagRpcCoefficient), tags.rpc);
  EXPECT_EQ(text_tag(file, kTagGdalMetadata), tags.gdal_metadata);
  EXPECT_EQ(text_tag(file, kTagGdalNodata), tags.gdal_nodata);
  uint32_t count = 0;
  const uint8_t* bytes = nullptr;
  ASSERT_EQ(TIFFGetField(file.get(), TIFFTAG_ICCPROFILE, &count, &bytes), 1);
  EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + count), tags.icc_profile);
  EXPECT_EQ(tag<float>(file, TIFFTAG_XRESOLUTION), 300.0f);
  EXPECT_EQ(tag<float>(file, TIFFTAG_YRESOLUTION), 150.5f);
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_RESOLUTIONUNIT), RESUNIT_CENTIMETER);
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_ORIENTATION), ORIENTATION_RIGHTTOP);
  EXPECT_EQ(text_tag(file, TIFFTAG_IMAGEDESCRIPTION), tags.description);
  EXPECT_EQ(text_tag(file, TIFFTAG_SOFTWARE), tags.software);
  EXPECT_EQ(text_tag(file, TIFFTAG_DATETIME), tags.date_time);
  EXPECT_EQ(text_tag(file, TIFFTAG_ARTIST), tags.artist);
  EXPECT_EQ(text_tag(file, TIFFTAG_COPYRIGHT), tags.copyright);
  EXPECT_EQ(text_tag(file, TIFFTAG_DOCUMENTNAME), tags.document_name);
  EXPECT_EQ(text_tag(file, TIFFTAG_MAKE), tags.make);
  EXPECT_EQ(text_tag(file, TIFFTAG_MODEL), tags.model);
}

TEST_F(TiffWriterTest, AbsentAndImpossibleTagsAreNotWritten) {
  TiffInfo info = make_info(20, 20, 1, SampleType::u8);
  info.tags.x_resolution = -1;
  info.tags.y_resolution = std::numeric_limits<double>::quiet_NaN();
  info.tags.resolution_unit = 77;
  info.tags.orientation = 9;
  info.tags.date_time = "yesterday, or the day before";
  write_whole(path_, info, random_picture(info, 2));
  TiffFile file(path_, TiffFile::Mode::read);
  EXPECT_EQ(file.take_messages(), "");
  double number = 0;
  uint16_t count = 0;
  const void* values = nullptr;
  for (const uint32_t absent : {TIFFTAG_XRESOLUTION, TIFFTAG_YRESOLUTION, TIFFTAG_ORIENTATION}) {
    EXPECT_EQ(TIFFGetField(file.get(), absent, &number), 0) << absent;
  }
  for (const uint32_t absent :
       {kTagModelPixelScale, kTagModelTiepoint, kTagGeoKeyDirectory, kTagRpcCoefficient}) {
    EXPECT_EQ(TIFFGetField(file.get(), absent, &count, &values), 0) << absent;
  }
  EXPECT_EQ(text_tag(file, kTagGdalNodata), "(absent)");
  EXPECT_EQ(text_tag(file, TIFFTAG_DATETIME), info.tags.date_time);
}

TEST_F(TiffWriterTest, ColourMeaningIsKept) {
  struct Case {
    uint16_t photometric;
    int bands;
    std::vector<uint16_t> extra;
  };
  const std::vector<Case> cases = {{PHOTOMETRIC_MINISWHITE, 1, {}},
                                   {PHOTOMETRIC_MINISBLACK, 2, {EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_RGB, 4, {EXTRASAMPLE_ASSOCALPHA}},
                                   {PHOTOMETRIC_RGB, 5, {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_SEPARATED, 4, {}},
                                   {PHOTOMETRIC_SEPARATED, 5, {EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_SEPARATED, 3, {}},
                                   {PHOTOMETRIC_YCBCR, 3, {}}};
  for (const Case& c : cases) {
    TiffInfo info = make_info(33, 20, c.bands, SampleType::u8);
    info.photometric = c.photometric;
    info.extra_samples = c.extra;
    const Raster picture = random_picture(info, 2);
    write_whole(path_, info, picture, {Compression::deflate, 16});
    EXPECT_EQ(read_back(path_, info).samples, picture.samples);
    TiffFile file(path_, TiffFile::Mode::read);
    EXPECT_EQ(file.take_messages(), "");
    EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PHOTOMETRIC), c.photometric);
    EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_SAMPLESPERPIXEL), c.bands);
    if (!c.extra.empty()) {
      EXPECT_EQ(array_tag<uint16_t>(file, TIFFTAG_EXTRASAMPLES), c.extra);
    }
    if (c.photometric == PHOTOMETRIC_SEPARATED) {
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_INKSET), c.bands >= 4 ? INKSET_CMYK : INKSET_MULTIINK);
    }
  }
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

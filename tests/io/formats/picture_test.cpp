#include "io/formats/picture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>

#include <jpeglib.h>

#include "tests/support/shared_data.h"

namespace sr {
namespace {

class Picture : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("picture_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string get(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path folder_;
};

Error::Kind kind_of_failure(const std::function<void()>& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text) *text = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return Error::Kind::device;
}

Raster gradient(int64_t w, int64_t h, int bands) {
  Raster r({0, 0, w, h}, bands, SampleType::u8);
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int b = 0; b < bands; ++b)
        r.data<uint8_t>()[(y * w + x) * bands + b] = static_cast<uint8_t>(40 + 3 * x + 2 * y + 20 * b);
  return r;
}

std::string little(uint32_t value, int bytes) {
  std::string s;
  for (int i = 0; i < bytes; ++i) s += static_cast<char>(value >> 8 * i);
  return s;
}
std::string big(uint32_t value) {
  const std::string s = little(value, 4);
  return {s.rbegin(), s.rend()};
}

// A BMP from its palette and rows as they stand in the file; height < 0: rows from the top.
std::string bmp(int32_t width, int32_t height, uint32_t bits, const std::string& palette,
                const std::string& rows) {
  const auto start = static_cast<uint32_t>(54 + palette.size());
  return "BM" + little(start + static_cast<uint32_t>(rows.size()), 4) + little(0, 4) + little(start, 4) +
         little(40, 4) + little(static_cast<uint32_t>(width), 4) + little(static_cast<uint32_t>(height), 4) +
         little(1, 2) + little(bits, 2) + std::string(24, '\0') + palette + rows;
}

std::string palette(const std::function<std::string(uint8_t)>& bgr) {
  std::string s;
  for (int i = 0; i < 256; ++i) s += bgr(static_cast<uint8_t>(i)) + '\0';
  return s;
}

std::vector<uint8_t> values(const Raster& r) {
  return {r.data<uint8_t>(), r.data<uint8_t>() + r.samples.size()};
}

using JpegSettings = std::function<void(jpeg_compress_struct&)>;

std::string jpeg(
    const Raster& r, const JpegSettings& more = [](jpeg_compress_struct&) {}) {
  jpeg_compress_struct to{};
  jpeg_error_mgr errors{};
  to.err = jpeg_std_error(&errors);
  jpeg_create_compress(&to);
  unsigned char* bytes = nullptr;
  unsigned long length = 0;
  jpeg_mem_dest(&to, &bytes, &length);
  to.image_width = static_cast<JDIMENSION>(r.window.w);
  to.image_height = static_cast<JDIMENSION>(r.window.h);
  to.input_components = r.bands;
  to.in_color_space = r.bands == 1 ? JCS_GRAYSCALE : r.bands == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&to);
  jpeg_set_quality(&to, 95, TRUE);
  more(to);
  jpeg_start_compress(&to, TRUE);
  std::vector<uint8_t> samples = values(r);
  while (to.next_scanline < to.image_height) {
    JSAMPROW row = &samples[size_t{to.next_scanline} * static_cast<size_t>(r.window.w * r.bands)];
    jpeg_write_scanlines(&to, &row, 1);
  }
  jpeg_finish_compress(&to);
  jpeg_destroy_compress(&to);
  const std::string file(bytes, bytes + length);
  std::free(bytes);
  return file;
}

uint32_t crc32(const std::string& bytes) {
  uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return crc ^ 0xffffffffu;
}

std::string chunk(const std::string& type, const std::string& data) {
  return big(static_cast<uint32_t>(data.size())) + type + data + big(crc32(type + data));
}

// A PNG whose image data (filter bytes included) are stored, not compressed.
std::string png(uint32_t width, uint32_t height, char depth, char colour, const std::string& data) {
  uint32_t a = 1, b = 0;
  for (const char c : data) b = (b + (a = (a + static_cast<uint8_t>(c)) % 65521)) % 65521;
  const auto n = static_cast<uint32_t>(data.size());
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", big(width) + big(height) + depth + colour + std::string(3, '\0')) +
         chunk("IDAT", "\x78\x01\x01" + little(n, 2) + little(~n, 2) + data + big(b << 16 | a)) +
         chunk("IEND", "");
}

TEST_F(Picture, PngComesBackAsItWasWritten) {
  for (int bands = 1; bands <= 4; ++bands) {
    const Raster r = gradient(37, 11, bands);
    write_png(path("a.png"), r);
    const Raster back = read_picture(path("a.png"));
    EXPECT_EQ(back.window, r.window);
    EXPECT_EQ(back.bands, bands);
    EXPECT_EQ(back.type, SampleType::u8);
    EXPECT_EQ(values(back), values(r));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1)
      << "a temporary was left behind";
}

TEST_F(Picture, PngInMemoryIsTheFile) {
  const Raster r = gradient(37, 11, 3);
  write_png(path("a.png"), r);
  EXPECT_EQ(encode_png(r), get("a.png"));
  EXPECT_EQ(kind_of_failure([] {
              encode_png(Raster({0, 0, 2, 2}, 5, SampleType::u8));
            }),
            Error::Kind::unsupported);
}

TEST_F(Picture, SixteenBitPngKeepsItsBits) {
  const std::string rows{'\0', '\x12', '\x34', '\x00', '\x01', '\0', '\xff', '\xff', '\x80', '\x00'};
  const Raster r = read_picture(put("deep.png", png(2, 2, 16, 0, rows)));
  ASSERT_EQ(r.type, SampleType::u16);
  ASSERT_EQ(r.bands, 1);
  const uint16_t* p = r.data<uint16_t>();
  EXPECT_EQ(std::vector<uint16_t>(p, p + 4), (std::vector<uint16_t>{0x1234, 1, 0xffff, 0x8000}));
}

TEST_F(Picture, BmpRowsComeFromTheTopAndInRgb) {
  // 3 x 2 pixels of 24 bits; a row of nine bytes is filled up to twelve.
  const std::string low("abcdefghi\0\0\0", 12), high("ABCDEFGHI\0\0\0", 12);
  const std::vector<uint8_t> expected{'C', 'B', 'A', 'F', 'E', 'D', 'I', 'H', 'G',
                                      'c', 'b', 'a', 'f', 'e', 'd', 'i', 'h', 'g'};
  for (const std::string& file : {bmp(3, 2, 24, "", low + high), bmp(3, -2, 24, "", high + low),
                                  bmp(3, 2, 24, "", low + high.substr(0, 9))}) {
    const Raster r = read_picture(put("a.bmp", file));
    EXPECT_EQ(r.window, (Window{0, 0, 3, 2}));
    EXPECT_EQ(r.bands, 3);
    EXPECT_EQ(values(r), expected);
  }
}

TEST_F(Picture, PaletteIsGreyIfItsColoursAre) {
  const std::string row("\x00\x07\xff\x80", 4);
  const Raster grey = read_picture(
      put("grey.bmp",
          bmp(4, 1, 8, palette([](uint8_t i) { return std::string(3, static_cast<char>(i)); }), row)));
  EXPECT_EQ(grey.bands, 1);
  EXPECT_EQ(values(grey), (std::vector<uint8_t>{0, 7, 255, 128}));
  const Raster colour = read_picture(put("colour.bmp", bmp(4, 1, 8, palette([](uint8_t i) {
                                                             return std::string{static_cast<char>(i), 1, 2};
                                                           }),
                                                           row)));
  EXPECT_EQ(colour.bands, 3);
  EXPECT_EQ(values(colour), (std::vector<uint8_t>{2, 1, 0, 2, 1, 7, 2, 1, 255, 2, 1, 128}));
  const Raster rgb = read_picture(put("rgb.bmp", bmp(1, 1, 24, "", std::string(4, '\5'))));
  EXPECT_EQ(rgb.bands, 3) << "only palettes turn grey by themselves";
}

TEST_F(Picture, JpegIsReadInGreyAndColour) {
  for (const int bands : {1, 3}) {
    const Raster r = gradient(35, 21, bands);
    const Raster back = read_picture(put("a.jpg", jpeg(r)));
    ASSERT_EQ(back.window, r.window);
    ASSERT_EQ(back.bands, bands);
    for (size_t i = 0; i < r.samples.size(); ++i)
      ASSERT_NEAR(values(back)[i], values(r)[i], 6) << "sample " << i;
  }
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("cmyk.jpg", jpeg(gradient(8, 8, 4)))); }),
            Error::Kind::unsupported);
}

// As some cameras write it; libjpeg and GDAL give the same pixels.
TEST_F(Picture, WarningsOfAJpegThatCostNoPixelAreHandedOver) {
  std::string bytes = jpeg(gradient(35, 21, 3));
  std::string warning;
  const Raster clean = read_picture(put("clean.jpg", bytes), &warning);
  EXPECT_EQ(warning, "");
  const size_t scan = bytes.find("\xff\xda");
  bytes[scan + 12] = 0;  // where the spectrum ends: 0 for 63
  const Raster odd = read_picture(put("odd.jpg", bytes), &warning);
  EXPECT_EQ(odd.samples, clean.samples);
  EXPECT_EQ(warning, "Invalid SOS parameters for sequential JPEG");
  bytes.resize(bytes.size() - bytes.size() / 10);
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("cut.jpg", bytes)); }), Error::Kind::format);
}

TEST_F(Picture, FileCutOffAnywhereIsAnError) {
  write_png(path("a.png"), gradient(9, 7, 3));
  const std::string png_bytes = get("a.png"), bmp_bytes = bmp(3, 2, 24, "", std::string(21, 'x'));
  for (const std::string& whole : {png_bytes, bmp_bytes})
    for (size_t length = 0; length < whole.size(); ++length) {
      const std::string cut = put("cut", whole.substr(0, length));
      std::string text;
      EXPECT_NE(kind_of_failure([&] { read_picture(cut); }, &text), Error::Kind::device)
          << length << " bytes";
      EXPECT_NE(text.find(cut), std::string::npos) << text;
    }
}

// Reads a JPEG cut off after each of its last bytes, and some of those before. What is read must be as it
// was; returns in how many cases.
int count_of_cuts_read(const std::string& path, const std::string& whole) {
  constexpr size_t kLast = 100, kStep = 41;
  const auto write = [&](size_t length) {
    std::ofstream(path, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(length));
  };
  int read = 0;
  write(whole.size());
  const Raster clean = read_picture(path);
  for (size_t length = 0; length < whole.size(); length += length + kLast < whole.size() ? kStep : 1) {
    write(length);
    try {
      std::string warning;
      EXPECT_EQ(read_picture(path, &warning).samples, clean.samples) << length << " of " << whole.size();
      EXPECT_EQ(warning, "Premature end of JPEG file");
      ++read;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  }
  return read;
}

Raster noise(int64_t w, int64_t h, int bands) {
  Raster r({0, 0, w, h}, bands, SampleType::u8);
  std::mt19937 random(5);
  for (std::byte& sample : r.samples) sample = static_cast<std::byte>(random());
  return r;
}

// At least without one or both bytes of its end marker; the byte before may hold no bit of the picture.
TEST_F(Picture, AJpegThatLacksOnlyItsEndIsRead) {
  const JpegSettings kinds[] = {
      [](jpeg_compress_struct&) {},
      [](jpeg_compress_struct& to) { to.restart_interval = 1; },
      [](jpeg_compress_struct& to) { to.optimize_coding = TRUE; },
      [](jpeg_compress_struct& to) { to.comp_info[0].h_samp_factor = to.comp_info[0].v_samp_factor = 1; },
  };
  for (const int bands : {1, 3})
    for (const JpegSettings& kind : kinds)
      for (const Raster& picture : {gradient(35, 21, bands), noise(19, 17, bands), noise(64, 40, bands)}) {
        const int read = count_of_cuts_read(path("cut.jpg"), jpeg(picture, kind));
        EXPECT_TRUE(read == 2 || read == 3) << read;
      }
}

// Where samples may be lost without a word: whole scans, or what an arithmetic decoder makes up.
TEST_F(Picture, AJpegOfSeveralScansOrArithmeticCodesIsReadOnlyWithItsEnd) {
  static constexpr jpeg_scan_info kOneByOne[] = {
      {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  const JpegSettings kinds[] = {
      [](jpeg_compress_struct& to) { jpeg_simple_progression(&to); },
      [](jpeg_compress_struct& to) { to.scan_info = kOneByOne, to.num_scans = 3; },
      [](jpeg_compress_struct& to) { to.arith_code = TRUE; },
  };
  for (const JpegSettings& kind : kinds)
    EXPECT_EQ(count_of_cuts_read(path("cut.jpg"), jpeg(noise(35, 21, 3), kind)), 0);
}

TEST_F(Picture, FlippedBitAnywhereInAPngIsAnError) {
  write_png(path("a.png"), gradient(9, 7, 3));
  const std::string whole = get("a.png");
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    EXPECT_NE(kind_of_failure([&] { read_picture(put("flipped", flipped)); }), Error::Kind::device)
        << "byte " << i;
  }
}

TEST_F(Picture, DamagedFilesNeitherCrashNorAllocateWildly) {
  write_png(path("a.png"), gradient(9, 7, 3));
  const std::string grey = bmp(
      9, 7, 8, palette([](uint8_t i) { return std::string(3, static_cast<char>(i)); }), std::string(84, 'x'));
  std::mt19937 random(7);
  for (const std::string& whole : {get("a.png"), grey, jpeg(gradient(35, 21, 3))})
    for (int i = 0; i < 300; ++i) {
      std::string bytes = whole;
      for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
      try {
        const Raster r = read_picture(put("damaged", bytes));
        EXPECT_LE(r.window.pixels(), 8 * 1032 * static_cast<int64_t>(bytes.size()));
      } catch (const Error&) {
      }
    }
}

TEST_F(Picture, WhatIsNoPictureIsAnErrorThatNamesTheFile) {
  std::string text;
  EXPECT_EQ(kind_of_failure([&] { read_picture(path("missing.png")); }, &text), Error::Kind::io);
  EXPECT_NE(text.find("missing.png"), std::string::npos);
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("empty.png", "")); }), Error::Kind::format);
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("text.png", "this is text")); }, &text),
            Error::Kind::format);
  EXPECT_NE(text.find("text.png"), std::string::npos);
  const std::string nothing(1000, '\0');
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("wide.png", png(20000, 20000, 8, 2, nothing))); }),
            Error::Kind::limit);
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("lie.png", png(10000, 10000, 8, 2, nothing))); }),
            Error::Kind::format);
  std::string packed =
      bmp(4, 2, 8, palette([](uint8_t) { return std::string(3, 'x'); }), std::string(8, 'x'));
  packed[30] = 1;
  EXPECT_EQ(kind_of_failure([&] { read_picture(put("rle.bmp", packed)); }), Error::Kind::unsupported);
}

TEST_F(Picture, WhatPngCannotHoldIsAnErrorAndLeavesNoFile) {
  EXPECT_EQ(kind_of_failure([&] {
              write_png(path("a.png"), Raster({0, 0, 2, 2}, 5, SampleType::u8));
            }),
            Error::Kind::unsupported);
  EXPECT_EQ(kind_of_failure([&] {
              write_png(path("a.png"), Raster({0, 0, 2, 2}, 1, SampleType::f32));
            }),
            Error::Kind::unsupported);
  EXPECT_EQ(kind_of_failure([&] { write_png(path("no/such/a.png"), gradient(2, 2, 1)); }), Error::Kind::io);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(Picture, BenchmarkImagesAreRead) {
  const std::string set14 = shared_data("data/benchmark/Set14");
  if (set14.empty()) GTEST_SKIP() << "shared data (data/benchmark) is not on this machine";
  const Raster bridge = read_picture(set14 + "/bridge.bmp");
  EXPECT_EQ(bridge.bands, 1);
  EXPECT_EQ(bridge.window, (Window{0, 0, 512, 512}));
  const Raster comic = read_picture(set14 + "/comic.bmp");
  EXPECT_EQ(comic.bands, 3);
  EXPECT_EQ(comic.window, (Window{0, 0, 250, 361}));
}

}  // namespace
}  // namespace sr

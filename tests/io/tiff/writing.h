// What the tests of TiffWriter share: random pictures, cutting them, reading them with libtiff alone.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/output/writer.h"

namespace sr {

class TiffWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tiff_writer_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = (folder_ / "scene.tif").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::string path_;
};

inline TiffInfo make_info(int64_t width, int64_t height, int bands, SampleType type) {
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
inline Raster random_picture(const TiffInfo& info, uint32_t seed) {
  Raster picture({0, 0, info.width, info.height}, info.bands, info.type);
  std::mt19937 random(seed);
  for (std::byte& b : picture.samples) b = static_cast<std::byte>(random() & 255);
  return picture;
}

/// Cuts the picture into windows at random columns and rows, in random order.
inline std::vector<Window> random_windows(int64_t width, int64_t height, std::mt19937& random) {
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
inline std::vector<std::vector<std::byte>> decoded_blocks(TiffFile& file) {
  std::vector<std::vector<std::byte>> blocks(TIFFNumberOfTiles(file.get()));
  for (uint32_t i = 0; i < blocks.size(); ++i) {
    blocks[i].resize(static_cast<size_t>(TIFFTileSize(file.get())));
    const auto size = static_cast<tmsize_t>(blocks[i].size());
    EXPECT_EQ(TIFFReadEncodedTile(file.get(), i, blocks[i].data(), size), size) << file.take_messages();
  }
  return blocks;
}

/// The picture of the current directory, of that size and type, read with libtiff alone.
inline Raster picture_of(TiffFile& file, const TiffInfo& info) {
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

/// That of the first page.
inline Raster read_back(const std::string& path, const TiffInfo& info) {
  TiffFile file(path, TiffFile::Mode::read);
  return picture_of(file, info);
}

inline void write_whole(const std::string& path, const TiffInfo& info, const Raster& picture,
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

inline std::string text_tag(TiffFile& file, uint32_t number) {
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

inline constexpr SampleType kTypes[] = {SampleType::u8,  SampleType::i8,  SampleType::u16, SampleType::i16,
                                        SampleType::u32, SampleType::i32, SampleType::f32, SampleType::f64};
inline constexpr Compression kCompressions[] = {Compression::none, Compression::lzw, Compression::deflate,
                                                Compression::zstd};

}  // namespace sr

// Small TIFFs for tests, written with plain libtiff calls, and the samples that a reader must find in them.
#pragma once

#include <tiffio.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/test_folder.h"

namespace sr {

inline std::vector<char> contents_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return std::vector<char>(std::istreambuf_iterator<char>(stream), {});
}

inline void write_bytes(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A page to be written. Tiles of tile x tile pixels, or strips if tile is 0.
struct TestPage {
  uint32_t width = 53, height = 41;
  uint16_t bands = 1, bits = 8, format = SAMPLEFORMAT_UINT;
  uint16_t compression = COMPRESSION_NONE, predictor = 1;
  uint16_t photometric = PHOTOMETRIC_MINISBLACK;
  bool planar = false;
  uint32_t tile = 0, rows_per_strip = 7;
  std::vector<uint32_t> blocks_left_out = {};  ///< not written: sparse

  /// The bits of a stored sample.
  uint64_t stored(uint32_t x, uint32_t y, uint32_t band) const {
    uint64_t h = (x * 0x9e3779b97f4a7c15u) ^ (y * 0xc2b2ae3d27d4eb4fu) ^ ((band + 1) * 0x165667b19e3779f9u);
    h = (h ^ h >> 31) * 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    if (format == SAMPLEFORMAT_IEEEFP) {
      const double value = static_cast<double>(h % 100000) / 64 - 500;
      return bits == 64 ? std::bit_cast<uint64_t>(value) : std::bit_cast<uint32_t>(static_cast<float>(value));
    }
    return bits == 64 ? h : h & ((uint64_t{1} << bits) - 1);
  }

  /// The number that the stored sample stands for (integers, floats of 32 and 64 bits).
  double value(uint32_t x, uint32_t y, uint32_t band) const {
    const uint64_t sample = stored(x, y, band);
    if (format == SAMPLEFORMAT_IEEEFP) {
      return bits == 64 ? std::bit_cast<double>(sample) : std::bit_cast<float>(static_cast<uint32_t>(sample));
    }
    if (format == SAMPLEFORMAT_INT && sample >> (bits - 1)) {
      return static_cast<double>(static_cast<int64_t>(sample) - (int64_t{1} << bits));
    }
    return static_cast<double>(sample);
  }
};

namespace test_tiff {

// Samples one after the other; 8, 16, 24, 32, 64 bits in the machine's order as libtiff takes them.
inline void pack(const TestPage& page, uint64_t sample, std::vector<uint8_t>& row, size_t index) {
  if (page.bits % 8 == 0 && page.bits != 40 && page.bits != 48 && page.bits != 56) {
    std::memcpy(&row[index * page.bits / 8], &sample, page.bits / 8);
    return;
  }
  for (size_t bit = 0; bit < page.bits; ++bit) {
    const size_t at = index * page.bits + bit;
    if (sample >> (page.bits - 1 - bit) & 1) row[at / 8] = static_cast<uint8_t>(row[at / 8] | 0x80 >> at % 8);
  }
}

inline std::vector<uint8_t> packed_block(const TestPage& page, uint32_t x0, uint32_t y0, uint32_t w,
                                         uint32_t h, uint32_t band, uint32_t bands) {
  std::vector<uint8_t> block;
  for (uint32_t y = y0; y < y0 + h; ++y) {
    std::vector<uint8_t> row((size_t{w} * bands * page.bits + 7) / 8 + 8);
    for (uint32_t x = 0; x < w; ++x) {
      for (uint32_t b = 0; b < bands; ++b)
        pack(page, page.stored(x0 + x, y, band + b), row, size_t{x} * bands + b);
    }
    block.insert(block.end(), row.begin(), row.end() - 8);
  }
  return block;
}

}  // namespace test_tiff

/// Sets the tags of the page's layout in the current directory.
inline void set_layout(TIFF* tiff, const TestPage& page) {
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, page.width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, page.height);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, page.bands);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, page.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, page.format);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, page.photometric);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, page.planar ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, page.compression);
  if (page.predictor != 1) TIFFSetField(tiff, TIFFTAG_PREDICTOR, page.predictor);
  if (page.tile) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, page.tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, page.tile);
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, page.rows_per_strip);
  }
}

/// Writes the blocks of the page whose tags are set, and its directory. False if libtiff refuses.
inline bool write_blocks(TIFF* tiff, const TestPage& page) {
  const uint32_t bands = page.planar ? 1 : page.bands;
  const uint32_t w = page.tile ? page.tile : page.width;
  const uint32_t h = page.tile ? page.tile : page.rows_per_strip;
  uint32_t index = 0;
  for (uint32_t plane = 0; plane < (page.planar ? page.bands : 1u); ++plane) {
    for (uint32_t y = 0; y < page.height; y += h) {
      for (uint32_t x = 0; x < page.width; x += w, ++index) {
        const auto& out = page.blocks_left_out;
        if (std::find(out.begin(), out.end(), index) != out.end()) continue;
        const uint32_t rows = page.tile ? h : std::min(h, page.height - y);
        std::vector<uint8_t> block = test_tiff::packed_block(page, x, y, w, rows, plane, bands);
        const auto size = static_cast<tmsize_t>(block.size());
        const tmsize_t done = page.tile ? TIFFWriteEncodedTile(tiff, index, block.data(), size)
                                        : TIFFWriteEncodedStrip(tiff, index, block.data(), size);
        if (done != size) return false;
      }
    }
  }
  return TIFFWriteDirectory(tiff) == 1;
}

/// A file of one page. mode as in TIFFOpen: "w", "wl" little-endian, "wb" big-endian, "w8" BigTIFF.
inline bool write_tiff(const std::string& path, const TestPage& page, const char* mode = "w") {
  TIFF* tiff = TIFFOpen(path.c_str(), mode);
  set_layout(tiff, page);
  const bool done = write_blocks(tiff, page);
  TIFFClose(tiff);
  return done;
}

}  // namespace sr

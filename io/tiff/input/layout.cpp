#include "io/tiff/input/layout.h"

#include <algorithm>
#include <limits>
#include <set>

#include "io/counted.h"
#include "io/tiff/input/codec_memory.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kLargeStripBytes = int64_t{4} << 20;
constexpr int64_t kBandBytes = int64_t{1} << 20;
// What libtiff lacks, GDAL lacks where it stands on the same library.
constexpr const char* kConvertWithoutGdal =
    ", which GDAL mostly cannot read either; convert it with Python's tifffile and imagecodecs, or get it in "
    "another compression";
constexpr const char* kConvertFirst = "; convert it first, for example with gdal_translate";

template <class... Parts>
[[noreturn]] void fail(Error::Kind kind, const TiffFile& file, const Parts&... parts) {
  throw Error(kind, "reading '", file.path(), "': ", parts...);
}

template <class T>
T tag_or(TiffFile& file, uint32_t tag, T otherwise) {
  T value{};
  return TIFFGetField(file.get(), tag, &value) ? value : otherwise;
}

// a * b > limit, without overflow; all positive.
bool product_exceeds(int64_t a, int64_t b, int64_t limit) {
  return a > limit / b;
}

SampleType sample_type(TiffFile& file, int bits, uint16_t format) {
  const auto unsupported = [&](const char* kind) {
    fail(Error::Kind::unsupported, file, "its samples are ", kind, " of ", bits, " bits", kConvertFirst);
  };
  switch (format) {
    case SAMPLEFORMAT_UINT:
    case SAMPLEFORMAT_VOID:
      if (bits < 1 || bits > 32) unsupported("unsigned integers");
      return bits <= 8 ? SampleType::u8 : bits <= 16 ? SampleType::u16 : SampleType::u32;
    case SAMPLEFORMAT_INT:
      if (bits != 8 && bits != 16 && bits != 32) unsupported("signed integers");
      return bits == 8 ? SampleType::i8 : bits == 16 ? SampleType::i16 : SampleType::i32;
    case SAMPLEFORMAT_IEEEFP:
      if (bits != 16 && bits != 32 && bits != 64) unsupported("floating-point numbers");
      return bits == 64 ? SampleType::f64 : SampleType::f32;
    case SAMPLEFORMAT_COMPLEXINT:
    case SAMPLEFORMAT_COMPLEXIEEEFP:
      unsupported("complex numbers");
  }
  fail(Error::Kind::unsupported, file, "its sample format ", format, " is not known");
}

std::vector<uint16_t> read_palette(TiffFile& file, int bits) {
  uint16_t* channels[3] = {};
  if (!TIFFGetField(file.get(), TIFFTAG_COLORMAP, &channels[0], &channels[1], &channels[2])) {
    fail(Error::Kind::format, file, "its colours are given by a palette, but the palette is missing");
  }
  const size_t entries = size_t{1} << bits;
  std::vector<uint16_t> palette;
  palette.reserve(entries * 3);
  for (size_t i = 0; i < entries; ++i) {
    for (const uint16_t* channel : channels) palette.push_back(channel[i]);
  }
  return palette;
}

// Palettes of 16-bit files are handed out in full; others are 8-bit colours, stored times 256 or 257 (or, by
// old writers, plain).
std::vector<uint16_t> colours_of(std::vector<uint16_t> palette, int bits) {
  const bool plain = *std::max_element(palette.begin(), palette.end()) < 256;
  if (bits <= 8 && !plain) {
    for (uint16_t& value : palette) value = static_cast<uint16_t>(value >> 8);
  }
  return palette;
}

void read_coding(TiffFile& file, TiffLayout& layout, SampleReading reading) {
  layout.coding.codes = reading == SampleReading::codes;
  layout.coding.bits = tag_or<uint16_t>(file, TIFFTAG_BITSPERSAMPLE, 1);
  const auto format = tag_or<uint16_t>(file, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  layout.coding.type = sample_type(file, layout.coding.bits, format);
  layout.coding.half_float = format == SAMPLEFORMAT_IEEEFP && layout.coding.bits == 16;
  const bool jpeg = layout.compression == COMPRESSION_JPEG;
  if (jpeg && layout.coding.bits != 8) {
    fail(Error::Kind::unsupported, file, "JPEG with ", layout.coding.bits, " bits a sample",
         kConvertWithoutGdal);
  }
}

void check_codec(TiffFile& file, uint16_t compression) {
  if (compression == COMPRESSION_OJPEG) {
    fail(Error::Kind::unsupported, file, "old-style JPEG compression (code 6)", kConvertFirst);
  }
  if (!TIFFIsCODECConfigured(compression)) {
    fail(Error::Kind::unsupported, file, "compression ", compression_name(compression),
         " is not among those of this build of libtiff", kConvertWithoutGdal);
  }
}

const char* refused_colour_space(uint16_t photometric) {
  switch (photometric) {
    case PHOTOMETRIC_CIELAB:
      return "CIE L*a*b*";
    case PHOTOMETRIC_ICCLAB:
      return "ICC L*a*b*";
    case PHOTOMETRIC_ITULAB:
      return "ITU L*a*b*";
    case PHOTOMETRIC_LOGL:
      return "LogL";
    case PHOTOMETRIC_LOGLUV:
      return "LogLuv";
    case PHOTOMETRIC_CFA:
      return "a raw sensor mosaic (CFA)";
    case 34892:
      return "raw sensor values (LinearRaw)";
    default:
      return nullptr;
  }
}

void read_colours(TiffFile& file, TiffLayout& layout) {
  const auto stored = tag_or<uint16_t>(file, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  if (const char* name = refused_colour_space(stored)) {
    fail(Error::Kind::unsupported, file, "its colours are ", name, kConvertFirst);
  }
  const int bands = layout.stored_bands;
  int colours = 1;
  layout.photometric = PHOTOMETRIC_MINISBLACK;
  if (stored == PHOTOMETRIC_YCBCR) {
    if (layout.compression != COMPRESSION_JPEG || layout.planar || bands != 3) {
      fail(Error::Kind::unsupported, file, "its colours are YCbCr without JPEG", kConvertFirst);
    }
    layout.photometric = PHOTOMETRIC_RGB;
    colours = 3;
    decode_jpeg_to_rgb(file, layout);
  } else if (stored == PHOTOMETRIC_PALETTE) {
    if (bands > 1) {
      fail(
          Error::Kind::unsupported, file, "a palette for the first of ", bands,
          " bands; gdal_translate -b 1 OLD.tif NEW.tif takes that one alone, -b 2 the next one as a picture");
    }
    if (layout.coding.bits > 16 ||
        (layout.coding.type != SampleType::u8 && layout.coding.type != SampleType::u16)) {
      fail(Error::Kind::unsupported, file, "a palette of ", layout.coding.bits, " bits", kConvertFirst);
    }
    layout.palette = read_palette(file, layout.coding.bits);
    layout.photometric = layout.coding.codes ? PHOTOMETRIC_PALETTE : PHOTOMETRIC_RGB;
    if (!layout.coding.codes) layout.coding.palette = colours_of(layout.palette, layout.coding.bits);
    return;
  } else if (stored == PHOTOMETRIC_RGB && bands >= 3) {
    layout.photometric = stored;
    colours = 3;
  } else if (stored == PHOTOMETRIC_SEPARATED) {
    layout.photometric = stored;
    colours = std::min<int>(bands, tag_or<uint16_t>(file, TIFFTAG_NUMBEROFINKS, 4));
  } else if (stored == PHOTOMETRIC_MINISWHITE) {
    layout.photometric = stored;
  }
  layout.extra_samples.assign(static_cast<size_t>(bands - colours), EXTRASAMPLE_UNSPECIFIED);
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  if (!TIFFGetField(file.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds)) return;
  // libtiff completes a list that is too short; one that is too long tells of the last bands.
  const size_t known = std::min<size_t>(count, layout.extra_samples.size());
  std::copy_n(kinds + (count - known), known, layout.extra_samples.begin());
}

void read_blocks(TiffFile& file, TiffLayout& layout) {
  layout.tiled = TIFFIsTiled(file.get()) != 0;
  if (layout.tiled) {
    layout.block_w = tag_or<uint32_t>(file, TIFFTAG_TILEWIDTH, 0);
    layout.block_h = tag_or<uint32_t>(file, TIFFTAG_TILELENGTH, 0);
  } else {
    layout.block_w = layout.width;
    layout.block_h =
        std::min<int64_t>(layout.height, tag_or<uint32_t>(file, TIFFTAG_ROWSPERSTRIP, UINT32_MAX));
  }
  if (layout.block_w < 1 || layout.block_h < 1) {
    fail(Error::Kind::format, file, layout.tiled ? "tiles" : "strips", " of ", layout.block_w, " x ",
         layout.block_h, " pixels");
  }
}

// What is held of a block is bounded before anything is allocated.
void limit_blocks(TiffFile& file, TiffLayout& layout, const TiffLimits& limits) {
  const int64_t row_bytes = std::max(layout.packed_row_bytes(), layout.block_w * layout.pixel_bytes());
  const auto band_h = [&](int64_t large) {
    if (layout.tiled || !product_exceeds(row_bytes, layout.block_h, large)) return layout.block_h;
    return std::clamp<int64_t>(std::min(kBandBytes, large) / row_bytes, 1, layout.block_h);
  };
  const int64_t large = std::min(kLargeStripBytes, std::max<int64_t>(1, limits.cache_bytes / 4));
  layout.band_h = band_h(large);
  layout.most_band_h = band_h(kLargeStripBytes);
  if (product_exceeds(row_bytes, layout.band_h, limits.block_bytes)) {
    fail(Error::Kind::limit, file, layout.tiled ? "a tile of " : "a row of strips of ", layout.block_w, " x ",
         layout.band_h, " pixels with ", counted(layout.bands(), "band"), " would take more than the ",
         limits.block_bytes, " bytes allowed", kConvertFirst, " into tiles of 512 pixels");
  }
}

// Bytes of the block when decoded.
int64_t decoded_bytes(const TiffLayout& layout, int64_t block) {
  const int64_t per_plane = layout.blocks_across() * layout.blocks_down();
  const int64_t top = block % per_plane / layout.blocks_across() * layout.block_h;
  const int64_t rows = layout.tiled ? layout.block_h : std::min(layout.block_h, layout.height - top);
  return rows * layout.packed_row_bytes();
}

// A byte becomes so many at most, by the definition of the code: a file of 100 bytes cannot ask for
// gigabytes.
int64_t largest_expansion(uint16_t compression) {
  switch (compression) {
    case COMPRESSION_NONE:
      return 1;
    case COMPRESSION_PACKBITS:
      return 64;
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
      return 1032;
    case COMPRESSION_LZW:
      return 4096;
    default:
      return std::numeric_limits<int64_t>::max();
  }
}

// Where blocks begin in the file, in ascending order.
class BlockStarts {
 public:
  BlockStarts(TiffFile& file, int64_t blocks) : file_(file), blocks_(blocks) {}

  /// Whether no block begins within so many bytes after the beginning of this one.
  bool has_room(uint64_t offset, uint64_t bytes) {
    if (starts_.empty())
      for (uint32_t i = 0; i < static_cast<uint32_t>(blocks_); ++i)
        starts_.insert(TIFFGetStrileOffset(file_.get(), i));
    const auto next = starts_.upper_bound(offset);
    return next == starts_.end() || *next - offset >= bytes;
  }

 private:
  TiffFile& file_;
  int64_t blocks_;
  std::set<uint64_t> starts_;  // filled when it is asked
};

void check_block(TiffFile& file, TiffLayout& layout, const TiffLimits& limits, uint32_t block,
                 BlockStarts& starts) {
  const char* kind = layout.tiled ? "tile " : "strip ";
  const auto size = static_cast<uint64_t>(file.size_bytes());
  const uint64_t offset = TIFFGetStrileOffset(file.get(), block);
  uint64_t bytes = TIFFGetStrileByteCount(file.get(), block);
  const int64_t decoded = decoded_bytes(layout, block);
  const bool raw = layout.compression == COMPRESSION_NONE;
  // Samples that are there are read, whatever the number that goes with them, as libtiff does.
  if (raw && bytes > 0 && bytes < static_cast<uint64_t>(decoded) &&
      starts.has_room(offset, static_cast<uint64_t>(decoded)))
    bytes = static_cast<uint64_t>(decoded);
  if (bytes < static_cast<uint64_t>(decoded / largest_expansion(layout.compression))) {
    fail(Error::Kind::format, file, kind, block, " has ", bytes, " bytes, too few for ", decoded,
         " bytes of pixels: it is truncated or damaged");
  }
  if (raw) bytes = static_cast<uint64_t>(decoded);
  if (offset > size || bytes > size - offset) {
    fail(Error::Kind::format, file, kind, block, " (", bytes, " bytes at offset ", offset,
         ") lies beyond the end of the file, which has ", size, " bytes: it is truncated");
  }
  if (raw) return;
  if (bytes > static_cast<uint64_t>(limits.block_bytes)) {
    fail(Error::Kind::limit, file, kind, block, " has ", bytes, " bytes, more than the ", limits.block_bytes,
         " allowed", kConvertFirst, " into tiles of 512 pixels");
  }
  layout.largest_stored_block_bytes =
      std::max(layout.largest_stored_block_bytes, static_cast<int64_t>(bytes));
}

void check_blocks_in_file(TiffFile& file, TiffLayout& layout, const TiffLimits& limits,
                          const std::string& opening_messages) {
  const int64_t found = layout.tiled ? TIFFNumberOfTiles(file.get()) : TIFFNumberOfStrips(file.get());
  const int64_t per_plane_down = layout.blocks_down() * layout.planes();
  if (product_exceeds(layout.blocks_across(), per_plane_down, std::numeric_limits<uint32_t>::max()) ||
      layout.blocks_across() * per_plane_down != found) {
    fail(Error::Kind::format, file, "its size needs ", layout.blocks_across(), " x ", layout.blocks_down(),
         layout.tiled ? " tiles in " : " strips in ", layout.planes(), " planes, but it has ", found);
  }
  // libtiff fills up a list that is too short with zeros, which would pass for blocks without data.
  if (opening_messages.find("Offsets\"; tag ignored") != std::string::npos) {
    fail(Error::Kind::format, file, "it does not say where all its ", found,
         layout.tiled ? " tiles" : " strips", " are: it is truncated or damaged");
  }
  BlockStarts starts(file, found);
  for (uint32_t i = 0; i < static_cast<uint32_t>(found); ++i) {
    if (!is_sparse(file, i)) check_block(file, layout, limits, i, starts);
  }
}

}  // namespace

TiffLayout read_layout(TiffFile& file, const TiffLimits& limits, SampleReading reading) {
  const std::string opening_messages = file.take_messages();
  TiffLayout layout;
  layout.width = tag_or<uint32_t>(file, TIFFTAG_IMAGEWIDTH, 0);
  layout.height = tag_or<uint32_t>(file, TIFFTAG_IMAGELENGTH, 0);
  layout.stored_bands = tag_or<uint16_t>(file, TIFFTAG_SAMPLESPERPIXEL, 1);
  if (layout.width < 1 || layout.height < 1 || layout.stored_bands < 1) {
    fail(Error::Kind::format, file, "its size is ", layout.width, " x ", layout.height, " pixels, ",
         counted(layout.stored_bands, "band"));
  }
  layout.planar = layout.stored_bands > 1 &&
                  tag_or<uint16_t>(file, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  layout.compression = tag_or<uint16_t>(file, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  check_codec(file, layout.compression);
  read_coding(file, layout, reading);
  read_colours(file, layout);
  if (product_exceeds(layout.width * layout.bands() * 8, layout.height,
                      std::numeric_limits<int64_t>::max() / 2)) {
    fail(Error::Kind::limit, file, "its size of ", layout.width, " x ", layout.height, " pixels with ",
         counted(layout.bands(), "band"), " is beyond all bounds");
  }
  read_blocks(file, layout);
  limit_blocks(file, layout, limits);
  check_blocks_in_file(file, layout, limits, opening_messages);
  layout.opening_warnings = opening_messages;
  layout.codec_bytes = codec_memory(file, layout);
  return layout;
}

void decode_jpeg_to_rgb(TiffFile& file, const TiffLayout& layout) {
  uint16_t stored = PHOTOMETRIC_MINISBLACK;
  TIFFGetField(file.get(), TIFFTAG_PHOTOMETRIC, &stored);
  if (layout.compression == COMPRESSION_JPEG && stored == PHOTOMETRIC_YCBCR) {
    TIFFSetField(file.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
}

bool is_sparse(TiffFile& file, uint32_t block) {
  return TIFFGetStrileByteCount(file.get(), block) == 0 && TIFFGetStrileOffset(file.get(), block) == 0;
}

std::string compression_name(uint16_t compression) {
  const TIFFCodec* codec = TIFFFindCODEC(compression);
  const std::string code = std::to_string(compression);
  if (compression == 50002 || compression == 52546) return "JPEG XL (code " + code + ")";
  if (compression == 34712) return "JPEG 2000 (code " + code + ")";
  return codec ? std::string(codec->name) + " (code " + code + ")" : "code " + code;
}

}  // namespace sr

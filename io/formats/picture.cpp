#include "io/formats/picture.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <jpeglib.h>

#define STBI_ONLY_BMP
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

#include "io/counted.h"
#include "io/jpeg_warnings.h"
#include "io/output_file.h"

namespace sr {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr int64_t kMaxPixels = int64_t{1} << 28;
constexpr int64_t kMaxSide = int64_t{1} << 24;  // stb's own limit
// What decoders can make out of one byte: deflate 1032 bytes of 1-bit pixels, JPEG eight blocks.
constexpr int64_t kMaxPixelsPerPngByte = 8 * 1032, kMaxPixelsPerJpegByte = 8 * 64;

// What must be known of a file before stb decodes it.
struct Header {
  bool palette = false, deep = false;  // deep: 16 bits a sample
};

// A file in memory whose every read is checked. stb fills up what is missing with zeros, so that a file cut
// off must be found here.
class Bytes {
 public:
  Bytes(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  const std::string& path() const { return path_; }
  size_t size() const { return bytes_.size(); }
  bool starts_with(std::string_view magic) const { return bytes_.starts_with(magic); }
  uint32_t u8(size_t at) const {
    if (at >= bytes_.size()) truncated();
    return static_cast<uint8_t>(bytes_[at]);
  }
  uint32_t le16(size_t at) const { return u8(at) | u8(at + 1) << 8; }
  uint32_t le32(size_t at) const { return le16(at) | le16(at + 2) << 16; }
  uint32_t be16(size_t at) const { return u8(at) << 8 | u8(at + 1); }
  uint32_t be32(size_t at) const { return be16(at) << 16 | be16(at + 2); }
  std::string_view part(size_t at, size_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) truncated();
    return bytes_.substr(at, length);
  }

  [[noreturn]] void truncated() const {
    throw Error(Error::Kind::format, "reading ", path_, ": the picture is cut off, the file ends after ",
                size(), " bytes; fetch it again");
  }
  [[noreturn]] void corrupted(const std::string& what) const {
    throw Error(Error::Kind::format, "reading ", path_, ": ", what, "; fetch the file again");
  }

 private:
  const std::string& path_;
  std::string_view bytes_;
};

void check_size(const Bytes& bytes, int64_t width, int64_t height, int64_t most_pixels_per_byte) {
  if (width < 1 || height < 1) bytes.corrupted("the header says that it has no pixels");
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    throw Error(Error::Kind::limit, "reading ", bytes.path(), ": ", width, " x ", height,
                " pixels; at most 2^28 are read as a picture, use TIFF for larger ones");
  if (width * height / most_pixels_per_byte > static_cast<int64_t>(bytes.size())) bytes.truncated();
}

Header bmp_header(const Bytes& bytes) {
  const size_t pixels = bytes.le32(10);
  const bool old = bytes.le32(14) == 12;  // OS/2: 16-bit sizes
  const auto width = static_cast<int64_t>(old ? bytes.le16(18) : bytes.le32(18));
  const auto rows = static_cast<int32_t>(old ? bytes.le16(20) : bytes.le32(22));
  const int64_t height = std::abs(int64_t{rows});  // negative: rows from the top
  const int64_t bits = bytes.le16(old ? 24 : 28);
  if (const uint32_t packing = old ? 0 : bytes.le32(30); packing != 0 && packing != 3)
    throw Error(Error::Kind::unsupported, "reading ", bytes.path(), ": a compressed BMP (kind ", packing,
                "); save it uncompressed or as PNG");
  if (bits > 32) bytes.corrupted("the header says that a pixel has " + std::to_string(bits) + " bits");
  check_size(bytes, width, height, 8);
  const int64_t row_bytes = (width * bits + 31) / 32 * 4;
  // The padding of the last row may be missing.
  bytes.part(pixels, static_cast<size_t>(row_bytes * (height - 1) + (width * bits + 7) / 8));
  return {bits <= 8, false};
}

uint32_t crc32(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

// Checks what stb does not: every chunk's CRC, and that the file has an end.
Header png_header(const Bytes& bytes) {
  for (size_t at = 8;;) {
    const size_t length = bytes.be32(at);
    const std::string_view chunk = bytes.part(at + 4, length + 4);  // type and data
    if (bytes.be32(at + 8 + length) != crc32(chunk))
      bytes.corrupted("PNG chunk at byte " + std::to_string(at) + " does not match its checksum");
    if (chunk.starts_with("IEND")) break;
    at += length + 12;
  }
  check_size(bytes, bytes.be32(16), bytes.be32(20), kMaxPixelsPerPngByte);
  return {bytes.u8(25) == 3, bytes.u8(24) == 16};
}

// libjpeg reports by callbacks; they jump back into run(), which throws. stb_image has a JPEG decoder too,
// but the one that distributions ship writes out of bounds when a Huffman table is corrupted.
class JpegDecoder {
 public:
  explicit JpegDecoder(const Bytes& bytes) : bytes_(bytes) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { fail(jpeg); };
    errors_.output_message = [](j_common_ptr) {};
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level == -1) static_cast<JpegDecoder*>(jpeg->client_data)->look_at_warning();
    };
    run([this] { jpeg_create_decompress(&jpeg_); });
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// The first thing that libjpeg warned of although no pixel is lost; empty if nothing.
  const std::string& warning() const { return warning_; }

  Raster decode() {
    const std::string_view all = bytes_.part(0, bytes_.size());
    run([&] {
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(all.data()), all.size());
      jpeg_read_header(&jpeg_, TRUE);
    });
    check_size(bytes_, jpeg_.image_width, jpeg_.image_height, kMaxPixelsPerJpegByte);
    if (jpeg_.num_components != 1 && jpeg_.num_components != 3)
      throw Error(Error::Kind::unsupported, "reading ", bytes_.path(), ": a JPEG of ", jpeg_.num_components,
                  " components (CMYK?); convert it to RGB");
    jpeg_.out_color_space = jpeg_.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    Raster picture({0, 0, jpeg_.image_width, jpeg_.image_height}, jpeg_.num_components, SampleType::u8);
    const size_t row_bytes = size_t{jpeg_.image_width} * static_cast<size_t>(jpeg_.num_components);
    run([&] {
      jpeg_start_decompress(&jpeg_);
      while (jpeg_.output_scanline < jpeg_.output_height) {
        JSAMPROW row = picture.data<JSAMPLE>() + jpeg_.output_scanline * row_bytes;
        jpeg_read_scanlines(&jpeg_, &row, 1);
      }
      jpeg_finish_decompress(&jpeg_);
    });
    return picture;
  }

 private:
  // Nothing that `step` calls may own anything: a failure jumps over it.
  template <class Step>
  void run(const Step& step) {
    if (setjmp(failed_) != 0) bytes_.corrupted("JPEG decoder: " + message());
    step();
  }

  std::string message() {
    char text[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), text);
    return text;
  }

  void look_at_warning() {
    if (loses_pixels(jpeg_)) fail(reinterpret_cast<j_common_ptr>(&jpeg_));
    if (warning_.empty()) warning_ = message();
  }

  [[noreturn]] static void fail(j_common_ptr jpeg) {
    std::longjmp(static_cast<JpegDecoder*>(jpeg->client_data)->failed_, 1);
  }

  const Bytes& bytes_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf failed_;
  std::string warning_;
};

struct FreeImage {
  void operator()(void* pixels) const { stbi_image_free(pixels); }
};
using Pixels = std::unique_ptr<void, FreeImage>;

// Keeps the first of three equal colour bands, and alpha.
Raster without_colour(const Raster& rgb) {
  const int bands = rgb.bands - 2;
  Raster grey(rgb.window, bands, SampleType::u8);
  for (int64_t p = 0; p < rgb.window.pixels(); ++p)
    for (int b = 0; b < bands; ++b)
      grey.data<uint8_t>()[p * bands + b] = rgb.data<uint8_t>()[p * rgb.bands + (b == 0 ? 0 : 3)];
  return grey;
}

bool is_grey(const Raster& rgb) {
  for (int64_t p = 0; p < rgb.window.pixels(); ++p) {
    const uint8_t* pixel = rgb.data<uint8_t>() + p * rgb.bands;
    if (pixel[0] != pixel[1] || pixel[0] != pixel[2]) return false;
  }
  return true;
}

Raster read_with_stb(const Bytes& bytes, const Header& header) {
  const std::string_view all = bytes.part(0, bytes.size());
  const auto* first = reinterpret_cast<const stbi_uc*>(all.data());
  const auto length = static_cast<int>(all.size());
  int width = 0, height = 0, bands = 0;
  const Pixels pixels(
      header.deep ? static_cast<void*>(stbi_load_16_from_memory(first, length, &width, &height, &bands, 0))
                  : stbi_load_from_memory(first, length, &width, &height, &bands, 0));
  if (!pixels)
    throw Error(Error::Kind::unsupported, "reading ", bytes.path(), ": cannot decode it (",
                stbi_failure_reason(), "); it is corrupted or of a rare kind, save it as an ordinary PNG");
  Raster picture({0, 0, width, height}, bands, header.deep ? SampleType::u16 : SampleType::u8);
  std::memcpy(picture.samples.data(), pixels.get(), picture.samples.size());
  if (header.palette && bands >= 3 && is_grey(picture)) return without_colour(picture);
  return picture;
}

// `asked` begins the text of an error.
std::string encode(const Raster& picture, const std::string& asked) {
  const auto [x, y, width, height] = picture.window;
  const int bands = picture.bands;
  if (picture.type != SampleType::u8 || bands < 1 || bands > 4 || width < 1 || height < 1)
    throw Error(Error::Kind::unsupported, asked, ": ", width, " x ", height, " pixels of ",
                counted(bands, "band"), " of ", name_of(picture.type), "; a PNG takes 1 to 4 bands of u8");
  // stb counts bytes in int; its buffer for the compressed data may be a little longer than the picture.
  if (width > kMaxSide || height > kMaxSide || (width * bands + 1) * height > INT32_MAX / 2)
    throw Error(Error::Kind::limit, asked, ": ", width, " x ", height,
                " pixels are too many; at most 2^30 bytes fit, write a TIFF");
  int length = 0;
  const Pixels png(stbi_write_png_to_mem(reinterpret_cast<const unsigned char*>(picture.samples.data()),
                                         static_cast<int>(width) * bands, static_cast<int>(width),
                                         static_cast<int>(height), bands, &length));
  if (!png) throw Error(Error::Kind::limit, asked, ": no memory left to compress it; write a TIFF");
  return {static_cast<const char*>(png.get()), static_cast<size_t>(length)};
}

}  // namespace

Raster read_picture(const std::string& path, std::string* warning) {
  const std::string file = read_file(path, kMaxFileBytes);
  const Bytes bytes(path, file);
  if (bytes.starts_with("\xff\xd8\xff")) {
    JpegDecoder decoder(bytes);
    Raster picture = decoder.decode();
    if (warning) *warning = decoder.warning();
    return picture;
  }
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return read_with_stb(bytes, png_header(bytes));
  if (bytes.starts_with("BM")) return read_with_stb(bytes, bmp_header(bytes));
  throw Error(Error::Kind::format, "reading ", path,
              ": neither BMP nor PNG nor JPEG; convert it to one of them");
}

std::string encode_png(const Raster& picture) {
  return encode(picture, "encoding a PNG");
}

void write_png(const std::string& path, const Raster& picture) {
  write_file(path, encode(picture, "writing " + path));
}

}  // namespace sr

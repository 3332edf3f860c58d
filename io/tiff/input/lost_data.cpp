#include "io/tiff/input/lost_data.h"

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <vector>

#include <jpeglib.h>

#include "io/jpeg_warnings.h"

namespace sr {
namespace {

using Bytes = std::span<const std::byte>;

// Decodes a JPEG for its warnings alone: libjpeg tells libtiff only the first of a block, behind which others
// may hide, and libtiff takes a picture that is smaller than its block.
class JpegCheck {
 public:
  JpegCheck() {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { fail(jpeg); };
    errors_.output_message = [](j_common_ptr) {};
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level == -1 && loses_pixels(static_cast<JpegCheck*>(jpeg->client_data)->jpeg_)) fail(jpeg);
    };
  }
  ~JpegCheck() { jpeg_destroy_decompress(&jpeg_); }
  JpegCheck(const JpegCheck&) = delete;
  JpegCheck& operator=(const JpegCheck&) = delete;

  std::string operator()(Bytes tables, Bytes stream, int64_t w, int64_t h) {
    // Nothing in what follows may own anything: a failure jumps over it.
    if (setjmp(failed_) != 0) {
      char text[JMSG_LENGTH_MAX];
      errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), text);
      return std::string("JPEGLib: ") + text;
    }
    jpeg_create_decompress(&jpeg_);
    if (!tables.empty()) read_header(tables, FALSE);
    read_header(stream, TRUE);
    jpeg_.out_color_space = jpeg_.jpeg_color_space;  // any can be had so
    if (jpeg_.image_width < w || jpeg_.image_height < h) return too_small();
    jpeg_start_decompress(&jpeg_);
    auto* const pool = reinterpret_cast<j_common_ptr>(&jpeg_);
    const JDIMENSION samples = jpeg_.output_width * static_cast<JDIMENSION>(jpeg_.output_components);
    JSAMPARRAY row = jpeg_.mem->alloc_sarray(pool, JPOOL_IMAGE, samples, 1);
    while (jpeg_.output_scanline < jpeg_.output_height) jpeg_read_scanlines(&jpeg_, row, 1);
    jpeg_finish_decompress(&jpeg_);
    return "";
  }

 private:
  void read_header(Bytes bytes, boolean with_picture) {
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&jpeg_, with_picture);
  }

  std::string too_small() const {
    return "JPEGLib: it has only " + std::to_string(jpeg_.image_width) + " x " +
           std::to_string(jpeg_.image_height) + " pixels";
  }

  [[noreturn]] static void fail(j_common_ptr jpeg) {
    std::longjmp(static_cast<JpegCheck*>(jpeg->client_data)->failed_, 1);
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf failed_;
};

std::string lost_in_jpeg(TiffFile& file, uint32_t block, int64_t w, int64_t h) {
  std::vector<std::byte> stream(TIFFGetStrileByteCount(file.get(), block));
  file.read_at(static_cast<int64_t>(TIFFGetStrileOffset(file.get(), block)), stream);
  uint32_t count = 0;
  const void* tables = nullptr;
  if (!TIFFGetField(file.get(), TIFFTAG_JPEGTABLES, &count, &tables)) count = 0;
  return JpegCheck()({static_cast<const std::byte*>(tables), count}, stream, w, h);
}

// Rows that end too early or late are filled up or cut, those after a cut are left white.
std::string lost_in_fax(const std::string& warnings) {
  for (const char* loss : {"Premature EOF", "Premature EOL", "Line length mismatch"})
    if (warnings.find(loss) != std::string::npos) return warnings;
  return "";
}

}  // namespace

std::string lost_data(TiffFile& file, const TiffLayout& layout, uint32_t block, int64_t w, int64_t h) {
  switch (layout.compression) {
    case COMPRESSION_JPEG:
      return lost_in_jpeg(file, block, w, h);
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTRLEW:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:
      return lost_in_fax(file.warnings());
    default:
      return "";
  }
}

}  // namespace sr

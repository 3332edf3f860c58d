#include "io/tiff/input/codec_memory.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <vector>

#include <jpeglib.h>

namespace sr {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

// The beginning of the first block that has data.
std::vector<std::byte> first_bytes(TiffFile& file, const TiffLayout& layout, uint64_t most) {
  const int64_t blocks = layout.blocks_across() * layout.blocks_down() * layout.planes();
  for (uint32_t i = 0; i < static_cast<uint32_t>(blocks); ++i) {
    if (is_sparse(file, i)) continue;
    std::vector<std::byte> bytes(std::min(most, TIFFGetStrileByteCount(file.get(), i)));
    file.read_at(static_cast<int64_t>(TIFFGetStrileOffset(file.get(), i)), bytes);
    return bytes;
  }
  return {};
}

// Of the frame (RFC 8878, 3.1.1.1): what the decoder keeps of what it has made.
int64_t zstd_window(const std::vector<std::byte>& frame) {
  constexpr int64_t kMost = 128 * kMegabyte;  // that the library takes
  constexpr std::byte kSingleSegment{0x20};   // the window is the content
  if (frame.size() < 6 || (frame[4] & kSingleSegment) != std::byte{0}) return kMost;
  const int exponent = std::to_integer<int>(frame[5] >> 3), eighths = std::to_integer<int>(frame[5]) & 7;
  return std::min(kMost, (int64_t{1} << (10 + exponent)) / 8 * (8 + eighths));
}

struct JpegFailure {
  jpeg_error_mgr errors{};
  std::jmp_buf failed;
};

// Whether all coefficients are kept until the last scan (progressive files, and planes one after the other).
bool has_several_scans(const std::vector<std::byte>& jpeg) {
  JpegFailure failure;
  jpeg_decompress_struct decoder{};
  decoder.err = jpeg_std_error(&failure.errors);
  failure.errors.error_exit = [](j_common_ptr common) {
    std::longjmp(reinterpret_cast<JpegFailure*>(common->err)->failed, 1);
  };
  failure.errors.output_message = [](j_common_ptr) {};
  // Nothing in what follows may own anything: a failure jumps over it.
  if (setjmp(failure.failed) != 0) {
    jpeg_destroy_decompress(&decoder);
    return true;
  }
  jpeg_create_decompress(&decoder);
  jpeg_mem_src(&decoder, reinterpret_cast<const unsigned char*>(jpeg.data()), jpeg.size());
  jpeg_read_header(&decoder, TRUE);
  const bool several = jpeg_has_multiple_scans(&decoder);
  jpeg_destroy_decompress(&decoder);
  return several;
}

// Coefficients of 16 bits, for which libtiff allows no more; twice, and the bytes, where lost_data() looks
// too.
int64_t jpeg_memory(TiffFile& file, const TiffLayout& layout, int64_t decoded) {
  const bool several = has_several_scans(first_bytes(file, layout, kMegabyte));
  const int64_t coefficients = several ? std::min(2 * decoded, 100 * kMegabyte) : 0;
  return 2 * coefficients + layout.largest_stored_block_bytes;
}

}  // namespace

// Measured with libtiff 4.5. Windows and dictionaries are never larger than what goes through them.
int64_t codec_memory(TiffFile& file, const TiffLayout& layout) {
  const int64_t decoded = layout.packed_row_bytes() * layout.block_h;
  switch (layout.compression) {
    case COMPRESSION_LERC:  // the whole block, its mask, and what deflate or zstd made of it
    case COMPRESSION_WEBP:
    case COMPRESSION_JBIG:
      return 3 * decoded;
    case COMPRESSION_JPEG:
      return jpeg_memory(file, layout, decoded);
    case COMPRESSION_ZSTD:
      return std::min(decoded, zstd_window(first_bytes(file, layout, 6)));
    case COMPRESSION_LZMA:
      return std::min(decoded, 64 * kMegabyte);
    default:
      return 0;
  }
}

}  // namespace sr

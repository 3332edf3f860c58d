#include "io/tiff/output/check_request.h"

#include <tiff.h>

namespace sr {
namespace {

constexpr int64_t kMaxBlockBytes = int64_t{1} << 30;
constexpr int64_t kMaxBlocks = int64_t{1} << 26;  // libtiff keeps 16 bytes for each until the end

void check_size(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  const auto refuse = [&](Error::Kind kind, const auto&... parts) {
    throw Error(kind, "cannot write ", path, ": ", parts...);
  };
  if (options.block < 16 || options.block > 16384 || options.block % 16 != 0) {
    refuse(Error::Kind::usage, "blocks of ", options.block,
           " pixels; a multiple of 16 up to 16384 is needed");
  }
  if (info.width < 1 || info.height < 1 || info.bands < 1) {
    refuse(Error::Kind::usage, "a picture of ", info.width, " x ", info.height, " pixels and ", info.bands,
           " bands is empty");
  }
  if (info.width > UINT32_MAX || info.height > UINT32_MAX || info.bands > UINT16_MAX) {
    refuse(Error::Kind::limit, info.width, " x ", info.height, " pixels and ", info.bands,
           " bands; a TIFF holds at most 4294967295 x 4294967295 pixels and 65535 bands");
  }
  const BlockGrid grid = grid_of(info, options);
  if (grid.blocks() > kMaxBlocks) {
    refuse(Error::Kind::limit, info.width, " x ", info.height, " pixels make ", grid.blocks(),
           " blocks; at most ", kMaxBlocks, " are written: larger blocks are needed");
  }
  const int64_t block_bytes = int64_t{options.block} * options.block * info.bands * bytes_of(info.type);
  if (block_bytes > kMaxBlockBytes) {
    refuse(Error::Kind::limit, "blocks of ", options.block, " pixels and ", info.bands, " bands take ",
           block_bytes, " bytes; at most ", kMaxBlockBytes, " are written: smaller blocks are needed");
  }
  if (info.extra_samples.size() > static_cast<size_t>(info.bands)) {
    refuse(Error::Kind::usage, info.extra_samples.size(), " extra samples of ", info.bands, " bands");
  }
  const bool index_type = info.type == SampleType::u8 || info.type == SampleType::u16;
  if (info.photometric == PHOTOMETRIC_PALETTE && (info.bands != 1 || !index_type || info.palette.empty())) {
    refuse(Error::Kind::unsupported, "palette indices of ", info.bands, " bands of ", name_of(info.type),
           " and ", info.palette.size() / 3, " colours; one band of u8 or u16 and its colours are needed");
  }
}

// A codec takes what it is made for, and none may make no-data of a value or a value of no-data.
void check_codec(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  const auto refuse = [&](const auto&... parts) {
    throw Error(Error::Kind::unsupported, "cannot write ", path, ": ", parts...);
  };
  const bool jpeg = options.compression == Compression::jpeg;
  if (jpeg && (info.type != SampleType::u8 || (info.bands != 1 && info.bands != 3) || info.alpha_band()))
    refuse("JPEG takes one or three bands of u8, the picture has ", info.bands, " of ", name_of(info.type),
           info.alpha_band() ? ", one of them alpha" : "", "; use another compression");
  if (!jpeg && !(options.compression == Compression::lerc && options.max_z_error > 0)) return;
  const char* hidden = info.nodata ? "no-data pixels" : info.alpha_band() ? "transparent pixels" : nullptr;
  if (hidden)
    refuse("the picture has ", hidden, ", which ", jpeg ? "JPEG" : "LERC with an error",
           " would change; use a compression without loss");
}

}  // namespace

BlockGrid grid_of(const TiffInfo& info, const TiffWriterOptions& options) {
  return {info.width, info.height, options.block};
}

void check_request(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  check_size(path, info, options);
  check_codec(path, info, options);
}

}  // namespace sr

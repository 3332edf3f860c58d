#include "io/tiff/writer.h"

#include <omp.h>

#include <deque>
#include <exception>
#include <optional>
#include <vector>

#include "io/output_file.h"
#include "io/tiff/block_assembler.h"
#include "io/tiff/block_encoder.h"
#include "io/tiff/file.h"
#include "io/tiff/set_tags.h"
#include "tensor/stop.h"

namespace sr {
namespace {

constexpr int64_t kMaxBlockBytes = int64_t{1} << 30;
constexpr int64_t kMaxBlocks = int64_t{1} << 26;  // libtiff keeps 16 bytes for each until the end
// Classic TIFF ends at 2^32 bytes; the rest is room for tables and for data that grows when compressed.
constexpr double kMaxClassicBytes = 4e9;

BlockGrid grid_of(const TiffInfo& info, const TiffWriterOptions& options) {
  return {info.width, info.height, options.block};
}

void check_request(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
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
  if (info.photometric == PHOTOMETRIC_PALETTE) {
    refuse(Error::Kind::unsupported, "palette indices; the colours themselves are needed");
  }
}

/// Whether the picture and a mask page, both uncompressed, could outgrow classic TIFF. What the compressed
/// data will need is not known when the header must be written.
bool needs_big_tiff(const TiffInfo& info, const TiffWriterOptions& options) {
  const double block = options.block;
  const double pixels = static_cast<double>(grid_of(info, options).blocks()) * block * block;
  const double bits_per_pixel = static_cast<double>(8 * info.bands * bytes_of(info.type)) + 1;
  const double worst_growth = options.compression == Compression::lzw ? 1.5 : 1.0;  // 12-bit codes for bytes
  return pixels * bits_per_pixel / 8 * worst_growth >= kMaxClassicBytes;
}

}  // namespace

struct TiffWriter::Impl {
  Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_)
      : info(info_), options(options_), part(path) {
    file.emplace(part.temporary(),
                 needs_big_tiff(info, options) ? TiffFile::Mode::create_big : TiffFile::Mode::create);
    begin_page(BlockEncoder::Page::picture);
  }

  void begin_page(BlockEncoder::Page page);
  void encode(std::vector<CompleteBlock> blocks, const Raster& window);
  void append(std::vector<std::byte> bytes, int64_t index);
  void end_page(const char* action);
  void require_open() const;

  TiffInfo info;
  TiffWriterOptions options;
  PartialFile part;              // before `file`: the handle closes before the name is removed
  std::optional<TiffFile> file;  // empty after finish()
  // Of the page being written:
  bool mask_page = false;
  std::optional<BlockAssembler> assembler;
  std::deque<BlockEncoder> encoders;  // one for each thread
};

void TiffWriter::Impl::begin_page(BlockEncoder::Page page) {
  mask_page = page == BlockEncoder::Page::mask;
  (mask_page ? set_mask_tags : set_picture_tags)(*file, part.path(), info, options);
  assembler.emplace(part.path(), grid_of(info, options), mask_page ? 1 : info.bands,
                    mask_page ? SampleType::u8 : info.type);
  encoders.clear();
  for (int i = 0; i < (mask_page ? 1 : options.threads); ++i)
    encoders.emplace_back(part.path(), info, options, page);
}

// Compresses blocks side by side and appends them to the file in their order.
void TiffWriter::Impl::encode(std::vector<CompleteBlock> blocks, const Raster& window) {
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(dynamic) num_threads(static_cast <int>(encoders.size()))
  for (size_t i = 0; i < blocks.size(); ++i) {
    std::vector<std::byte> bytes;
    std::exception_ptr failed;  // it must not leave the loop
    try {
      throw_if_stopping();
      bytes = encoders[static_cast<size_t>(omp_get_thread_num())].encode(std::move(blocks[i]).take(window));
    } catch (...) {
      failed = std::current_exception();
    }
#pragma omp ordered
    {
      try {
        if (!failed && !failure) append(std::move(bytes), blocks[i].index);
      } catch (...) {
        failed = std::current_exception();
      }
      if (!failure) failure = failed;
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// The one place where a block's bytes go to the file.
void TiffWriter::Impl::append(std::vector<std::byte> bytes, int64_t index) {
  const auto size = static_cast<tmsize_t>(bytes.size());
  const tmsize_t written = TIFFWriteRawTile(file->get(), static_cast<uint32_t>(index), bytes.data(), size);
  check_written(*file, part.path(), written == size, "writing a block");
}

void TiffWriter::Impl::end_page(const char* action) {
  require_open();
  assembler->require_complete();
  check_written(*file, part.path(), TIFFWriteDirectory(file->get()) == 1, action);
}

void TiffWriter::Impl::require_open() const {
  if (!file) throw Error(Error::Kind::usage, "writing ", part.path(), ": the file is already complete");
}

TiffWriter::TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  check_request(path, info, options);
  impl_ = std::make_unique<Impl>(path, info, options);
}
TiffWriter::~TiffWriter() = default;
TiffWriter::TiffWriter(TiffWriter&&) noexcept = default;
TiffWriter& TiffWriter::operator=(TiffWriter&&) noexcept = default;

void TiffWriter::write(const Raster& raster) {
  impl_->require_open();
  impl_->encode(impl_->assembler->add(raster), raster);
}

void TiffWriter::begin_mask() {
  if (impl_->mask_page) {
    throw Error(Error::Kind::usage, "writing ", impl_->part.path(), ": a second mask page; one is written");
  }
  impl_->end_page("ending the picture");
  impl_->begin_page(BlockEncoder::Page::mask);
}

int64_t TiffWriter::pending_bytes() const {
  return impl_->assembler->pending_bytes();
}

void TiffWriter::finish() {
  impl_->end_page("ending the file");
  impl_->file->close();
  impl_->file.reset();
  impl_->part.commit();
}

}  // namespace sr

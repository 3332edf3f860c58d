#include "io/tiff/writer.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "io/output_file.h"
#include "io/tiff/block_encoder.h"
#include "io/tiff/file.h"
#include "io/tiff/set_tags.h"

namespace sr {
namespace {

constexpr int64_t kMaxBlockBytes = int64_t{1} << 30;
constexpr int64_t kMaxBlocks = int64_t{1} << 26;  // libtiff keeps 16 bytes for each until the end
// Classic TIFF ends at 2^32 bytes; the rest is room for tables and for data that grows when compressed.
constexpr double kMaxClassicBytes = 4e9;

int64_t blocks_along(int64_t length, int64_t block) {
  return (length + block - 1) / block;
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
  const int64_t blocks = blocks_along(info.width, options.block) * blocks_along(info.height, options.block);
  if (blocks > kMaxBlocks) {
    refuse(Error::Kind::limit, info.width, " x ", info.height, " pixels make ", blocks, " blocks; at most ",
           kMaxBlocks, " are written: larger blocks are needed");
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
  const double pixels = static_cast<double>(blocks_along(info.width, options.block)) *
                        static_cast<double>(blocks_along(info.height, options.block)) * block * block;
  const double bits_per_pixel = static_cast<double>(8 * info.bands * bytes_of(info.type)) + 1;
  const double worst_growth = options.compression == Compression::lzw ? 1.5 : 1.0;  // 12-bit codes for bytes
  return pixels * bits_per_pixel / 8 * worst_growth >= kMaxClassicBytes;
}

Window overlap(const Window& a, const Window& b) {
  const int64_t x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  return {x, y, std::min(a.x + a.w, b.x + b.w) - x, std::min(a.y + a.h, b.y + b.h) - y};
}

std::string described(const Window& w) {
  std::ostringstream text;
  text << w.w << " x " << w.h << " pixels at (" << w.x << ", " << w.y << ")";
  return text.str();
}

/// A block that windows have covered in part. `written` has one byte a pixel.
struct PendingBlock {
  std::vector<std::byte> samples;
  std::vector<uint8_t> written;
  int64_t missing = 0;
};

}  // namespace

struct TiffWriter::Impl {
  Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_)
      : info(info_), options(options_), side(options_.block), part(path) {
    file.emplace(part.temporary(),
                 needs_big_tiff(info, options) ? TiffFile::Mode::create_big : TiffFile::Mode::create);
    begin_page(info.bands, info.type);
    set_picture_tags(*file, part.path(), info, options);
    for (int i = 0; i < options.threads && options.threads > 1; ++i)
      encoders.emplace_back(part.path(), info, options);
  }

  void begin_page(int page_bands, SampleType page_type);
  void check_window(const Raster& raster) const;
  Window block_window(int64_t index) const;
  void put(const Raster& raster, int64_t index);
  void copy_rows(const Raster& raster, const Window& part_of_block, const Window& block, std::byte* to) const;
  void add_to_pending(const Raster& raster, const Window& covered, int64_t index);
  void encode(std::vector<std::byte>& samples, int64_t index);
  bool is_whole(const Raster& raster, int64_t index) const;
  void encode_side_by_side(const Raster& raster, const std::vector<int64_t>& whole);
  void write_raw(std::vector<std::byte>& bytes, int64_t index);
  void note_written(bool good, int64_t index);
  void require_complete() const;

  [[noreturn]] void refuse_second(const Window& window) const;
  int64_t pixel_bytes() const { return bands * bytes_of(type); }
  int64_t pending_block_bytes() const { return side * side * (pixel_bytes() + 1); }

  TiffInfo info;
  TiffWriterOptions options;
  int64_t side;
  PartialFile part;              // before `file`: the handle closes before the name is removed
  std::optional<TiffFile> file;  // empty after finish()

  bool mask_page = false;
  int bands = 0;  // of the page being written, and so on
  SampleType type = SampleType::u8;
  int64_t blocks_across = 0, blocks_missing = 0;
  std::vector<bool> complete;
  std::map<int64_t, PendingBlock> pending;
  std::vector<std::byte> scratch;
  std::deque<BlockEncoder> encoders;  // of the picture; none: blocks are compressed one after the other
};

void TiffWriter::Impl::begin_page(int page_bands, SampleType page_type) {
  bands = page_bands;
  type = page_type;
  blocks_across = blocks_along(info.width, side);
  blocks_missing = blocks_across * blocks_along(info.height, side);
  complete.assign(static_cast<size_t>(blocks_missing), false);
  scratch.assign(static_cast<size_t>(side * side * pixel_bytes()), std::byte{});
}

void TiffWriter::Impl::check_window(const Raster& raster) const {
  const Window& w = raster.window;
  if (!file) throw Error(Error::Kind::usage, "writing ", part.path(), ": the file is already complete");
  if (w.w < 1 || w.h < 1 || w.x < 0 || w.y < 0 || w.x > info.width - w.w || w.y > info.height - w.h) {
    throw Error(Error::Kind::usage, "writing ", part.path(), ": a window of ", described(w),
                "; the picture has ", info.width, " x ", info.height);
  }
  if (raster.bands != bands || raster.type != type ||
      static_cast<int64_t>(raster.samples.size()) != w.pixels() * pixel_bytes()) {
    throw Error(Error::Kind::usage, "writing ", part.path(), ": a window with ", raster.bands, " bands of ",
                name_of(raster.type), " in ", raster.samples.size(), " bytes; the page has ", bands,
                " bands of ", name_of(type), ", which are ", w.pixels() * pixel_bytes(), " bytes");
  }
}

/// The pixels of a block that lie in the picture.
Window TiffWriter::Impl::block_window(int64_t index) const {
  const Window block{index % blocks_across * side, index / blocks_across * side, side, side};
  return overlap(block, {0, 0, info.width, info.height});
}

void TiffWriter::Impl::refuse_second(const Window& window) const {
  throw Error(Error::Kind::usage, "writing ", part.path(), ": the window of ", described(window),
              " has pixels that were written before; each must come once");
}

void TiffWriter::Impl::copy_rows(const Raster& raster, const Window& part_of_block, const Window& block,
                                 std::byte* to) const {
  const Window& from = raster.window;
  const auto row_bytes = static_cast<size_t>(part_of_block.w * pixel_bytes());
  for (int64_t y = part_of_block.y; y < part_of_block.y + part_of_block.h; ++y) {
    const int64_t source = (y - from.y) * from.w + part_of_block.x - from.x;
    const int64_t target = (y - block.y) * side + part_of_block.x - block.x;
    std::memcpy(to + target * pixel_bytes(), raster.samples.data() + source * pixel_bytes(), row_bytes);
  }
}

void TiffWriter::Impl::put(const Raster& raster, int64_t index) {
  const Window block = block_window(index);
  const Window covered = overlap(raster.window, block);
  if (complete[static_cast<size_t>(index)]) refuse_second(raster.window);
  if (covered == block && !pending.contains(index)) {
    copy_rows(raster, covered, block, scratch.data());
    encode(scratch, index);
  } else {
    add_to_pending(raster, covered, index);
  }
}

void TiffWriter::Impl::add_to_pending(const Raster& raster, const Window& covered, int64_t index) {
  const Window block = block_window(index);
  PendingBlock& waiting = pending[index];
  if (waiting.samples.empty()) {
    waiting.samples.resize(static_cast<size_t>(side * side * pixel_bytes()));
    waiting.written.resize(static_cast<size_t>(side * side));
    waiting.missing = block.pixels();
  }
  for (int64_t y = covered.y; y < covered.y + covered.h; ++y) {
    uint8_t* row = waiting.written.data() + (y - block.y) * side + covered.x - block.x;
    if (std::memchr(row, 1, static_cast<size_t>(covered.w))) refuse_second(raster.window);
    std::memset(row, 1, static_cast<size_t>(covered.w));
  }
  copy_rows(raster, covered, block, waiting.samples.data());
  waiting.missing -= covered.pixels();
  if (waiting.missing == 0) {
    encode(waiting.samples, index);
    pending.erase(index);
  }
}

void TiffWriter::Impl::encode(std::vector<std::byte>& samples, int64_t index) {
  repeat_edges(samples, block_window(index), side, pixel_bytes());
  std::vector<std::byte> bits;
  if (mask_page) bits = packed_bits(samples);
  std::vector<std::byte>& data = mask_page ? bits : samples;
  const tmsize_t written = TIFFWriteEncodedTile(file->get(), static_cast<uint32_t>(index), data.data(),
                                                static_cast<tmsize_t>(data.size()));
  note_written(written == static_cast<tmsize_t>(data.size()), index);
}

void TiffWriter::Impl::write_raw(std::vector<std::byte>& bytes, int64_t index) {
  const auto size = static_cast<tmsize_t>(bytes.size());
  note_written(TIFFWriteRawTile(file->get(), static_cast<uint32_t>(index), bytes.data(), size) == size,
               index);
}

void TiffWriter::Impl::note_written(bool good, int64_t index) {
  check_written(*file, part.path(), good, "writing a block");
  complete[static_cast<size_t>(index)] = true;
  --blocks_missing;
}

// Whether the window has all pixels of a block of which none has come before.
bool TiffWriter::Impl::is_whole(const Raster& raster, int64_t index) const {
  const Window block = block_window(index);
  return overlap(raster.window, block) == block && !pending.contains(index) &&
         !complete[static_cast<size_t>(index)];
}

void TiffWriter::Impl::encode_side_by_side(const Raster& raster, const std::vector<int64_t>& whole) {
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(dynamic) num_threads(static_cast <int>(encoders.size()))
  for (size_t i = 0; i < whole.size(); ++i) {
    std::vector<std::byte> bytes;
    std::exception_ptr failed;  // it must not leave the loop
    try {
      const Window block = block_window(whole[i]);
      std::vector<std::byte> samples(static_cast<size_t>(side * side * pixel_bytes()));
      copy_rows(raster, block, block, samples.data());
      repeat_edges(samples, block, side, pixel_bytes());
      bytes = encoders[static_cast<size_t>(omp_get_thread_num())].encode(samples);
    } catch (...) {
      failed = std::current_exception();
    }
#pragma omp ordered
    {
      try {
        if (!failed && !failure) write_raw(bytes, whole[i]);
      } catch (...) {
        failed = std::current_exception();
      }
      if (!failure) failure = failed;
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void TiffWriter::Impl::require_complete() const {
  if (!file) throw Error(Error::Kind::usage, "writing ", part.path(), ": the file is already complete");
  if (blocks_missing == 0) return;
  const auto first = std::find(complete.begin(), complete.end(), false) - complete.begin();
  throw Error(Error::Kind::usage, "writing ", part.path(), ": ", blocks_missing, " of ", complete.size(),
              " blocks lack pixels, the first being that of ", described(block_window(first)));
}

TiffWriter::TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  check_request(path, info, options);
  impl_ = std::make_unique<Impl>(path, info, options);
}
TiffWriter::~TiffWriter() = default;
TiffWriter::TiffWriter(TiffWriter&&) noexcept = default;
TiffWriter& TiffWriter::operator=(TiffWriter&&) noexcept = default;

void TiffWriter::write(const Raster& raster) {
  impl_->check_window(raster);
  const Window& w = raster.window;
  const int64_t side = impl_->side;
  std::vector<int64_t> whole;
  for (int64_t row = w.y / side; row <= (w.y + w.h - 1) / side; ++row) {
    for (int64_t column = w.x / side; column <= (w.x + w.w - 1) / side; ++column) {
      const int64_t index = row * impl_->blocks_across + column;
      if (!impl_->encoders.empty() && impl_->is_whole(raster, index))
        whole.push_back(index);
      else
        impl_->put(raster, index);
    }
  }
  if (!whole.empty()) impl_->encode_side_by_side(raster, whole);
}

void TiffWriter::begin_mask() {
  impl_->require_complete();
  if (impl_->mask_page) {
    throw Error(Error::Kind::usage, "writing ", impl_->part.path(), ": a second mask page; one is written");
  }
  check_written(*impl_->file, impl_->part.path(), TIFFWriteDirectory(impl_->file->get()) == 1,
                "ending the picture");
  impl_->mask_page = true;
  impl_->encoders.clear();  // they are the picture's
  impl_->begin_page(1, SampleType::u8);
  set_mask_tags(*impl_->file, impl_->part.path(), impl_->info, impl_->options);
}

int64_t TiffWriter::pending_bytes() const {
  return static_cast<int64_t>(impl_->pending.size()) * impl_->pending_block_bytes();
}

void TiffWriter::finish() {
  impl_->require_complete();
  check_written(*impl_->file, impl_->part.path(), TIFFWriteDirectory(impl_->file->get()) == 1,
                "ending the file");
  impl_->file->close();
  impl_->file.reset();
  impl_->part.commit();
}

}  // namespace sr

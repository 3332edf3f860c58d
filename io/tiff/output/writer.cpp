#include "io/tiff/output/writer.h"

#include <omp.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "io/output_file.h"
#include "io/tiff/output/block_assembler.h"
#include "io/tiff/output/block_encoder.h"
#include "io/tiff/output/block_journal.h"
#include "io/tiff/output/block_store.h"
#include "io/tiff/output/overview.h"
#include "io/tiff/output/result_file.h"
#include "tensor/stop.h"

namespace sr {
namespace {

constexpr int64_t kMaxBlockBytes = int64_t{1} << 30;
constexpr int64_t kMaxBlocks = int64_t{1} << 26;  // libtiff keeps 16 bytes for each until the end

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

Raster band_of(const Raster& block, int band) {
  Raster out(block.window, 1, block.type);
  with_sample_type(block.type, [&](auto zero) {
    using T = decltype(zero);
    const T* from = block.data<T>() + band;
    T* to = out.data<T>();
    for (int64_t i = 0; i < block.window.pixels(); ++i) to[i] = from[i * block.bands];
  });
  return out;
}

}  // namespace

struct TiffWriter::Impl {
  // The picture, or an overview of it.
  struct Level {
    TiffInfo info;
    BlockAssembler assembler;
  };

  Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_);
  ~Impl();

  void add_level(int64_t width, int64_t height);
  void store(size_t level, std::vector<CompleteBlock> blocks, const Raster& window);
  struct Stored;
  Stored encoded(size_t level, Raster block);
  void go_on();
  bool take_over(std::span<const JournalEntry> block);
  void append(size_t level, int64_t index, const Stored& block);
  ResultFile result();
  void finish();
  void require_open() const;

  TiffInfo info;
  TiffWriterOptions options;
  OverviewRule rule;
  PartialFile part;                  // before `blocks`: the handle closes before the name is removed
  std::optional<PartialFile> spool;  // of a COG
  std::optional<BlockStore> blocks;  // empty after finish(); page 2 * level, its mask page 2 * level + 1
  std::deque<Level> levels;
  std::deque<BlockEncoder> encoders, mask_encoders;  // one of each for each thread
  int64_t found = 0;                                 // blocks that an earlier run had stored
  bool kept = false;
};

// What becomes of a block: its bytes (of each band, if these are apart), its mask's, and its part of the next
// overview, which has no pixels if there is none.
struct TiffWriter::Impl::Stored {
  std::vector<std::vector<std::byte>> bands;
  std::vector<std::byte> mask;
  Raster halved;
};

TiffWriter::Impl::Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_)
    : info(info_),
      options(options_),
      rule(overview_rule(info_, options_.copied_bands)),
      part(path,
           options_.job.empty() || options_.anew ? PartialFile::Start::empty : PartialFile::Start::as_left) {
  if (options.cog) spool.emplace(path + ".blocks");
  blocks.emplace(spool ? spool->temporary() : part.temporary(), path, spool ? 0 : kHeaderBytes);
  add_level(info.width, info.height);
  if (options.cog)
    for (const auto& [width, height] : overview_sizes(info.width, info.height, options.block))
      add_level(width, height);
  for (int i = 0; i < options.threads; ++i) {
    encoders.emplace_back(path, info, options, PageKind{});
    if (info.has_mask) mask_encoders.emplace_back(path, info, options, PageKind{.mask = true});
  }
  if (!options.job.empty()) go_on();
}

TiffWriter::Impl::~Impl() {
  if (!kept && !options.job.empty()) BlockJournal::remove(part.path());
}

// The blocks that an earlier run has stored, as far as they are good.
void TiffWriter::Impl::go_on() {
  std::vector<JournalEntry> entries;
  if (!options.anew) entries = BlockJournal::read(part.path(), options.job);
  const auto one = static_cast<size_t>((options.by_band ? info.bands : 1) + (info.has_mask ? 1 : 0));
  size_t good = 0;
  while (good + one <= entries.size() && take_over(std::span(entries).subspan(good, one))) good += one;
  found = static_cast<int64_t>(good);
  entries.resize(good);
  blocks->keep_journal(part.path(), options.job, entries);
}

// False if that is no block with all that append() makes of one, or it is not in the file as it was stored.
bool TiffWriter::Impl::take_over(std::span<const JournalEntry> block) {
  BlockAssembler& assembler = levels[0].assembler;
  const int64_t index = block.front().index, count = assembler.grid().blocks();
  for (size_t i = 0; i < block.size(); ++i) {
    const bool mask = info.has_mask && i + 1 == block.size();
    const int64_t wanted = mask ? index : index + static_cast<int64_t>(i) * count;
    if (block[i].page != (mask ? 1 : 0) || block[i].index != wanted) return false;
  }
  if (index >= count || !blocks->take_over(block)) return false;
  assembler.pass_over(index);
  return true;
}

void TiffWriter::Impl::add_level(int64_t width, int64_t height) {
  TiffInfo page = info;
  page.width = width, page.height = height;
  const BlockGrid grid = grid_of(page, options);
  blocks->add_page(grid.blocks() * (options.by_band ? info.bands : 1));
  blocks->add_page(info.has_mask ? grid.blocks() : 0);
  levels.push_back({page, BlockAssembler(part.path(), grid, info.bands, info.type, info.has_mask)});
}

TiffWriter::Impl::Stored TiffWriter::Impl::encoded(size_t level, Raster block) {
  const auto thread = static_cast<size_t>(omp_get_thread_num());
  Stored stored;
  if (level + 1 < levels.size()) {
    const TiffInfo& next = levels[level + 1].info;
    stored.halved = halved(block, rule, {next.width, next.height});
  }
  if (info.has_mask) {
    Raster mask(block.window, 1, SampleType::u8);
    std::transform(block.mask.begin(), block.mask.end(), mask.samples.begin(),
                   [](uint8_t valid) { return std::byte{valid}; });
    stored.mask = mask_encoders[thread].encode(std::move(mask));
  }
  if (options.by_band) {
    for (int band = 0; band < info.bands; ++band)
      stored.bands.push_back(encoders[thread].encode(band_of(block, band)));
  } else {
    stored.bands.push_back(encoders[thread].encode(std::move(block)));
  }
  return stored;
}

void TiffWriter::Impl::append(size_t level, int64_t index, const Stored& block) {
  int64_t at = index;
  for (const std::vector<std::byte>& bytes : block.bands) {
    blocks->append(2 * level, at, bytes);
    at += levels[level].assembler.grid().blocks();
  }
  if (info.has_mask) blocks->append(2 * level + 1, index, block.mask);
}

// Compresses blocks side by side, appends them in their order and goes on with those of the next overview
// that are complete with them.
void TiffWriter::Impl::store(size_t level, std::vector<CompleteBlock> complete, const Raster& window) {
  std::vector<CompleteBlock> next;
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(dynamic) num_threads(options.threads)
  for (size_t i = 0; i < complete.size(); ++i) {
    Stored block;
    std::exception_ptr failed;  // it must not leave the loop
    try {
      throw_if_stopping();
      block = encoded(level, std::move(complete[i]).take(window));
    } catch (...) {
      failed = std::current_exception();
    }
#pragma omp ordered
    {
      try {
        if (!failed && !failure) {
          append(level, complete[i].index, block);
          if (!block.halved.samples.empty())
            for (CompleteBlock& done : levels[level + 1].assembler.add(block.halved))
              next.push_back({done.index, std::move(done).take(block.halved)});
        }
      } catch (...) {
        failed = std::current_exception();
      }
      if (!failure) failure = failed;
    }
  }
  if (failure) std::rethrow_exception(failure);
  if (!next.empty()) store(level + 1, std::move(next), {});
}

ResultFile TiffWriter::Impl::result() {
  ResultFile file{part.path(), options, {}, {}};
  if (options.compression == Compression::jpeg) file.jpeg_tables = encoders[0].jpeg_tables();
  const auto add = [&](size_t level, bool mask) {
    file.pages.push_back({levels[level].info, {mask, level > 0}, 2 * level + (mask ? 1 : 0)});
  };
  add(0, false);
  if (info.has_mask) add(0, true);
  for (size_t level = 1; level < levels.size(); ++level) add(level, false);
  for (size_t level = 1; level < levels.size() && info.has_mask; ++level) add(level, true);
  return file;
}

void TiffWriter::Impl::require_open() const {
  if (!blocks) throw Error(Error::Kind::usage, "writing ", part.path(), ": the file is already complete");
}

void TiffWriter::Impl::finish() {
  for (const Level& level : levels) level.assembler.require_complete();
  if (options.cog)
    write_cog(part.temporary(), result(), *blocks);
  else
    add_directories(part.temporary(), result(), *blocks);
  blocks.reset();
  spool.reset();
  part.commit();
  if (!options.job.empty()) BlockJournal::remove(part.path());
}

TiffWriter::TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  check_request(path, info, options);
  check_codec(path, info, options);
  TiffWriterOptions used = options;
  if (used.cog) used.job.clear();  // overviews need the pixels of the blocks that are there
  impl_ = std::make_unique<Impl>(path, info, used);
}
TiffWriter::~TiffWriter() = default;
TiffWriter::TiffWriter(TiffWriter&&) noexcept = default;
TiffWriter& TiffWriter::operator=(TiffWriter&&) noexcept = default;

int64_t TiffWriter::working_bytes(const TiffInfo& info, const TiffWriterOptions& options, int64_t width,
                                  int64_t height) {
  // Of a stored block: where it lies, here and in the COG, libtiff's two lists, and these once more at the
  // end.
  constexpr int64_t kIndexBytes = 80;
  const int64_t side = options.block, mask = info.has_mask ? 1 : 0;
  const int64_t samples = info.bands * bytes_of(info.type), block = side * side * (samples + mask);
  const int64_t coded = side * side * samples / (options.by_band ? info.bands : 1);
  // A block as it comes, its part of the overview, what is encoded of it and, band by band, what that gives.
  const int64_t thread = 2 * block + (options.by_band ? block : 0) +
                         BlockEncoder::working_bytes(coded, options) +
                         mask * BlockEncoder::working_bytes(side * side, {});
  int64_t waiting = 0, blocks = 0;
  const auto add_level = [&](int64_t level, int64_t level_width, int64_t level_height) {
    const int64_t covered = side << level;  // by a block of it, in pixels of the picture
    const bool whole =
        (width % covered == 0 || width >= info.width) && (height % covered == 0 || height >= info.height);
    const BlockGrid grid{level_width, level_height, side};
    if (!whole) waiting += (grid.across() + 1) * (block + side * side);
    blocks += grid.blocks() * ((options.by_band ? info.bands : 1) + mask);
  };
  add_level(0, info.width, info.height);
  int64_t level = 0, overviews = 0;
  if (options.cog) {
    for (const PictureSize& size : overview_sizes(info.width, info.height, side))
      add_level(++level, size.width, size.height);
    overviews = width * height * (samples + mask) / 3 + write_cog_bytes(block);
  }
  return options.threads * thread + waiting + overviews + kIndexBytes * blocks;
}

void TiffWriter::write(const Raster& raster) {
  impl_->require_open();
  impl_->store(0, impl_->levels[0].assembler.add(raster), raster);
}

int64_t TiffWriter::blocks_found() const {
  return impl_->found;
}

bool TiffWriter::wants(const Window& window) const {
  return impl_->levels[0].assembler.wants(window);
}

bool TiffWriter::keep() {
  if (impl_->options.job.empty() || !impl_->blocks || impl_->blocks->end() <= kHeaderBytes) return false;
  impl_->part.keep();
  return impl_->kept = true;
}

const std::string& TiffWriter::path() const {
  return impl_->part.path();
}

int64_t TiffWriter::pending_bytes() const {
  int64_t bytes = 0;
  for (const Impl::Level& level : impl_->levels) bytes += level.assembler.pending_bytes();
  return bytes;
}

void TiffWriter::finish() {
  impl_->require_open();
  impl_->finish();
}

}  // namespace sr

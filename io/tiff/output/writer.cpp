#include "io/tiff/output/writer.h"

#include <omp.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "io/output_file.h"
#include "io/tiff/output/block_assembler.h"
#include "io/tiff/output/block_encoder.h"
#include "io/tiff/output/block_journal.h"
#include "io/tiff/output/check_request.h"
#include "io/tiff/output/overview.h"
#include "io/tiff/output/result_file.h"
#include "io/tiff/output/stored_levels.h"
#include "tensor/stop.h"

namespace sr {
namespace {

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

const char* name_of(Compression compression) {
  constexpr const char* kNames[] = {"none", "lzw", "deflate", "zstd", "jpeg", "lerc"};
  return kNames[static_cast<int>(compression)];
}

int level_of(const TiffWriterOptions& options) {
  return options.level.value_or(5);
}

struct TiffWriter::Impl {
  Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_);
  ~Impl();

  struct Encoded;
  void store(size_t level, std::vector<CompleteBlock> blocks, const Raster& window);
  BlockEncoder& encoder() { return encoders[static_cast<size_t>(omp_get_thread_num())]; }
  Encoded encoded(size_t level, Raster block);
  void go_on();
  void give_quarters();
  bool keep();
  bool leave_what_is_there();
  ResultFile result();
  void finish();
  void finish_sparse();
  void require_open() const;

  TiffInfo info;
  TiffWriterOptions options;
  OverviewRule rule;
  PartialFile part;                    // before `levels`: the handle closes before the name is removed
  std::optional<PartialFile> spool;    // of a COG: its blocks wait there
  std::optional<StoredLevels> levels;  // empty after finish()
  std::deque<BlockEncoder> encoders, mask_encoders;  // one of each for each thread
  int64_t found = 0;                                 // blocks that an earlier run had stored
  bool kept = false;
};

// What becomes of a block: its bytes, and its part of the next overview, which has no pixels if there is
// none.
struct TiffWriter::Impl::Encoded {
  EncodedBlock bytes;
  Raster halved;
};

namespace {

std::string spool_name(const std::string& path) {
  return blocks_name(path, true);
}

// What runs of the other kind, plain or COG, or a complete one may have left.
void remove_spool(const std::string& path) {
  std::error_code error;
  BlockJournal::remove(spool_name(path));
  std::filesystem::remove(temporary_name(spool_name(path)), error);
}

PartialFile::Start start_of(bool gone_on_with) {
  return gone_on_with ? PartialFile::Start::as_left : PartialFile::Start::empty;
}

}  // namespace

TiffWriter::Impl::Impl(const std::string& path, const TiffInfo& info_, const TiffWriterOptions& options_)
    : info(info_),
      options(options_),
      rule(overview_rule(info_, options_.copied_bands)),
      part(path, start_of(!options_.job.empty() && !options_.anew && !options_.cog)) {
  if (options.cog) {
    BlockJournal::remove(path);
    spool.emplace(spool_name(path), start_of(!options.job.empty() && !options.anew));
  } else {
    remove_spool(path);
  }
  levels.emplace(spool ? spool->temporary() : part.temporary(), path, info, options);
  for (int i = 0; i < options.threads; ++i) {
    encoders.emplace_back(path, info, options, PageKind{});
    if (info.has_mask) mask_encoders.emplace_back(path, info, options, PageKind{.mask = true});
  }
}

TiffWriter::Impl::~Impl() {
  if (!kept && !options.job.empty()) BlockJournal::remove((spool ? *spool : part).path());
}

void TiffWriter::Impl::go_on() {
  found = levels->go_on((spool ? *spool : part).path());
  give_quarters();
}

// Quarters of overviews' blocks that an earlier run has left come again; others come with their blocks.
void TiffWriter::Impl::give_quarters() {
  for (size_t level = 0; level + 1 < levels->count(); ++level)
    for (int64_t index = 0; index < levels->assembler(level).grid().blocks(); ++index) {
      if (!levels->is_waited_for(level, index)) continue;
      const Raster quarter = levels->quarter(level, index);
      store(level + 1, levels->assembler(level + 1).add(quarter), quarter);
    }
}

bool TiffWriter::Impl::keep() {
  return !options.job.empty() && levels && !levels->empty() && leave_what_is_there();
}

// False if that is nothing.
bool TiffWriter::Impl::leave_what_is_there() {
  std::error_code error;
  PartialFile& stored = spool ? *spool : part;
  if (std::filesystem::file_size(stored.temporary(), error) == 0) return false;
  if (spool) std::filesystem::resize_file(part.temporary(), 0, error);  // a copy of what the spool has
  part.keep();
  stored.keep();
  return kept = true;
}

TiffWriter::Impl::Encoded TiffWriter::Impl::encoded(size_t level, Raster block) {
  Encoded made;
  if (level + 1 < levels->count()) {
    const TiffInfo& next = levels->info(level + 1);
    made.halved = halved(block, rule, {next.width, next.height});
  }
  if (info.has_mask) {
    Raster mask(block.window, 1, SampleType::u8);
    std::transform(block.mask.begin(), block.mask.end(), mask.samples.begin(),
                   [](uint8_t valid) { return std::byte{valid}; });
    made.bytes.mask = mask_encoders[static_cast<size_t>(omp_get_thread_num())].encode(std::move(mask));
  }
  if (options.by_band) {
    for (int band = 0; band < info.bands; ++band)
      made.bytes.bands.push_back(encoder().encode(band_of(block, band)));
  } else {
    made.bytes.bands.push_back(encoder().encode(std::move(block)));
  }
  return made;
}

// Compresses blocks side by side, appends them in their order and goes on with those of the next overview
// that are complete with them.
void TiffWriter::Impl::store(size_t level, std::vector<CompleteBlock> complete, const Raster& window) {
  std::vector<CompleteBlock> next;
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(dynamic) num_threads(options.threads)
  for (size_t i = 0; i < complete.size(); ++i) {
    Encoded block;
    std::exception_ptr failed;  // it must not leave the loop
    try {
      throw_if_stopping();
      block = encoded(level, std::move(complete[i]).take(window, encoder().take_spare()));
    } catch (...) {
      failed = std::current_exception();
    }
#pragma omp ordered
    {
      try {
        if (!failed && !failure) {
          levels->append(level, complete[i].index, block.bytes);
          if (!block.halved.samples.empty())
            for (CompleteBlock& done : levels->assembler(level + 1).add(block.halved))
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
  if (!options.job.empty()) levels->keep_quarters(level, complete);
}

ResultFile TiffWriter::Impl::result() {
  ResultFile file{part.path(), options, {}, {}};
  if (options.compression == Compression::jpeg) file.jpeg_tables = encoders[0].jpeg_tables();
  const auto add = [&](size_t level, bool mask) {
    const size_t page = mask ? StoredLevels::mask_page_of(level) : StoredLevels::page_of(level);
    file.pages.push_back({levels->info(level), {mask, level > 0}, page});
  };
  add(0, false);
  if (info.has_mask) add(0, true);
  for (size_t level = 1; level < levels->count(); ++level) add(level, false);
  for (size_t level = 1; level < levels->count() && info.has_mask; ++level) add(level, true);
  return file;
}

void TiffWriter::Impl::require_open() const {
  if (!levels) throw Error(Error::Kind::usage, "writing ", part.path(), ": the file is already complete");
}

// A COG's blocks stay until it has its name: the same command makes it of them if this ends before.
void TiffWriter::Impl::finish() {
  for (size_t level = 0; level < levels->count(); ++level) levels->assembler(level).require_complete();
  if (options.cog) {
    write_cog(part.temporary(), result(), levels->blocks());
  } else {
    add_directories(part.temporary(), result(), levels->blocks());
    levels.reset();
  }
  part.commit();
  levels.reset();
  BlockJournal::remove((spool ? *spool : part).path());
  spool.reset();
}

// The blocks of a COG have a file of their own, which takes the place of the empty one.
void TiffWriter::Impl::finish_sparse() {
  ResultFile file = result();
  std::erase_if(file.pages, [](const ResultPage& page) { return page.kind.overview; });
  PartialFile& stored = spool ? *spool : part;
  add_directories(stored.temporary(), file, levels->blocks());
  levels.reset();
  stored.commit();
  if (spool) std::filesystem::rename(spool->path(), part.path());
  kept = true;  // the journal
}

TiffWriter::TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options) {
  check_request(path, info, options);
  impl_ = std::make_unique<Impl>(path, info, options);
  if (options.job.empty()) return;
  try {
    impl_->go_on();
  } catch (const Error& e) {  // hours of work may lie there that could not be read or added to just now
    if (!impl_->leave_what_is_there()) throw;
    throw Error(e.kind(), e.what(), "; what is done stays in ", kept_in(),
                ", and the same command goes on from there");
  } catch (...) {
    impl_->leave_what_is_there();
    throw;
  }
}
TiffWriter::~TiffWriter() = default;
TiffWriter::TiffWriter(TiffWriter&&) noexcept = default;
TiffWriter& TiffWriter::operator=(TiffWriter&&) noexcept = default;

int64_t TiffWriter::working_bytes(const TiffInfo& info, const TiffWriterOptions& options, int64_t width,
                                  int64_t height) {
  // Of a stored block: where it lies, here and in the COG, and its quarter; libtiff's two lists, and these
  // once more at the end.
  constexpr int64_t kIndexBytes = 96;
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
  impl_->store(0, impl_->levels->assembler(0).add(raster), raster);
}

void TiffWriter::take_over(std::span<const StoredPart> parts, std::span<const int64_t> order) {
  impl_->require_open();
  impl_->levels->take_over(parts, order);
  impl_->give_quarters();
}

int64_t TiffWriter::blocks_found() const {
  return impl_->found;
}

bool TiffWriter::wants(const Window& window) const {
  return impl_->levels && impl_->levels->assembler(0).wants(window);
}

bool TiffWriter::keep() {
  return impl_->keep();
}

const std::string& TiffWriter::kept_in() const {
  return (impl_->spool ? *impl_->spool : impl_->part).temporary();
}

void TiffWriter::remove_leftovers(const std::string& path) {
  const auto exists = [](const std::string& name) {
    std::error_code error;
    return std::filesystem::exists(name, error);
  };
  const bool unfinished = exists(temporary_name(path));
  if (unfinished || !(BlockJournal::exists(path) || BlockJournal::exists(spool_name(path)) ||
                      exists(temporary_name(spool_name(path)))))
    return;
  const PartialFile name(path);  // no other run begins meanwhile
  BlockJournal::remove(path);
  remove_spool(path);
}

void TiffWriter::remove_unfinished(const std::string& path) {
  const PartialFile name(path, PartialFile::Start::as_left);  // is removed
  std::error_code error;
  std::filesystem::remove(path, error);
  BlockJournal::remove(path);
  remove_spool(path);
}

const std::string& TiffWriter::path() const {
  return impl_->part.path();
}

int64_t TiffWriter::pending_bytes() const {
  int64_t bytes = 0;
  for (size_t level = 0; impl_->levels && level < impl_->levels->count(); ++level)
    bytes += impl_->levels->assembler(level).pending_bytes();
  return bytes;
}

void TiffWriter::finish() {
  impl_->require_open();
  impl_->finish();
}

void TiffWriter::finish_sparse() {
  impl_->require_open();
  impl_->finish_sparse();
}

}  // namespace sr

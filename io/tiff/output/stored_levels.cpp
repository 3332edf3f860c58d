#include "io/tiff/output/stored_levels.h"

#include <algorithm>
#include <cstring>

#include "io/tiff/output/check_request.h"
#include "io/tiff/output/overview.h"
#include "io/tiff/output/result_file.h"
#include "tensor/stop.h"

namespace sr {

StoredLevels::StoredLevels(const std::string& file, const std::string& path, const TiffInfo& info,
                           const TiffWriterOptions& options)
    : info_(info), options_(options), blocks_(file, path, first_block(options.cog)) {
  add_level(path, info.width, info.height);
  if (!options.cog) return;
  for (const auto& [width, height] : overview_sizes(info.width, info.height, options.block))
    add_level(path, width, height);
  for (size_t level = 0; level + 1 < count(); ++level) blocks_.add_page(assembler(level).grid().blocks());
}

void StoredLevels::add_level(const std::string& path, int64_t width, int64_t height) {
  TiffInfo page = info_;
  page.width = width, page.height = height;
  const BlockGrid grid = grid_of(page, options_);
  blocks_.add_page(grid.blocks() * (options_.by_band ? info_.bands : 1));
  blocks_.add_page(info_.has_mask ? grid.blocks() : 0);
  levels_.push_back({page, BlockAssembler(path, grid, info_.bands, info_.type, info_.has_mask)});
}

bool StoredLevels::empty() const {
  return blocks_.end() <= first_block(options_.cog);
}

// What is stored of a block: each band, if these are apart, and the mask.
int64_t StoredLevels::parts() const {
  return (options_.by_band ? info_.bands : 1) + (info_.has_mask ? 1 : 0);
}

int64_t StoredLevels::go_on(const std::string& name) {
  std::vector<JournalEntry> entries;
  if (!options_.anew) entries = BlockJournal::read(name, options_.job);
  entries.resize(options_.cog ? take_over_any(entries) : take_over_in_order(entries));
  blocks_.keep_journal(name, options_.job, std::move(entries));
  return found_;
}

size_t StoredLevels::take_over_in_order(const std::vector<JournalEntry>& entries) {
  const auto one = static_cast<size_t>(parts());
  size_t good = 0;
  while (good + one <= entries.size() && take_over(std::span(entries).subspan(good, one))) good += one;
  found_ = static_cast<int64_t>(good);
  return good;
}

// False if that is no block with all that append() makes of one, or it is not in the file as it was stored.
bool StoredLevels::take_over(std::span<const JournalEntry> block) {
  const int64_t index = block.front().index, count = assembler(0).grid().blocks();
  for (size_t i = 0; i < block.size(); ++i) {
    const bool mask = info_.has_mask && i + 1 == block.size();
    const int64_t wanted = mask ? index : index + static_cast<int64_t>(i) * count;
    if (block[i].page != (mask ? 1 : 0) || block[i].index != wanted) return false;
  }
  if (index >= count || !blocks_.take_over(block)) return false;
  assembler(0).pass_over(index);
  return true;
}

// The smallest overview first: whether a block is of use depends on the one above it.
size_t StoredLevels::take_over_any(const std::vector<JournalEntry>& entries) {
  const size_t in_file = blocks_.take_over_good(entries);
  for (size_t level = count(); level-- > 0;)
    for (int64_t index = 0; index < assembler(level).grid().blocks(); ++index) {
      const auto next = above(level, index);
      const bool counts = !next || assembler(level + 1).passed_over(*next) || has_kept_quarter(level, index);
      if (counts && is_stored(level, index)) {
        assembler(level).pass_over(index);
        found_ += parts();
      } else {
        forget(level, index);
      }
    }
  return in_file;
}

bool StoredLevels::has_kept_quarter(size_t level, int64_t index) const {
  const int64_t pixel = info_.bands * bytes_of(info_.type) + (info_.has_mask ? 1 : 0);
  const auto& quarters = blocks_.blocks(quarter_page_of(level));
  return quarters.at(static_cast<size_t>(index)).bytes == quarter_window(level, index).pixels() * pixel;
}

// The smallest overview first, as above. Of the quarters those are copied that are still waited for.
void StoredLevels::take_over(std::span<const StoredPart> parts, std::span<const int64_t> order) {
  for (size_t level = count(); level-- > 1;)
    for (int64_t index = 0; index < assembler(level).grid().blocks(); ++index)
      copy_block(parts, level, index);
  for (const int64_t index : order)
    if (!copy_block(parts, 0, index))
      throw Error(Error::Kind::format, "none of the parts has block ", index, " of the picture whole");
}

// False if no part has it with all that it would be of use for.
bool StoredLevels::copy_block(std::span<const StoredPart> parts, size_t level, int64_t index) {
  throw_if_stopping();
  auto wanted = places(level, index);
  if (const auto next = above(level, index); next && !assembler(level + 1).passed_over(*next))
    wanted.emplace_back(quarter_page_of(level), index);
  const auto has_all = [&](const StoredPart& part) {
    return std::ranges::all_of(wanted,
                               [&](const auto& place) { return part.has(place.first, place.second); });
  };
  const auto part = std::ranges::find_if(parts, has_all);
  if (part == parts.end()) return false;
  for (const auto& [page, block] : wanted) blocks_.append(page, block, part->read(page, block));
  assembler(level).pass_over(index);
  return true;
}

// Where a block is stored: page and number of each band, if these are apart, and of the mask.
std::vector<std::pair<size_t, int64_t>> StoredLevels::places(size_t level, int64_t index) const {
  std::vector<std::pair<size_t, int64_t>> list;
  const int64_t count = assembler(level).grid().blocks();
  for (int64_t band = 0; band < (options_.by_band ? info_.bands : 1); ++band)
    list.emplace_back(page_of(level), index + band * count);
  if (info_.has_mask) list.emplace_back(mask_page_of(level), index);
  return list;
}

bool StoredLevels::is_stored(size_t level, int64_t index) const {
  return std::ranges::all_of(places(level, index), [&](const auto& place) {
    return blocks_.blocks(place.first).at(static_cast<size_t>(place.second)).bytes > 0;
  });
}

void StoredLevels::forget(size_t level, int64_t index) {
  for (const auto& [page, block] : places(level, index)) blocks_.forget(page, block);
  if (level + 1 < levels_.size()) blocks_.forget(quarter_page_of(level), index);
}

void StoredLevels::append(size_t level, int64_t index, const EncodedBlock& block) {
  int64_t at = index;
  for (const std::vector<std::byte>& bytes : block.bands) {
    blocks_.append(page_of(level), at, bytes);
    at += assembler(level).grid().blocks();
  }
  if (info_.has_mask) blocks_.append(mask_page_of(level), index, block.mask);
}

// The block of the next overview that has a quarter of this one.
std::optional<int64_t> StoredLevels::above(size_t level, int64_t index) const {
  if (level + 1 == count()) return {};
  const BlockGrid &grid = assembler(level).grid(), &next = assembler(level + 1).grid();
  const int64_t x = index % grid.across() / 2, y = index / grid.across() / 2;
  if (x >= next.across() || y >= next.down()) return {};  // an odd last row or column
  return y * next.across() + x;
}

Window StoredLevels::quarter_window(size_t level, int64_t index) const {
  const TiffInfo& next = info(level + 1);
  return halved(assembler(level).grid().window(index), {next.width, next.height});
}

bool StoredLevels::is_waited_for(size_t level, int64_t index) const {
  const auto next = above(level, index);
  return next && assembler(level).passed_over(index) && !assembler(level + 1).passed_over(*next);
}

Raster StoredLevels::quarter(size_t level, int64_t index) const {
  const StoredBlock& stored = blocks_.blocks(quarter_page_of(level)).at(static_cast<size_t>(index));
  std::vector<std::byte> bytes(static_cast<size_t>(stored.bytes));
  blocks_.read(stored, bytes.data());
  Raster quarter(quarter_window(level, index), info_.bands, info_.type);
  if (info_.has_mask) quarter.mask.resize(static_cast<size_t>(quarter.window.pixels()));
  std::memcpy(quarter.samples.data(), bytes.data(), quarter.samples.size());
  if (info_.has_mask)
    std::memcpy(quarter.mask.data(), bytes.data() + quarter.samples.size(), quarter.mask.size());
  return quarter;
}

// Those below a block go when its own is there: until then it does not count.
void StoredLevels::keep_quarters(size_t level, const std::vector<CompleteBlock>& complete) {
  for (const CompleteBlock& block : complete) {
    if (above(level, block.index)) {
      Raster quarter = assembler(level + 1).waiting(quarter_window(level, block.index));
      const auto mask = std::as_bytes(std::span(quarter.mask));
      quarter.samples.insert(quarter.samples.end(), mask.begin(), mask.end());
      if (!quarter.samples.empty()) blocks_.append(quarter_page_of(level), block.index, quarter.samples);
    }
    if (level == 0) continue;
    const BlockGrid &grid = assembler(level).grid(), &below = assembler(level - 1).grid();
    const int64_t x = 2 * (block.index % grid.across()), y = 2 * (block.index / grid.across());
    for (int64_t row = y; row < std::min(y + 2, below.down()); ++row)
      for (int64_t column = x; column < std::min(x + 2, below.across()); ++column)
        blocks_.discard(quarter_page_of(level - 1), row * below.across() + column);
  }
}

}  // namespace sr

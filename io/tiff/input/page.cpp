#include "io/tiff/input/page.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "io/tiff/input/lost_data.h"
#include "tensor/error.h"
#include "tensor/stop.h"

namespace sr {
namespace {

constexpr int kMaxFiles = 16;

std::unique_ptr<TiffFile> open_at(const std::string& path, uint64_t directory_offset,
                                  int64_t max_allocation) {
  auto file = std::make_unique<TiffFile>(path, TiffFile::Mode::read, max_allocation);
  if (directory_offset != 0 && !TIFFSetSubDirectory(file->get(), directory_offset)) {
    throw Error(Error::Kind::format, "reading '", path,
                "': a further page is damaged: ", file->take_messages());
  }
  return file;
}

}  // namespace

TiffPage::TiffPage(const std::string& path, uint64_t directory_offset, const TiffLimits& limits,
                   SampleReading reading)
    : directory_offset_(directory_offset), max_allocation_(limits.block_bytes), cache_(limits.cache_bytes) {
  files_.push_back(open_at(path, directory_offset, max_allocation_));
  layout_ = read_layout(*files_[0], limits, reading);
  // Planes with large strips are decoded side by side: going from one to the other must not start them anew.
  files_.resize(static_cast<size_t>(layout_.in_order() ? std::min(layout_.planes(), kMaxFiles) : 1));
  cursors_.resize(files_.size());
  fill_.resize(static_cast<size_t>(layout_.pixel_bytes()));
  fill_with(0);
}

void TiffPage::fill_with(double value) {
  const std::vector<uint16_t>& palette = layout_.coding.palette;
  with_sample_type(layout_.coding.type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < fill_.size() / sizeof(T); ++i) {
      const T sample = palette.empty() ? static_cast<T>(value)
                                       : static_cast<T>(palette[3 * static_cast<size_t>(value) + i]);
      std::memcpy(&fill_[i * sizeof(T)], &sample, sizeof(T));
    }
  });
}

int64_t TiffPage::decoding_bytes(int64_t band_h) const {
  constexpr int64_t kIndexBytes = 16;  // offset and length of a block, which libtiff keeps in each handle
  constexpr int64_t kHandleBytes = 1 << 20;  // of each handle but the first: tags, the codec's state, a stack
  const int64_t packed = layout_.packed_row_bytes() * band_h;
  const int64_t unpacked = layout_.pixel_bytes() * layout_.block_w * band_h;
  const int64_t blocks = layout_.blocks_across() * layout_.blocks_down() * layout_.planes();
  const int64_t handle = layout_.largest_stored_block_bytes + layout_.codec_bytes + kIndexBytes * blocks;
  // A block is decoded while the one before is still there, even if the cache is to hold nothing.
  return threads_ * (unpacked + packed + (layout_.coding.as_is() ? 0 : unpacked)) +
         static_cast<int64_t>(files_.size()) * handle + (threads_ - 1) * kHandleBytes;
}

int64_t TiffPage::bytes_of_rows(int64_t rows) const {
  if (!layout_.in_order()) return 0;
  const int64_t whole_bands = std::min(layout_.height, rows + 2 * layout_.band_h);
  return whole_bands * layout_.width * layout_.pixel_bytes() * layout_.planes();
}

void TiffPage::set_threads(int threads) {
  if (layout_.banded() || layout_.compression == COMPRESSION_NONE) return;  // one after the other
  threads_ = threads;
  files_.resize(static_cast<size_t>(threads));
}

void TiffPage::read(const Window& window, std::byte* out) {
  std::vector<Block> missing;
  for (int plane = 0; plane < layout_.planes(); ++plane) {
    for (int64_t y = window.y; y < window.y + window.h;) {
      int64_t next_y = y;
      for (int64_t x = window.x; x < window.x + window.w;) {
        const Block block = block_at(plane, x, y);
        if (threads_ == 1)
          copy_part(block, samples_of(block), window, out);
        else if (const Samples* kept = cache_.find(key_of(block)))
          copy_part(block, *kept, window, out);
        else
          missing.push_back(block);
        x = block.area.x + block.area.w;
        next_y = block.area.y + block.area.h;
      }
      y = next_y;
    }
  }
  if (!missing.empty()) read_side_by_side(missing, window, out);
}

// Blocks that are not kept. Each waits for those before it, so that there is one decoded block a thread.
void TiffPage::read_side_by_side(const std::vector<Block>& blocks, const Window& window, std::byte* out) {
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(dynamic) num_threads(threads_)
  for (size_t i = 0; i < blocks.size(); ++i) {
    Samples samples;
    std::exception_ptr failed;  // it must not leave the loop
    try {
      samples = decode_one(file_of(omp_get_thread_num()), blocks[i]);
      copy_part(blocks[i], samples, window, out);
    } catch (...) {
      failed = std::current_exception();
    }
#pragma omp ordered
    try {
      if (!failure) failure = failed;
      if (!failed) cache_.insert(key_of(blocks[i]), std::move(samples));
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

TiffPage::Block TiffPage::block_at(int plane, int64_t x, int64_t y) const {
  const TiffLayout& l = layout_;
  const int64_t column = x / l.block_w;
  const int64_t row = y / l.block_h;
  const int64_t top = row * l.block_h;
  const int64_t band_top = top + (y - top) / l.band_h * l.band_h;
  const int64_t bottom = std::min({band_top + l.band_h, top + l.block_h, l.height});
  const int64_t left = column * l.block_w;
  const int64_t index = (plane * l.blocks_down() + row) * l.blocks_across() + column;
  return {plane,
          static_cast<uint32_t>(index),
          {left, band_top, std::min(l.block_w, l.width - left), bottom - band_top}};
}

uint64_t TiffPage::key_of(const Block& block) const {
  const int64_t band = block.area.y % layout_.block_h / layout_.band_h;
  return static_cast<uint64_t>(block.index) << 32 | static_cast<uint64_t>(band);
}

const TiffPage::Samples& TiffPage::samples_of(const Block& block) {
  const uint64_t key = key_of(block);
  if (const Samples* kept = cache_.find(key)) return *kept;
  throw_if_stopping();
  if (!layout_.banded()) return cache_.insert(key, decode_one(file(), block));
  if (is_sparse(file(), block.index)) return cache_.insert(key, filled(block));
  file().take_messages();  // of blocks before
  if (layout_.compression == COMPRESSION_NONE) return cache_.insert(key, decode_raw_band(block));
  return decode_up_to(block);
}

// A tile or strip that is decoded as a whole.
TiffPage::Samples TiffPage::decode_one(TiffFile& file, const Block& block) {
  throw_if_stopping();
  if (is_sparse(file, block.index)) return filled(block);
  file.take_messages();  // of blocks before
  return decode_whole(file, block);
}

TiffPage::Samples TiffPage::decode_whole(TiffFile& file, const Block& block) {
  TIFF* tiff = file.get();
  const int64_t rows = layout_.tiled ? layout_.block_h : block.area.h;
  // Zeroed, as some codecs leave the rest of a damaged block as it was.
  Samples packed(static_cast<size_t>(rows * layout_.packed_row_bytes()));
  const auto size = static_cast<tmsize_t>(packed.size());
  const tmsize_t got = layout_.tiled ? TIFFReadEncodedTile(tiff, block.index, packed.data(), size)
                                     : TIFFReadEncodedStrip(tiff, block.index, packed.data(), size);
  if (got != size || file.has_error()) fail(file, block);
  look_at_warnings(file, block);
  return unpacked(block, std::move(packed));
}

// Rows from the middle of an uncompressed strip, which libtiff would read as a whole.
TiffPage::Samples TiffPage::decode_raw_band(const Block& block) {
  const int64_t row_bytes = layout_.packed_row_bytes();
  const auto offset = static_cast<int64_t>(TIFFGetStrileOffset(file().get(), block.index));
  Samples stored(static_cast<size_t>(block.area.h * row_bytes));
  file().read_at(offset + block.area.y % layout_.block_h * row_bytes, stored);
  Samples packed(stored.size());
  const auto size = static_cast<tmsize_t>(stored.size());
  if (!TIFFReadFromUserBuffer(file().get(), block.index, stored.data(), size, packed.data(), size)) {
    fail(file(), block);
  }
  return unpacked(block, std::move(packed));
}

// The bands of a compressed strip come one after the other; those on the way are kept too.
const TiffPage::Samples& TiffPage::decode_up_to(const Block& wanted) {
  TiffFile& file = file_of(wanted.plane);
  Cursor& cursor = cursors_[static_cast<size_t>(wanted.plane) % files_.size()];
  if (!cursor.valid || cursor.index != wanted.index || cursor.next_row > wanted.area.y) {
    cursor = {false, wanted.index, wanted.area.y - wanted.area.y % layout_.block_h};
  }
  while (true) {
    throw_if_stopping();
    const Block block = block_at(wanted.plane, 0, cursor.next_row);
    cursor.valid = false;  // until the band is complete
    Samples samples = decode_rows(file, block);
    cursor = {true, wanted.index, block.area.y + block.area.h};
    rows_in_order_ += block.area.h;
    const uint64_t key = key_of(block);
    const bool kept = cache_.find(key) != nullptr;
    if (block.area.y == wanted.area.y) return cache_.insert(key, std::move(samples));
    if (!kept) cache_.insert(key, std::move(samples));
  }
}

TiffPage::Samples TiffPage::decode_rows(TiffFile& file, const Block& block) {
  const int64_t row_bytes = layout_.packed_row_bytes();
  Samples packed(static_cast<size_t>(block.area.h * row_bytes));
  for (int64_t row = 0; row < block.area.h; ++row) {
    const int done =
        TIFFReadScanline(file.get(), &packed[static_cast<size_t>(row * row_bytes)],
                         static_cast<uint32_t>(block.area.y + row), static_cast<uint16_t>(block.plane));
    if (done != 1 || file.has_error()) fail(file, block);
    look_at_warnings(file, block);
  }
  return unpacked(block, std::move(packed));
}

TiffPage::Samples TiffPage::unpacked(const Block& block, Samples packed) const {
  const int64_t stored_row = block.area.w * layout_.stored_bands_per_block();
  const int64_t row_bytes = block.area.w * layout_.pixel_bytes();
  const auto size = static_cast<size_t>(block.area.h * row_bytes);
  if (layout_.coding.as_is() && packed.size() == size) return packed;
  Samples samples(size);
  for (int64_t row = 0; row < block.area.h; ++row) {
    unpack_row(layout_.coding, packed.data() + row * layout_.packed_row_bytes(), stored_row,
               samples.data() + row * row_bytes);
  }
  return samples;
}

TiffPage::Samples TiffPage::filled(const Block& block) const {
  Samples samples(static_cast<size_t>(block.area.pixels()) * fill_.size());
  std::copy(fill_.begin(), fill_.end(), samples.begin());
  for (size_t done = fill_.size(); done < samples.size(); done *= 2)  // pixel by pixel takes far longer
    std::memcpy(samples.data() + done, samples.data(), std::min(done, samples.size() - done));
  return samples;
}

void TiffPage::copy_part(const Block& block, const Samples& samples, const Window& window,
                         std::byte* out) const {
  const int64_t x0 = std::max(block.area.x, window.x);
  const int64_t x1 = std::min(block.area.x + block.area.w, window.x + window.w);
  const int64_t y0 = std::max(block.area.y, window.y);
  const int64_t y1 = std::min(block.area.y + block.area.h, window.y + window.h);
  const int64_t pixel = layout_.pixel_bytes();
  const int64_t out_pixel = pixel * layout_.planes();
  for (int64_t y = y0; y < y1; ++y) {
    const std::byte* from = samples.data() + ((y - block.area.y) * block.area.w + x0 - block.area.x) * pixel;
    std::byte* to = out + ((y - window.y) * window.w + x0 - window.x) * out_pixel + block.plane * pixel;
    if (!layout_.planar) {
      std::memcpy(to, from, static_cast<size_t>((x1 - x0) * pixel));
      continue;
    }
    with_sample_type(layout_.coding.type, [&](auto zero) {
      constexpr size_t kBytes = sizeof zero;
      for (int64_t x = x0; x < x1; ++x, from += kBytes, to += out_pixel) std::memcpy(to, from, kBytes);
    });
  }
}

TiffFile& TiffPage::file_of(int plane_or_thread) {
  std::unique_ptr<TiffFile>& file = files_[static_cast<size_t>(plane_or_thread) % files_.size()];
  if (!file) {
    file = open_at(files_[0]->path(), directory_offset_, max_allocation_);
    decode_jpeg_to_rgb(*file, layout_);
  }
  file->take_messages();  // of what came before
  return *file;
}

void TiffPage::look_at_warnings(TiffFile& file, const Block& block) {
  if (file.warnings().empty()) return;
  const int64_t top = block.area.y - block.area.y % layout_.block_h;
  const int64_t h = std::min(layout_.block_h, layout_.height - top);
  const std::string lost = lost_data(file, layout_, block.index, block.area.w, h);
  const std::string warnings = file.take_messages();
  if (!lost.empty())
    throw Error(Error::Kind::format, "reading '", file.path(), "': ", description(block),
                " has lost pixels: ", lost);
  const std::lock_guard lock(warning_mutex_);
  if (!warning_.empty() && warned_block_ <= block.index) return;
  warned_block_ = block.index;
  warning_ = (layout_.tiled ? "tile " : "strip ") + std::to_string(block.index) + ": " + warnings;
}

std::string TiffPage::description(const Block& block) const {
  const auto range = [](int64_t first, int64_t count) {
    return std::to_string(first) + " to " + std::to_string(first + count - 1);
  };
  const Window& a = block.area;
  return (layout_.tiled ? "tile " : "strip ") + std::to_string(block.index) + " (columns " + range(a.x, a.w) +
         ", rows " + range(a.y, a.h) + (layout_.planar ? ", band " + std::to_string(block.plane + 1) : "") +
         "; compression " + compression_name(layout_.compression) + ")";
}

void TiffPage::fail(TiffFile& file, const Block& block) const {
  auto kind = file.system_error() != 0 ? Error::Kind::io : Error::Kind::format;
  const std::string messages = file.take_messages();
  if (messages.find("byte limit") != std::string::npos) kind = Error::Kind::limit;
  throw Error(kind, "reading '", file.path(), "': ", description(block),
              kind == Error::Kind::limit ? " is too large for the memory allowed: " : " cannot be decoded: ",
              messages);
}

}  // namespace sr

#include "io/tiff/output/result_file.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>

#include "tensor/error.h"

namespace sr {
namespace {

// Classic TIFF ends at 2^32 bytes; the rest is room for tags.
constexpr int64_t kMaxClassicBytes = 4'000'000'000;
constexpr int64_t kTableBytes = 16;           // offset and length of a block
constexpr int64_t kLeader = 4, kTrailer = 4;  // around a block of a COG
constexpr size_t kCopiedAtOnce = size_t{1} << 20;

void write_directory(TiffFile& file, const ResultFile& result, const ResultPage& page,
                     const std::vector<StoredBlock>& blocks) {
  set_page_tags(file, result.path, page.info, result.options, page.kind);
  if (!page.kind.mask && !result.jpeg_tables.empty())
    check_written(
        file, result.path,
        TIFFSetField(file.get(), TIFFTAG_JPEGTABLES, static_cast<uint32_t>(result.jpeg_tables.size()),
                     result.jpeg_tables.data()) == 1,
        "setting its JPEG tables");
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].bytes == 0) continue;  // of a sparse file
    check_written(file, result.path,
                  file.place_tile(static_cast<uint32_t>(i), blocks[i].offset, blocks[i].bytes),
                  "placing a block");
  }
  check_written(file, result.path, TIFFWriteDirectory(file.get()) == 1, "writing a directory");
}

int64_t blocks_of(const BlockStore& store) {
  int64_t blocks = 0;
  for (size_t page = 0; page < store.pages(); ++page) blocks += std::ssize(store.blocks(page));
  return blocks;
}

// The text behind the header by which GDAL knows how a COG is laid out (its COG driver's documentation).
std::string structural_metadata(bool mask_beside_picture) {
  std::string text =
      "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
      "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";  // the space is room for YES
  if (mask_beside_picture) text += "MASK_INTERLEAVED_WITH_IMAGERY=YES\n";
  char size[64];
  std::snprintf(size, sizeof size, "GDAL_STRUCTURAL_METADATA_SIZE=%06zu bytes\n", text.size());
  return size + text;
}

class CogWriter {
 public:
  CogWriter(const std::string& file, const ResultFile& result, const BlockStore& store)
      : path_(file), result_(result), store_(store), placed_(store.pages()) {
    int64_t bytes = 0, blocks = 0;  // of the result: more may be stored
    for (const ResultPage& page : result.pages) {
      placed_[page.stored] = store.blocks(page.stored);
      blocks += std::ssize(placed_[page.stored]);
      for (const StoredBlock& block : placed_[page.stored]) bytes += kLeader + block.bytes + kTrailer;
    }
    big_ = needs_big_tiff(bytes, blocks);
  }

  void run() {
    // Directories may grow with the offsets that they hold, never shrink.
    for (int64_t begin = 0, end = 0;; begin = end) {
      place(begin);
      end = write_directories();
      if (end == begin) break;
    }
    copy_blocks();
    file_->close();
  }

 private:
  // Calls f(page's number in the store, block) in the order in which blocks lie in the file.
  template <class F>
  void in_order(F f) const {
    for (size_t p = result_.pages.size(); p-- > 0;) {
      const ResultPage& picture = result_.pages[p];
      if (picture.kind.mask) continue;
      const ResultPage* mask = mask_of(picture);
      for (size_t i = 0; i < placed_[picture.stored].size(); ++i) {
        f(picture.stored, i);
        if (mask && i < placed_[mask->stored].size()) f(mask->stored, i);
      }
    }
  }

  const ResultPage* mask_of(const ResultPage& picture) const {
    for (const ResultPage& page : result_.pages)
      if (page.kind.mask && page.info.width == picture.info.width &&
          page.info.height == picture.info.height && page.kind.overview == picture.kind.overview)
        return &page;
    return nullptr;
  }

  void place(int64_t begin) {
    int64_t at = begin;
    in_order([&](size_t page, size_t block) {
      StoredBlock& placed = placed_[page][block];
      placed.offset = at + kLeader;
      at += kLeader + placed.bytes + kTrailer;
    });
  }

  // Returns where they end.
  int64_t write_directories() {
    file_.emplace(path_, big_ ? TiffFile::Mode::create_big : TiffFile::Mode::create);
    const bool masked = mask_of(result_.pages[0]) != nullptr;
    const std::string text = structural_metadata(masked && !result_.options.by_band);
    write(big_ ? 16 : 8, std::as_bytes(std::span(text)));
    for (const ResultPage& page : result_.pages) write_directory(*file_, result_, page, placed_[page.stored]);
    return file_->length();
  }

  void write(int64_t at, std::span<const std::byte> bytes) {
    check_written(*file_, result_.path, file_->write_at(at, bytes), "writing a block");
  }

  // Each with its length before and its last four bytes again behind it.
  void copy_blocks() {
    std::vector<std::byte> buffer;
    int64_t begin = file_->length();
    const auto flush = [&] {
      write(begin, buffer);
      begin += std::ssize(buffer);
      buffer.clear();
    };
    in_order([&](size_t page, size_t block) {
      const StoredBlock& from = store_.blocks(page)[block];
      const auto size = static_cast<size_t>(from.bytes), at = buffer.size();
      buffer.resize(at + kLeader + size + kTrailer);
      for (size_t i = 0; i < 4; ++i) buffer[at + i] = static_cast<std::byte>(size >> (8 * i));
      store_.read(from, &buffer[at + kLeader]);
      std::memcpy(&buffer[at + kLeader + size], &buffer[at + size], kTrailer);
      if (buffer.size() >= kCopiedAtOnce) flush();
    });
    flush();
  }

  std::string path_;
  const ResultFile& result_;
  const BlockStore& store_;
  bool big_ = false;
  std::vector<std::vector<StoredBlock>> placed_;  // of each page of the store, in the file
  std::optional<TiffFile> file_;
};

}  // namespace

bool needs_big_tiff(int64_t bytes, int64_t blocks) {
  return bytes + kTableBytes * blocks >= kMaxClassicBytes;
}

void add_directories(const std::string& file, const ResultFile& result, const BlockStore& store) {
  const bool big = needs_big_tiff(store.end(), blocks_of(store));
  TiffFile tiff(file, big ? TiffFile::Mode::complete_big : TiffFile::Mode::complete);
  // Classic TIFF's header takes 8 bytes of the room: the rest is zeros, not a hole that no run has written.
  const std::array<std::byte, kHeaderBytes - 8> rest{};
  if (!big) check_written(tiff, result.path, tiff.write_at(8, rest), "writing the header");
  for (const ResultPage& page : result.pages) write_directory(tiff, result, page, store.blocks(page.stored));
  tiff.close();
}

int64_t write_cog_bytes(int64_t block_bytes) {
  return 2 * (static_cast<int64_t>(kCopiedAtOnce) + 2 * block_bytes);  // as it grows
}

void write_cog(const std::string& file, const ResultFile& result, const BlockStore& store) {
  CogWriter(file, result, store).run();
}

}  // namespace sr

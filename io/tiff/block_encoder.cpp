#include "io/tiff/block_encoder.h"

#include <cstring>

#include "io/tiff/set_tags.h"

namespace sr {
namespace {

// Of the file in memory: each is written once, for libtiff would read what it writes a second time.
constexpr uint32_t kBlocks = 1024;

}  // namespace

void repeat_edges(std::vector<std::byte>& samples, const Window& block, int64_t side, int64_t pixel_bytes) {
  const auto pixel = static_cast<size_t>(pixel_bytes);
  const auto row = static_cast<size_t>(side) * pixel, used = static_cast<size_t>(block.w) * pixel;
  std::byte* first = samples.data();
  for (int64_t y = 0; y < block.h && block.w < side; ++y) {
    std::byte* start = first + static_cast<size_t>(y) * row;
    for (size_t i = used; i < row; ++i) start[i] = start[i - pixel];
  }
  for (int64_t y = block.h; y < side; ++y) {
    std::memcpy(first + static_cast<size_t>(y) * row, first + static_cast<size_t>(block.h - 1) * row, row);
  }
}

std::vector<std::byte> packed_bits(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> bits(bytes.size() / 8);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != std::byte{}) bits[i / 8] |= std::byte{0x80} >> (i % 8);
  }
  return bits;
}

BlockEncoder::BlockEncoder(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options)
    : path_(path), info_(info), options_(options) {
  info_.width = options.block;
  info_.height = int64_t{kBlocks} * options.block;
  info_.tags = {};
  open();
}

void BlockEncoder::open() {
  file_.emplace(path_, TiffFile::Mode::memory);
  set_picture_tags(*file_, path_, info_, options_);
  next_ = 0;
}

std::vector<std::byte> BlockEncoder::encode(std::vector<std::byte>& samples) {
  if (next_ == kBlocks) open();
  file_->take_written();  // the header of a new file
  const auto size = static_cast<tmsize_t>(samples.size());
  const tmsize_t written = TIFFWriteEncodedTile(file_->get(), next_++, samples.data(), size);
  check_written(*file_, path_, written == size, "compressing a block");
  return file_->take_written();
}

}  // namespace sr

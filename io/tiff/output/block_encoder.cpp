#include "io/tiff/output/block_encoder.h"

#include <algorithm>
#include <cstring>

#include "io/uniform.h"

namespace sr {
namespace {

// Of the file in memory: each is written once, for libtiff would read what it writes a second time.
constexpr uint32_t kBlocks = 1024;

// The samples of side x side pixels: what lacks to the right and below repeats the edge.
std::vector<std::byte> whole_block(Raster block, int64_t side) {
  const auto [x, y, w, h] = block.window;
  if (w == side && h == side) return std::move(block.samples);
  const auto pixel = static_cast<size_t>(block.bands * bytes_of(block.type));
  const auto row = static_cast<size_t>(side) * pixel, used = static_cast<size_t>(w) * pixel;
  std::vector<std::byte> samples(static_cast<size_t>(side) * row);
  std::byte* to = samples.data();
  for (int64_t i = 0; i < side; ++i, to += row) {
    if (i >= h) {
      std::memcpy(to, to - row, row);
      continue;
    }
    std::memcpy(to, block.samples.data() + static_cast<size_t>(i) * used, used);
    for (size_t k = used; k < row; ++k) to[k] = to[k - pixel];
  }
  return samples;
}

// What libtiff's predictor 2 makes of rows of so many values, `bands` of them a pixel: each less the one of
// the pixel before it. libtiff does it in a copy, whose fresh memory costs more than the differences.
template <class T>
void take_differences(std::vector<std::byte>& samples, int64_t row, int64_t bands) {
  T* const values = reinterpret_cast<T*>(samples.data());
  const auto count = static_cast<int64_t>(samples.size() / sizeof(T));
  for (int64_t begin = 0; begin < count; begin += row)
    for (int64_t i = begin + row - 1; i >= begin + bands; --i)
      values[i] = static_cast<T>(values[i] - values[i - bands]);
}

void take_differences(std::vector<std::byte>& samples, const TiffInfo& info, int64_t side) {
  const int64_t bands = info.bands, row = side * bands, size = bytes_of(info.type);
  if (size == 1) return take_differences<uint8_t>(samples, row, bands);
  if (size == 2) return take_differences<uint16_t>(samples, row, bands);
  take_differences<uint32_t>(samples, row, bands);
}

bool has_differences(const TiffInfo& info, const TiffWriterOptions& options, PageKind kind) {
  const bool coded = options.compression == Compression::lzw || options.compression == Compression::deflate ||
                     options.compression == Compression::zstd;
  return options.predictor && coded && !kind.mask && info.type != SampleType::f32 &&
         info.type != SampleType::f64;
}

// What the codec keeps from block to block. zstd's tables grow with the level (measured, with a margin):
// libtiff does not tell it how short a block is.
int64_t codec_bytes(const TiffWriterOptions& options) {
  constexpr int64_t kMegabyte = int64_t{1} << 20;
  if (options.compression != Compression::zstd) return 2 * kMegabyte;
  const int level = level_of(options);
  return (level <= 3 ? 8 : level <= 9 ? 28 : level <= 12 ? 72 : 112) * kMegabyte;
}

// A bit for each byte, 1 where it is not zero, the first in the highest.
std::vector<std::byte> packed_bits(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> bits(bytes.size() / 8);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != std::byte{}) bits[i / 8] |= std::byte{0x80} >> (i % 8);
  }
  return bits;
}

}  // namespace

int64_t BlockEncoder::working_bytes(int64_t block_bytes, const TiffWriterOptions& options) {
  return 3 * block_bytes + codec_bytes(options);
}

BlockEncoder::BlockEncoder(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options,
                           PageKind kind)
    : path_(path),
      info_(info),
      options_(options),
      kind_(kind),
      differences_(has_differences(info, options, kind)) {
  if (differences_) options_.predictor = false;
  info_.width = options.block;
  info_.height = int64_t{kBlocks} * options.block;
  info_.tags = {};
  // libtiff makes LERC's mask of an alpha band that is 0 or 255, and loses the colours where it is 0.
  if (options.compression == Compression::lerc)
    std::fill(info_.extra_samples.begin(), info_.extra_samples.end(), EXTRASAMPLE_UNSPECIFIED);
  if (options.by_band) {
    info_.bands = 1;
    info_.photometric = PHOTOMETRIC_MINISBLACK;
    info_.extra_samples.clear();
  }
  open();
}

void BlockEncoder::open() {
  file_.emplace(path_, TiffFile::Mode::memory);
  set_page_tags(*file_, path_, info_, options_, kind_);
  next_ = 0;
}

std::vector<std::byte> BlockEncoder::encode(Raster block) {
  const std::optional<std::vector<std::byte>> pixel = only_pixel(block);
  if (pixel && pixel == uniform_) return of_uniform_;
  std::vector<std::byte> bytes = compressed(std::move(block));
  if (pixel) uniform_ = pixel, of_uniform_ = bytes;
  return bytes;
}

std::vector<std::byte> BlockEncoder::compressed(Raster block) {
  if (next_ == kBlocks) open();
  file_->take_written();  // the header of a new file
  std::vector<std::byte> data = whole_block(std::move(block), options_.block);
  if (kind_.mask) data = packed_bits(data);
  if (differences_) take_differences(data, info_, options_.block);
  const auto size = static_cast<tmsize_t>(data.size());
  const tmsize_t written = TIFFWriteEncodedTile(file_->get(), next_++, data.data(), size);
  check_written(*file_, path_, written == size, "compressing a block");
  spare_ = std::move(data);
  return file_->take_written();
}

std::vector<uint8_t> BlockEncoder::jpeg_tables() {
  encode(Raster({0, 0, options_.block, options_.block}, info_.bands, info_.type));
  uint32_t count = 0;
  const uint8_t* tables = nullptr;
  const bool found = TIFFGetField(file_->get(), TIFFTAG_JPEGTABLES, &count, &tables) == 1;
  check_written(*file_, path_, found, "making JPEG tables");
  return {tables, tables + count};
}

}  // namespace sr

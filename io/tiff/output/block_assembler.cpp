#include "io/tiff/output/block_assembler.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "tensor/error.h"

namespace sr {
namespace {

Window overlap(const Window& a, const Window& b) {
  const int64_t x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  return {x, y, std::min(a.x + a.w, b.x + b.w) - x, std::min(a.y + a.h, b.y + b.h) - y};
}

std::string described(const Window& w) {
  std::ostringstream text;
  text << w.w << " x " << w.h << " pixels at (" << w.x << ", " << w.y << ")";
  return text.str();
}

}  // namespace

Window BlockGrid::window(int64_t index) const {
  const Window block{index % across() * side, index / across() * side, side, side};
  return overlap(block, {0, 0, width, height});
}

Raster CompleteBlock::take(const Raster& window, std::vector<std::byte> spare) && {
  return pixels.samples.empty() ? cut(window, pixels.window, std::move(spare)) : std::move(pixels);
}

BlockAssembler::BlockAssembler(const std::string& path, const BlockGrid& grid, int bands, SampleType type,
                               bool masked)
    : path_(path),
      grid_(grid),
      bands_(bands),
      type_(type),
      masked_(masked),
      complete_(static_cast<size_t>(grid.blocks())),
      passed_over_(complete_.size()),
      missing_(grid.blocks()) {}

void BlockAssembler::check(const Raster& window) const {
  const Window& w = window.window;
  if (w.w < 1 || w.h < 1 || w.x < 0 || w.y < 0 || w.x > grid_.width - w.w || w.y > grid_.height - w.h) {
    throw Error(Error::Kind::usage, "writing ", path_, ": a window of ", described(w), "; the picture has ",
                grid_.width, " x ", grid_.height);
  }
  const int64_t bytes = w.pixels() * bands_ * bytes_of(type_);
  if (window.bands != bands_ || window.type != type_ ||
      static_cast<int64_t>(window.samples.size()) != bytes) {
    throw Error(Error::Kind::usage, "writing ", path_, ": a window with ", window.bands, " bands of ",
                name_of(window.type), " in ", window.samples.size(), " bytes; the page has ", bands_,
                " bands of ", name_of(type_), ", which are ", bytes, " bytes");
  }
  if (masked_ && static_cast<int64_t>(window.mask.size()) != w.pixels()) {
    throw Error(Error::Kind::usage, "writing ", path_, ": a window of ", w.pixels(),
                " pixels whose mask has ", window.mask.size(), "; the picture has a mask");
  }
}

void BlockAssembler::refuse_second(const Window& window) const {
  throw Error(Error::Kind::usage, "writing ", path_, ": the window of ", described(window),
              " has pixels that were written before; each must come once");
}

void BlockAssembler::pass_over(int64_t index) {
  complete_[static_cast<size_t>(index)] = passed_over_[static_cast<size_t>(index)] = true;
  --missing_;
}

Raster BlockAssembler::waiting(const Window& window) const {
  const auto at = pending_.find(window.y / grid_.side * grid_.across() + window.x / grid_.side);
  return at == pending_.end() ? Raster{} : cut(at->second.pixels, window);
}

bool BlockAssembler::wants(const Window& window) const {
  const int64_t side = grid_.side;
  for (int64_t row = window.y / side; row <= (window.y + window.h - 1) / side; ++row)
    for (int64_t column = window.x / side; column <= (window.x + window.w - 1) / side; ++column)
      if (!complete_[static_cast<size_t>(row * grid_.across() + column)]) return true;
  return false;
}

std::vector<CompleteBlock> BlockAssembler::add(const Raster& window) {
  check(window);
  const Window& w = window.window;
  const int64_t side = grid_.side;
  std::vector<CompleteBlock> done;
  for (int64_t row = w.y / side; row <= (w.y + w.h - 1) / side; ++row)
    for (int64_t column = w.x / side; column <= (w.x + w.w - 1) / side; ++column) {
      const int64_t index = row * grid_.across() + column;
      const Window block = grid_.window(index), part = overlap(w, block);
      if (passed_over_[static_cast<size_t>(index)]) continue;
      if (complete_[static_cast<size_t>(index)]) refuse_second(w);
      CompleteBlock complete{index, {}};
      if (part == block && !pending_.contains(index)) {
        complete.pixels.window = block;
      } else {
        Pending& pending = pending_at(index);
        add_part(window, part, pending);
        if (pending.missing > 0) continue;
        complete.pixels = std::move(pending.pixels);
        pending_.erase(index);
      }
      complete_[static_cast<size_t>(index)] = true;
      --missing_;
      done.push_back(std::move(complete));
    }
  return done;
}

BlockAssembler::Pending& BlockAssembler::pending_at(int64_t index) {
  const auto [at, is_new] = pending_.try_emplace(index);
  Pending& block = at->second;
  if (is_new) {
    block.pixels = Raster(grid_.window(index), bands_, type_);
    block.missing = block.pixels.window.pixels();
    block.written.resize(static_cast<size_t>(block.missing));
    if (masked_) block.pixels.mask.resize(static_cast<size_t>(block.missing));
  }
  return block;
}

void BlockAssembler::add_part(const Raster& window, const Window& part, Pending& block) const {
  const Window &from = window.window, &to = block.pixels.window;
  const int64_t pixel = bands_ * bytes_of(type_);
  for (int64_t y = part.y; y < part.y + part.h; ++y) {
    const int64_t source = (y - from.y) * from.w + part.x - from.x;
    const int64_t target = (y - to.y) * to.w + part.x - to.x;
    uint8_t* row = block.written.data() + target;
    if (std::memchr(row, 1, static_cast<size_t>(part.w))) refuse_second(from);
    std::memset(row, 1, static_cast<size_t>(part.w));
    std::memcpy(block.pixels.samples.data() + target * pixel, window.samples.data() + source * pixel,
                static_cast<size_t>(part.w * pixel));
    if (masked_) std::copy_n(window.mask.begin() + source, part.w, block.pixels.mask.begin() + target);
  }
  block.missing -= part.pixels();
}

int64_t BlockAssembler::pending_bytes() const {
  int64_t pixels = 0;
  for (const auto& [index, block] : pending_) pixels += block.pixels.window.pixels();
  return pixels * (bands_ * bytes_of(type_) + 1 + (masked_ ? 1 : 0));
}

void BlockAssembler::require_complete() const {
  if (missing_ == 0) return;
  const auto first = std::find(complete_.begin(), complete_.end(), false) - complete_.begin();
  throw Error(Error::Kind::usage, "writing ", path_, ": ", missing_, " of ", complete_.size(),
              " blocks lack pixels, the first being that of ", described(grid_.window(first)));
}

}  // namespace sr

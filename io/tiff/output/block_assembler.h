// Blocks of a page put together from windows that come in any order and size.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/raster.h"

namespace sr {

/// How a page is cut into square blocks, which are counted row by row.
struct BlockGrid {
  int64_t width = 0, height = 0, side = 0;

  int64_t across() const { return (width + side - 1) / side; }
  int64_t down() const { return (height + side - 1) / side; }
  int64_t blocks() const { return across() * down(); }
  /// The pixels of a block that lie in the page.
  Window window(int64_t index) const;
};

/// A block whose last pixel has come.
struct CompleteBlock {
  int64_t index = 0;
  Raster pixels;  ///< of grid.window(index); without samples: the window that completed it has all of them

  /// The pixels, cut from that window, into memory that is to spare, if it has them. Safe for several threads
  /// with a block each.
  Raster take(const Raster& window, std::vector<std::byte> spare = {}) &&;
};

/// Takes the windows of one page and hands on every block once, when it is complete. Blocks that windows have
/// covered in part are kept. Not safe for use by two threads at once.
class BlockAssembler {
 public:
  /// For pixels of so many bands of that type, with a mask if there is one; `path` is the name that errors
  /// show.
  BlockAssembler(const std::string& path, const BlockGrid& grid, int bands, SampleType type, bool masked);

  const BlockGrid& grid() const { return grid_; }

  /// The block was completed by an earlier run: what windows hold of it is passed over.
  void pass_over(int64_t index);
  bool passed_over(int64_t index) const { return passed_over_[static_cast<size_t>(index)]; }

  /// The pixels of that window, which lies in a block that waits for more and has them; without samples if no
  /// such block waits.
  Raster waiting(const Window& window) const;

  /// Whether the window has a pixel of a block that is not complete.
  bool wants(const Window& window) const;

  /// The blocks that are complete with this window, the lowest first. Errors: usage (window outside the page,
  /// a pixel that came before, samples of another type).
  std::vector<CompleteBlock> add(const Raster& window);

  /// Memory of the blocks that wait for more pixels.
  int64_t pending_bytes() const;

  /// Errors: usage, if a pixel has not come.
  void require_complete() const;

 private:
  // A block that windows have covered in part. `written` has one byte a pixel.
  struct Pending {
    Raster pixels;
    std::vector<uint8_t> written;
    int64_t missing = 0;
  };

  void check(const Raster& window) const;
  Pending& pending_at(int64_t index);
  void add_part(const Raster& window, const Window& part, Pending& block) const;
  [[noreturn]] void refuse_second(const Window& window) const;

  std::string path_;
  BlockGrid grid_;
  int bands_;
  SampleType type_;
  bool masked_;
  std::vector<bool> complete_, passed_over_;
  int64_t missing_;  // blocks
  std::map<int64_t, Pending> pending_;
};

}  // namespace sr

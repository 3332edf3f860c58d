// How far a layer looks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sr {

/// One output pixel depends on input pixels from `before` above and left of it to `after` below and right.
struct Reach {
  int64_t before = 0;  ///< pixels
  int64_t after = 0;   ///< pixels

  /// That of one layer after another.
  Reach operator+(const Reach& next) const { return {before + next.before, after + next.after}; }
  /// That of two branches side by side.
  Reach operator|(const Reach& other) const {
    return {std::max(before, other.before), std::max(after, other.after)};
  }
  bool operator==(const Reach&) const = default;  ///< of both
};

}  // namespace sr

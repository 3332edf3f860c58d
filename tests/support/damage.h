// Damaged copies of a file's bytes, the same for the same seed.
#pragma once

#include <cstring>
#include <random>
#include <string>

namespace sr {

/// Bytes flipped, the end cut off, a stretch doubled or left out, or eight bytes in the first 200 replaced by
/// a length.
inline std::string damaged(const std::string& whole, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  std::string bad = whole;
  switch (seed % 5) {
    case 0:
      for (size_t flips = 1 + below(4); flips > 0; --flips)
        bad[below(std::min<size_t>(bad.size(), 600))] ^= static_cast<char>(1 << below(8));
      return bad;
    case 1:
      return bad.substr(0, below(bad.size()));
    case 2:
      return bad.insert(below(bad.size()), bad.substr(below(bad.size()), 1 + below(40)));
    case 3:
      return bad.erase(below(bad.size()), 1 + below(40));
    default: {
      const uint64_t length = (uint64_t{random()} << 32 | random()) >> below(64);
      const size_t at = below(std::min<size_t>(bad.size(), 200));
      std::memcpy(bad.data() + at, &length, std::min<size_t>(sizeof(length), bad.size() - at));
      return bad;
    }
  }
}

}  // namespace sr

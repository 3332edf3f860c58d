// A float32 array of any rank, as other programs' weight files hold it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sr {

struct NamedArray {
  std::string name;
  std::vector<int64_t> shape;  ///< the last runs fastest; none: one value
  std::vector<float> values;
};

/// Number of elements of a shape; -1 if a side is negative or the number is none that memory could hold.
inline int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t side : shape)
    if (side < 0 || __builtin_mul_overflow(count, side, &count)) return -1;
  return count;
}

/// "[64, 1, 3, 3]"
inline std::string text_of(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t side : shape) text += (text.empty() ? "" : ", ") + std::to_string(side);
  return "[" + text + "]";
}

}  // namespace sr

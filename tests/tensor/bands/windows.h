// Parts of images, compared to the bit.
#pragma once

#include <algorithm>
#include <cstring>

#include "tensor/tensor.h"

namespace sr {

/// Rows row .. row+h-1 and columns column .. column+w-1 of every image.
inline Tensor window(const Tensor& x, int64_t row, int64_t column, int64_t h, int64_t w) {
  const Shape s = x.shape();
  Tensor y(Shape{s.n, h, w, s.c});
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t i = 0; i < h; ++i)
      std::copy_n(x.data() + ((n * s.h + row + i) * s.w + column) * s.c, w * s.c,
                  y.data() + (n * h + i) * w * s.c);
  return y;
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.shape().size()) * sizeof(float)) == 0;
}

}  // namespace sr

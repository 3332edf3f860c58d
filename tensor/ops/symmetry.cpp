#include "tensor/ops/symmetry.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/ops/symmetry_cuda.h"

namespace sr {
namespace {

void check_symmetry(int symmetry) {
  if (symmetry < 0 || symmetry >= kSymmetries)
    throw Error(Error::Kind::usage, "symmetry ", symmetry, " of the square; there are 0 to 7");
}

// Order of an h x w image whose lines run forwards or backwards.
PixelOrder flipped_order(int64_t h, int64_t w, int symmetry) {
  const bool columns = symmetry & 2, rows = symmetry & 1;
  return {h, w, (rows ? (h - 1) * w : 0) + (columns ? w - 1 : 0), rows ? -w : w, columns ? -1 : 1};
}

Tensor reordered(const Tensor& x, const PixelOrder& order) {
  const auto [n, h, w, c] = x.shape();
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::reordered(x, order);
  }
  Tensor y(Shape{n, order.h, order.w, c});
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < n * order.h; ++r) {
    const int64_t image = r / order.h, first = image * h * w + order.first + r % order.h * order.down;
    for (int64_t j = 0; j < order.w; ++j)
      std::copy_n(x.data() + (first + j * order.across) * x.pitch(), c, y.data() + (r * order.w + j) * c);
  }
  return y;
}

}  // namespace

PixelOrder turned_order(const Shape& x, int symmetry) {
  check_symmetry(symmetry);
  if (!(symmetry & 4)) return flipped_order(x.h, x.w, symmetry);
  // Lines of the transposed image: its (i, j) is x's (j, i).
  const bool columns = symmetry & 2, rows = symmetry & 1;
  return {x.w, x.h, (rows ? x.w - 1 : 0) + (columns ? (x.h - 1) * x.w : 0), rows ? -1 : 1,
          columns ? -x.w : x.w};
}

PixelOrder turned_back_order(const Shape& x, int symmetry) {
  check_symmetry(symmetry);
  PixelOrder order = flipped_order(x.h, x.w, symmetry);
  if (symmetry & 4) order = {x.w, x.h, order.first, order.across, order.down};
  return order;
}

Tensor turned(const Tensor& x, int symmetry) {
  return reordered(x, turned_order(x.shape(), symmetry));
}

Tensor turned_back(const Tensor& x, int symmetry) {
  return reordered(x, turned_back_order(x.shape(), symmetry));
}

}  // namespace sr

#include "idn/ensemble.h"

#include <utility>

#include "tensor/ops/pointwise.h"
#include "tensor/ops/symmetry.h"

namespace sr {

bands::Origin turned_origin(bands::Origin origin, const Shape& part, int symmetry) {
  int64_t h = part.h, w = part.w;
  if (symmetry & 4) std::swap(origin.row, origin.column), std::swap(h, w);
  if (symmetry & 2) origin.column = -(origin.column + w);
  if (symmetry & 1) origin.row = -(origin.row + h);
  return origin;
}

EnsembleResidual ensemble_residual(const Tensor& image, bool with_spread,
                                   const std::function<Tensor(Tensor, int)>& residual) {
  constexpr float kShare = 1.0f / kSymmetries;
  Tensor first, sum, squares;
  for (int symmetry = 0; symmetry < kSymmetries; ++symmetry) {
    const Tensor answer = turned_back(residual(turned(image, symmetry), symmetry), symmetry);
    if (symmetry == 0) {
      first = sum = answer;
      continue;
    }
    sum = add(sum, answer);
    if (!with_spread) continue;
    const Tensor difference = add(answer, scale(first, -1));
    const Tensor square = multiply(difference, difference);
    squares = squares ? add(squares, square) : square;
  }
  EnsembleResidual found{scale(sum, kShare), {}, {}};
  if (with_spread) found.shift = add(found.mean, scale(first, -1)), found.squares = scale(squares, kShare);
  return found;
}

}  // namespace sr

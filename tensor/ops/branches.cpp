#include "tensor/ops/branches.h"

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/ops/branches_cuda.h"
#include "tensor/ops/pairs.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/pointwise_kernels.h"

namespace sr {
namespace {

Tensor dense(const Tensor& x) {
  return x.is_contiguous() ? x : x.clone();
}

Branches dense(const Branches& b) {
  return {dense(b.expand), dense(b.middle), dense(b.reduce), dense(b.beside)};
}

void check(const Branches& b) {
  const Shape &expand = b.expand.shape(), &middle = b.middle.shape(), &reduce = b.reduce.shape();
  const Shape want[] = {{middle.c, 1, 1, expand.c},
                        {reduce.c, middle.h, middle.h, expand.n},
                        {reduce.n, 1, 1, middle.n},
                        {reduce.n, 1, 1, expand.c}};
  if (!(expand == want[0]) || !(middle == want[1]) || !(reduce == want[2]) ||
      !(b.beside.shape() == want[3]) || middle.h % 2 == 0)
    throw Error(Error::Kind::shape, "branches: weights ", expand, ", ", middle, " and ", reduce,
                " do not follow one another, with ", b.beside.shape(), " beside them");
}

// A row of one tap after the other, and where the middle one lies in it.
struct Taps {
  int64_t inputs, row, middle;
  explicit Taps(const Branches& b)
      : inputs(b.expand.shape().c),
        row(b.middle.shape().h * b.middle.shape().w * inputs),
        middle((row - inputs) / 2) {}
};

// The convolutions `middle` after `expand`: [n, k, k, i].
Tensor first_two(const Branches& b) {
  const Shape& m = b.middle.shape();
  return product({b.middle, m.c}, {b.expand, b.expand.shape().c}, {m.n, m.h, m.w, b.expand.shape().c});
}

int64_t rows_of(const Matrix& m) {
  const int64_t rows = m.columns == 0 ? 0 : m.values.shape().size() / m.columns;
  return m.transposed ? m.columns : rows;
}
int64_t columns_of(const Matrix& m) {
  const int64_t rows = m.columns == 0 ? 0 : m.values.shape().size() / m.columns;
  return m.transposed ? rows : m.columns;
}

std::vector<float> transposed(const Tensor& x, int64_t columns) {
  const int64_t size = x.shape().size(), rows = size / columns;
  std::vector<float> to(static_cast<size_t>(size));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) to[static_cast<size_t>(c * rows + r)] = x.data()[r * columns + c];
  return to;
}

}  // namespace

Tensor product(const Matrix& a, const Matrix& b, Shape shape) {
  const int64_t rows = rows_of(a), depth = columns_of(a), columns = columns_of(b);
  if (rows_of(b) != depth || shape.size() != rows * columns)
    throw Error(Error::Kind::shape, "product: ", rows, " x ", depth, " by ", rows_of(b), " x ", columns,
                " for ", shape);
  if (a.values.device() != b.values.device())
    throw Error(Error::Kind::device, "product: one tensor is on ", a.values.device(), ", the other on ",
                b.values.device());
  const Matrix from{dense(a.values), a.columns, a.transposed}, by{dense(b.values), b.columns, b.transposed};
  if constexpr (cuda::kBuilt)
    if (a.values.device() == Device::cuda) return cuda::product(from, by, rows, depth, columns, shape);
  Tensor y(shape);
  const std::vector<float> turned = by.transposed ? transposed(by.values, by.columns) : std::vector<float>();
  const cpu::ProductRun run{from.values.data(),
                            from.transposed ? 1 : depth,
                            from.transposed ? rows : 1,
                            by.transposed ? turned.data() : by.values.data(),
                            depth,
                            columns,
                            y.data()};
  constexpr int64_t kRows = 16;
#pragma omp parallel for schedule(static) if (rows * columns * depth >= kWorthThreads)
  for (int64_t first = 0; first < rows; first += kRows)
    cpu::pointwise_kernels().product(run, first, std::min(rows, first + kRows));
  return y;
}

Tensor merged_branches(const Branches& branches) {
  check(branches);
  const Branches b = dense(branches);
  const Taps taps(b);
  const Shape &middle = b.middle.shape(), &reduce = b.reduce.shape();
  const Tensor chain = product({b.reduce, reduce.c}, {first_two(b), taps.row}, {reduce.n, 1, 1, taps.row});
  return add(chain, channels_grad(b.beside, taps.middle, taps.row))
      .part(0, {reduce.n, middle.h, middle.w, taps.inputs});
}

Branches merged_branches_grads(const Tensor& gradient, const Branches& branches) {
  const Branches b = dense(branches);
  const Taps taps(b);
  const Shape &middle = b.middle.shape(), &reduce = b.reduce.shape();
  const Tensor dy = dense(gradient);
  const Tensor both = first_two(b);
  const Tensor of_both = product({b.reduce, reduce.c, true}, {dy, taps.row}, both.shape());
  return {product({b.middle, middle.c, true}, {of_both, taps.inputs}, b.expand.shape()),
          product({of_both, taps.inputs}, {b.expand, taps.inputs, true}, middle),
          product({dy, taps.row}, {both, taps.row, true}, reduce),
          dy.part(0, {reduce.n, 1, 1, taps.row}).channels(taps.middle, taps.middle + taps.inputs).clone()};
}

Tensor merged_branches_exactly(const Branches& branches) {
  check(branches);
  const Branches b = dense(branches);
  const Taps taps(b);
  const Shape &middle = b.middle.shape(), &reduce = b.reduce.shape();
  const int64_t inputs = taps.inputs;
  std::vector<double> both(static_cast<size_t>(middle.n * taps.row));
  for (int64_t row = 0; row < middle.n * middle.h * middle.w; ++row)
    for (int64_t k = 0; k < middle.c; ++k) {
      const double a = double{b.middle.data()[row * middle.c + k]};
      for (int64_t i = 0; i < inputs; ++i)
        both[static_cast<size_t>(row * inputs + i)] += a * double{b.expand.data()[k * inputs + i]};
    }
  Tensor y(Shape{reduce.n, middle.h, middle.w, inputs});
  std::vector<double> sums(static_cast<size_t>(taps.row));
  for (int64_t o = 0; o < reduce.n; ++o) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t i = 0; i < inputs; ++i)
      sums[static_cast<size_t>(taps.middle + i)] = double{b.beside.data()[o * inputs + i]};
    for (int64_t k = 0; k < reduce.c; ++k) {
      const double a = double{b.reduce.data()[o * reduce.c + k]};
      for (int64_t i = 0; i < taps.row; ++i)
        sums[static_cast<size_t>(i)] += a * both[static_cast<size_t>(k * taps.row + i)];
    }
    for (int64_t i = 0; i < taps.row; ++i)
      y.data()[o * taps.row + i] = static_cast<float>(sums[static_cast<size_t>(i)]);
  }
  return y;
}

}  // namespace sr

// Two tensors of one shape, element by element: the loops behind pointwise.cpp and loss.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/tensor.h"

namespace sr {

/// Errors: shape (they differ), device (they lie on different ones), usage (a device's have different types).
inline void check_same_shape(const char* what, const Tensor& a, const Tensor& b) {
  if (a.device() != b.device())
    throw Error(Error::Kind::device, what, ": one tensor is on ", a.device(), ", the other on ", b.device(),
                "; to() copies");
  if (a.device() != Device::cpu && a.dtype() != b.dtype())
    throw Error(Error::Kind::usage, what, ": one tensor is stored as ", a.dtype(), ", the other as ",
                b.dtype(), "; convert() one");
  if (!(a.shape() == b.shape()))
    throw Error(Error::Kind::shape, what, ": shapes ", a.shape(), " and ", b.shape(), " differ");
}

/// Below so many elements threads cost more than they save.
constexpr int64_t kWorthThreads = 1 << 14;

/// y[i] = f(a[i], b[i]); y overlaps neither.
template <class F>
void map_run(const float* __restrict a, const float* __restrict b, float* __restrict y, int64_t size, F f) {
  for (int64_t i = 0; i < size; ++i) y[i] = f(a[i], b[i]);
}

/// f(a, b) of every element, contiguous; the inputs may be channel views.
template <class F>
Tensor map_pairs(const Tensor& a, const Tensor& b, F f) {
  Tensor y(a.shape());
  // Runs without gaps: pieces of all elements, or the channels of a pixel.
  const bool contiguous = a.is_contiguous() && b.is_contiguous();
  const int64_t size = a.shape().size(), run = contiguous ? 4096 : a.shape().c;
  const int64_t runs = run == 0 ? 0 : (size + run - 1) / run;
  const int64_t a_step = contiguous ? run : a.pitch(), b_step = contiguous ? run : b.pitch();
  const float* pa = a.data();
  const float* pb = b.data();
  float* py = y.data();
#pragma omp parallel for schedule(static) if (size >= kWorthThreads)
  for (int64_t r = 0; r < runs; ++r)
    map_run(pa + r * a_step, pb + r * b_step, py + r * run, std::min(run, size - r * run), f);
  return y;
}

/// Sum of f(a, b), a double, over every element. Blocks of pixels are summed by themselves and then added up
/// in order: the bits are the same for any number of threads.
template <class F>
double sum_pairs(const Tensor& a, const Tensor& b, F f) {
  constexpr int64_t kBlock = 4096;
  const int64_t c = a.shape().c, pixels = a.shape().pixels(), blocks = (pixels + kBlock - 1) / kBlock;
  const float* pa = a.data();
  const float* pb = b.data();
  std::vector<double> sums(static_cast<size_t>(blocks));
#pragma omp parallel for schedule(static) if (a.shape().size() >= kWorthThreads)
  for (int64_t block = 0; block < blocks; ++block) {
    double sum = 0;
    for (int64_t p = block * kBlock; p < std::min(pixels, (block + 1) * kBlock); ++p)
      for (int64_t k = 0; k < c; ++k) sum += f(pa[p * a.pitch() + k], pb[p * b.pitch() + k]);
    sums[static_cast<size_t>(block)] = sum;
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace sr

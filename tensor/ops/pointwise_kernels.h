// Loops of operations that are worth an instruction set of their own: raw pointers and sizes.
#pragma once

#include <cstdint>

namespace sr::cpu {

/// Gradients that a leaky ReLU passes on, and what its result was.
struct LeakyReluRun {
  const float* dy;
  int64_t dy_pitch;
  const float* y;
  int64_t y_pitch;
  float leak;
  float* dz;  ///< contiguous
};

/// y = a * b for matrices: element (row, k) of a is a[row * a_row + k * a_depth], b and y have rows of
/// `columns` without gaps.
struct ProductRun {
  const float* a;
  int64_t a_row, a_depth;
  const float* b;
  int64_t depth, columns;
  float* y;
};

struct PointwiseKernels {
  /// dz = y > 0 ? dy : leak * dy for some pixels of c channels; sums[c] are dz's over the pixels, in their
  /// order: the same bits on every instruction set.
  void (*leaky_relu_grads)(const LeakyReluRun&, int64_t pixels, int64_t c, double* sums);
  /// The functions of activations.h for `size` elements one after the other, with the same bits on every
  /// instruction set.
  void (*silu)(const float* x, float* y, int64_t size);
  void (*silu_grad)(const float* dy, const float* x, float* dx, int64_t size);
  void (*gate)(const float* z, const float* x, float* y, int64_t size);
  void (*gate_grads)(const float* dy, const float* z, const float* x, float* dz, float* dx, int64_t size);
  /// Rows first .. last-1 of y; a value's terms are added in their order, with the same bits on every
  /// instruction set.
  void (*product)(const ProductRun&, int64_t first, int64_t last);
};

#ifdef SR_SIMD
/// Those of the set that a *_simd.cpp is being compiled for; pointwise_simd.cpp has the table.
namespace SR_SIMD {
void silu(const float* x, float* y, int64_t size);
void silu_grad(const float* dy, const float* x, float* dx, int64_t size);
void gate(const float* z, const float* x, float* y, int64_t size);
void gate_grads(const float* dy, const float* z, const float* x, float* dz, float* dx, int64_t size);
void product(const ProductRun&, int64_t first, int64_t last);
}  // namespace SR_SIMD
#endif

/// Those of active_float_simd().
const PointwiseKernels& pointwise_kernels();

}  // namespace sr::cpu

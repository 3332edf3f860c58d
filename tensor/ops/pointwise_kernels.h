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

struct PointwiseKernels {
  /// dz = y > 0 ? dy : leak * dy for some pixels of c channels; sums[c] are dz's over the pixels, in their
  /// order: the same bits on every instruction set.
  void (*leaky_relu_grads)(const LeakyReluRun&, int64_t pixels, int64_t c, double* sums);
};

/// Those of active_float_simd().
const PointwiseKernels& pointwise_kernels();

}  // namespace sr::cpu

// Bicubic resampling (resize.h) on a CUDA device: float32, with the CPU's bits.
#pragma once

#include <vector>

#include "tensor/cuda/view.h"
#include "tensor/ops/bicubic_phases.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// What bicubic_enlarge wants in device memory: factor * 4 weights.
std::vector<float> enlarging_weights(int factor);

/// y [n, factor*h, factor*w, c], contiguous, is x of `shape` enlarged.
void bicubic_enlarge(const Queue&, Shape shape, ConstView x, int factor, const float* weights, float* y);

/// Phases with their arrays in device memory.
struct DevicePhases {
  int count = 0, step = 0;
  int64_t taps = 0;
  const int64_t* first = nullptr;
  const float* weight = nullptr;

  DevicePhases(const Phases& phases, const int64_t* device_first, const float* device_weight)
      : count(static_cast<int>(phases.count)),
        step(static_cast<int>(phases.step)),
        taps(phases.taps),
        first(device_first),
        weight(device_weight) {}
};

/// y [n, h, w, c], contiguous, is x of `shape` resized; `across` is for shape.w to w, `down` for shape.h to
/// h. `lines` has room for n * shape.h * w * c floats.
void bicubic_resize(const Queue&, Shape shape, ConstView x, int64_t h, int64_t w, const DevicePhases& across,
                    const DevicePhases& down, float* lines, float* y);

/// That of resize.h, its arguments checked. Errors: usage (x is not stored as float32), device,
/// limit.
Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w);

}  // namespace sr::cuda

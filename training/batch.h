// What a training step takes.
#pragma once

#include "tensor/tensor.h"

namespace sr {

/// Patches on the 0..1 scale, in one piece of memory that is copied at once.
struct TrainingBatch {
  TrainingBatch() = default;
  /// Uninitialised. `down_shape`: [n, h, w, c]. Errors: as Tensor.
  TrainingBatch(const Shape& down_shape, int64_t factor, Device device = Device::cpu);

  /// The same numbers on `device`, as Tensor::to.
  TrainingBatch to(Device device) const;

  /// Some of the images; shares memory. `all` is that of the whole.
  TrainingBatch images(int64_t begin, int64_t end) const;

  Tensor all;   ///< of which these are parts:
  Tensor gt;    ///< [n, factor * h, factor * w, c]: what should come out
  Tensor base;  ///< as gt, what the network's result is added to: bic_up - mean_bic_up + mean_gt, or, where
                ///< it makes the image itself, mean_gt
  Tensor down;  ///< what it sees: less mean_down

 private:
  void set_parts(const Shape& fine, const Shape& coarse);
};

}  // namespace sr

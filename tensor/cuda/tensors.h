// Tensors as kernels take them.
#pragma once

#include <memory>

#include "tensor/cuda/device.h"
#include "tensor/cuda/telling.h"
#include "tensor/cuda/view.h"
#include "tensor/on_cuda.h"

namespace sr::cuda {

/// The address of a tensor that is read, whose values are there before those who read them.
inline const void* filled(const Tensor& x) {
  finish_if_waiting(x);
  return x.address();
}

/// Of a tensor that is read, and of one that is written.
inline ConstView view(const Tensor& x) {
  return {filled(x), x.pitch()};
}
inline View view(Tensor& x) {
  return {x.address(), x.pitch()};
}

/// Memory for a result that is stored as x is.
inline Tensor like(const Tensor& x, Shape shape) {
  return Tensor(shape, x.dtype(), Device::cuda);
}

/// Device memory for `count` doubles.
class Doubles {
 public:
  explicit Doubles(int64_t count) : memory_(allocate(8 * count)) {}
  double* data() const { return static_cast<double*>(memory_.get()); }

 private:
  std::shared_ptr<void> memory_;
};

/// The first of them, for the host.
inline double first(const Doubles& x) {
  double value = 0;
  copy_to_host(&value, x.data(), 8);
  return value;
}

}  // namespace sr::cuda

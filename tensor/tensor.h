// Tensor: numbers in memory, nothing of gradients or files.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/shape.h"

namespace sr {

/// A handle to shared numbers.
///  1. Copying a Tensor shares its memory; clone() copies the numbers.
///  2. Functions take const Tensor& and return a fresh tensor that nobody else holds. The few that write in
///     place take Tensor& first and are named *_into.
///  3. Contiguous but for one freedom: channels(begin, end) is a view of a channel range, whose pixels lie
///     pitch() elements apart. Slicing channels is therefore free.
class Tensor {
 public:
  Tensor() = default;  ///< no tensor; tests false

  /// Uninitialised. Errors: shape (negative dimension), limit (more than 2^62 bytes or than there is memory).
  explicit Tensor(Shape shape, DType dtype = DType::f32, Device device = Device::cpu);

  /// f32. Errors: as above.
  static Tensor zeros(Shape shape, Device device = Device::cpu);
  /// Copies `values`, which are in NHWC order. Errors: shape (their number differs).
  static Tensor from(Shape shape, std::span<const float> values);

  explicit operator bool() const { return memory_ != nullptr; }  ///< whether there is one
  const Shape& shape() const { return shape_; }                  ///< with no tensor [0, 0, 0, 0]
  DType dtype() const { return dtype_; }                         ///< how numbers are stored
  Device device() const { return device_; }                      ///< where they lie
  int64_t pitch() const { return pitch_; }  ///< elements from one pixel to the next; shape().c if contiguous
  bool is_contiguous() const { return pitch_ == shape_.c; }  ///< no view of some channels

  /// The first element. Errors: usage (dtype is not f32), device (it lies in the memory of a device).
  float* data();
  const float* data() const;  ///< the same
  /// The first element of a bf16 or f16 tensor as bits. Errors: usage (dtype is f32), device.
  uint16_t* bits();
  const uint16_t* bits() const;  ///< the same
  /// The first element's address in the memory of device(), whatever its type.
  void* address() { return at_offset(); }
  const void* address() const { return at_offset(); }  ///< the same

  /// View of channels begin (inclusive) to end (exclusive); shares memory. Errors: shape.
  Tensor channels(int64_t begin, int64_t end) const;
  /// View of the elements from `first` on, in NHWC order, as a tensor of `shape`; shares memory. Errors:
  /// shape (there are not so many, or this one is not contiguous).
  Tensor part(int64_t first, Shape shape) const;
  /// A deep copy; contiguous.
  Tensor clone() const;
  /// The same numbers on `device`, contiguous; itself if it is there. The device is that of the calling
  /// thread. Errors: device, limit.
  Tensor to(Device device) const;
  /// The numbers in NHWC order. Errors: usage (dtype is not f32), device.
  std::vector<float> to_vector() const;

 private:
  void* at_offset() const;

  Shape shape_;
  DType dtype_ = DType::f32;
  Device device_ = Device::cpu;
  int64_t pitch_ = 0;
  int64_t offset_ = 0;  // elements
  std::shared_ptr<void> memory_;
};

/// The same numbers stored as `dtype`: to 16 bits by rounding to nearest even, to f32 exactly.
Tensor convert(const Tensor& x, DType dtype);

}  // namespace sr

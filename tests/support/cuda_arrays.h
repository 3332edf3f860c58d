// Tensors in a device's memory for the tests of kernels, between bytes that must stay as they are.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/cuda/view.h"
#include "tensor/random.h"
#include "tensor/tensor.h"
#include "tests/support/cuda_schedules.h"
#include "tests/support/device_array.h"

namespace sr {

/// Where a view lies in its memory, in elements: `before` ahead of it and a gap of `gap` between pixels.
struct Placement {
  int64_t before = 0, gap = 0;
};

/// A tensor on the device, placed so; NaN around its values and, until something is written, in it.
class DeviceTensor {
 public:
  DeviceTensor(Shape shape, DType dtype, Placement place)
      : shape_(shape),
        dtype_(dtype),
        place_(place),
        bytes_(static_cast<size_t>((place.before + shape.pixels() * pitch() - place.gap) * bytes_of(dtype))) {
  }
  DeviceTensor(const Tensor& values, DType dtype, Placement place)
      : DeviceTensor(values.shape(), dtype, place) {
    const Tensor stored = convert(values.clone(), dtype);
    std::vector<uint8_t> bytes = bytes_.to_vector();
    const auto* from = reinterpret_cast<const uint8_t*>(
        dtype == DType::f32 ? static_cast<const void*>(stored.data()) : stored.bits());
    for (int64_t p = 0; p < shape_.pixels(); ++p)
      std::copy_n(from + p * row_bytes(), row_bytes(), bytes.begin() + at(p));
    bytes_.set(bytes);
  }

  int64_t pitch() const { return shape_.c + place_.gap; }
  cuda::View view() const { return {bytes_.data() + place_.before * bytes_of(dtype_), pitch()}; }

  /// The values as float32. The bytes around them must still be as they were made.
  Tensor values() const {
    const std::vector<uint8_t> bytes = bytes_.to_vector();
    std::vector<bool> inside(bytes.size());
    Tensor stored(shape_, dtype_);
    auto* to =
        reinterpret_cast<uint8_t*>(dtype_ == DType::f32 ? static_cast<void*>(stored.data()) : stored.bits());
    for (int64_t p = 0; p < shape_.pixels(); ++p) {
      std::copy_n(bytes.begin() + at(p), row_bytes(), to + p * row_bytes());
      std::fill_n(inside.begin() + at(p), row_bytes(), true);
    }
    size_t touched = 0;
    for (size_t i = 0; i < bytes.size(); ++i) touched += !inside[i] && bytes[i] != 0xff;
    EXPECT_EQ(touched, 0u) << "bytes beside the view were written, " << shape_ << ' ' << dtype_;
    return convert(stored, DType::f32);
  }

 private:
  int64_t row_bytes() const { return shape_.c * bytes_of(dtype_); }
  int64_t at(int64_t p) const { return (place_.before + p * pitch()) * bytes_of(dtype_); }

  Shape shape_;
  DType dtype_;
  Placement place_;
  DeviceArray<uint8_t> bytes_;
};

constexpr DType kDTypes[] = {DType::f32, DType::bf16, DType::f16};

/// Normal random values that `dtype` can hold.
inline Tensor random_values(Shape shape, DType dtype, Random& random, double deviation = 1) {
  return convert(convert(random_normal(shape, deviation, random), dtype), DType::f32);
}

/// What `dtype` makes of values.
inline Tensor stored_as(const Tensor& values, DType dtype) {
  return convert(convert(values, dtype), DType::f32);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.shape().size()) * 4) == 0;
}

/// Calls f with grids of one, three and many blocks, each in another order of threads and blocks.
template <class F>
void on_every_queue(F&& f) {
  constexpr int kBlocks[] = {1000, 1, 3};
  int i = 0;
  in_every_schedule([&] { f(cuda::Queue{nullptr, kBlocks[i++ % 3]}); });
}

}  // namespace sr

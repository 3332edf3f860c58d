#include "tensor/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <ostream>
#include <utility>

#include "tensor/allocator.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"

namespace sr {

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << '[' << s.n << ", " << s.h << ", " << s.w << ", " << s.c << ']';
}

std::ostream& operator<<(std::ostream& out, Device device) {
  return out << (device == Device::cpu ? "cpu" : "cuda");
}

std::ostream& operator<<(std::ostream& out, DType dtype) {
  constexpr const char* kNames[] = {"f32", "bf16", "f16"};
  return out << kNames[static_cast<int>(dtype)];
}

int64_t bytes_of(DType dtype) {
  return dtype == DType::f32 ? 4 : 2;
}

Tensor::Tensor(Shape shape, DType dtype, Device device)
    : shape_(shape), dtype_(dtype), device_(device), pitch_(shape.c) {
  int64_t bytes = bytes_of(dtype);
  for (const int64_t dimension : {shape.n, shape.h, shape.w, shape.c}) {
    if (dimension < 0) throw Error(Error::Kind::shape, "tensor: shape ", shape, " has a negative dimension");
    if (__builtin_mul_overflow(bytes, dimension, &bytes))
      throw Error(Error::Kind::limit, "tensor: shape ", shape, " has more elements than memory can have");
  }
  if (device == Device::cpu) {
    memory_ = allocate_cpu(bytes);
    return;
  }
  if constexpr (cuda::kBuilt)
    memory_ = cuda::allocate(bytes);
  else
    throw Error(Error::Kind::device, "tensor: this build has no ", device, " device; use cpu");
}

Tensor Tensor::zeros(Shape shape, Device device) {
  Tensor t(shape);
  std::fill_n(t.data(), shape.size(), 0.0f);
  return t.to(device);
}

Tensor Tensor::from(Shape shape, std::span<const float> values) {
  Tensor t(shape);
  if (static_cast<int64_t>(values.size()) != shape.size())
    throw Error(Error::Kind::shape, "tensor: ", values.size(), " values do not fill shape ", shape);
  std::copy(values.begin(), values.end(), t.data());
  return t;
}

namespace {

void check_on_cpu(Device device) {
  if (device != Device::cpu)
    throw Error(Error::Kind::device, "tensor: its numbers are on ", device,
                ", on cpu was asked for; to(cpu) copies");
}

}  // namespace

void* Tensor::at_offset() const {
  return static_cast<char*>(memory_.get()) + offset_ * bytes_of(dtype_);
}

float* Tensor::data() {
  return const_cast<float*>(std::as_const(*this).data());
}

const float* Tensor::data() const {
  if (dtype_ != DType::f32)
    throw Error(Error::Kind::usage, "tensor: its type is ", dtype_,
                ", float32 was asked for; convert() it first");
  check_on_cpu(device_);
  return static_cast<const float*>(at_offset());
}

uint16_t* Tensor::bits() {
  return const_cast<uint16_t*>(std::as_const(*this).bits());
}

const uint16_t* Tensor::bits() const {
  if (dtype_ == DType::f32)
    throw Error(Error::Kind::usage,
                "tensor: its type is f32, a 16-bit type was asked for; convert() it first");
  check_on_cpu(device_);
  return static_cast<const uint16_t*>(at_offset());
}

Tensor Tensor::channels(int64_t begin, int64_t end) const {
  if (begin < 0 || begin > end || end > shape_.c)
    throw Error(Error::Kind::shape, "channels: ", begin, " to ", end, " of shape ", shape_);
  Tensor view = *this;
  view.shape_.c = end - begin;
  view.offset_ += begin;
  return view;
}

Tensor Tensor::part(int64_t first, Shape shape) const {
  if (!is_contiguous() || first < 0 || shape.size() > shape_.size() - first)
    throw Error(Error::Kind::shape, "part: ", shape, " from element ", first, " on of shape ", shape_,
                ", pixels ", pitch_, " elements apart");
  Tensor view = *this;
  view.shape_ = shape;
  view.pitch_ = shape.c;
  view.offset_ += first;
  return view;
}

Tensor Tensor::clone() const {
  if (!memory_) return {};
  if constexpr (cuda::kBuilt) {
    if (device_ == Device::cuda) return cuda::clone(*this);
  }
  Tensor copy(shape_, dtype_, device_);
  const int64_t element = bytes_of(dtype_);
  const auto* from = static_cast<const char*>(at_offset());
  auto* to = static_cast<char*>(copy.at_offset());
  const auto row = static_cast<size_t>(shape_.c * element);
  for (int64_t p = 0; p < shape_.pixels(); ++p)
    std::memcpy(to + p * shape_.c * element, from + p * pitch_ * element, row);
  return copy;
}

Tensor Tensor::to(Device device) const {
  if (!memory_ || device == device_) return *this;
  const Tensor packed = is_contiguous() ? *this : clone();
  Tensor copy(shape_, dtype_, device);
  if constexpr (cuda::kBuilt) {
    const int64_t bytes = shape_.size() * bytes_of(dtype_);
    if (device == Device::cuda) {
      cuda::copy_to_device(copy.address(), packed.address(), bytes);
    } else {
      cuda::finish_if_waiting(packed);
      cuda::copy_to_host(copy.address(), packed.address(), bytes);
    }
  }
  return copy;
}

std::vector<float> Tensor::to_vector() const {
  const Tensor packed = is_contiguous() ? *this : clone();
  const float* first = packed.data();
  return {first, first + shape_.size()};
}

namespace {

// Truncation of the low 16 bits after adding half a unit (to even); a NaN keeps its upper bits and stays a
// NaN.
uint16_t to_bf16(float value) {
  const auto u = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((u >> 16) | 0x40u);
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t to_f16(float value) {
  return std::bit_cast<uint16_t>(static_cast<_Float16>(value));
}

float from_f16(uint16_t bits) {
  return static_cast<float>(std::bit_cast<_Float16>(bits));
}

}  // namespace

Tensor convert(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::convert(x, dtype);
  }
  if (x.dtype() != DType::f32 && dtype != DType::f32) return convert(convert(x, DType::f32), dtype);
  const Tensor packed = x.is_contiguous() ? x : x.clone();
  Tensor y(x.shape(), dtype, x.device());
  const int64_t size = x.shape().size();
  if (dtype == DType::f32) {
    const auto from = x.dtype() == DType::bf16 ? from_bf16 : from_f16;
    for (int64_t i = 0; i < size; ++i) y.data()[i] = from(packed.bits()[i]);
  } else {
    const auto to = dtype == DType::bf16 ? to_bf16 : to_f16;
    for (int64_t i = 0; i < size; ++i) y.bits()[i] = to(packed.data()[i]);
  }
  return y;
}

}  // namespace sr

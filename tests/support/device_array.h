// Numbers in the device's memory, for as long as a test needs them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

#include "tensor/cuda/error.h"

namespace sr {

template <class T>
class DeviceArray {
 public:
  /// All bits set, which is NaN in every storage type.
  explicit DeviceArray(size_t size) : size_(size) {
    gpu::check(cudaMalloc(&data_, size * sizeof(T)), "DeviceArray");
    gpu::check(cudaMemset(data_, 0xff, size * sizeof(T)), "DeviceArray");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { set(values); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return static_cast<T*>(data_); }
  size_t size() const { return size_; }

  void set(const std::vector<T>& values) {
    gpu::check(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice), "DeviceArray");
  }
  /// Waits for what was asked before.
  std::vector<T> to_vector() const {
    std::vector<T> values(size_);
    gpu::check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), "DeviceArray");
    return values;
  }

 private:
  size_t size_;
  void* data_ = nullptr;
};

}  // namespace sr

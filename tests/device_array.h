// Numbers in the device's memory, for as long as a test needs them.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

#include "tensor/cuda_error.h"

namespace sr {

template <class T>
class DeviceArray {
 public:
  /// Uninitialised; the emulation fills it with NaN.
  explicit DeviceArray(size_t size) : size_(size) {
    gpu::check(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)), "DeviceArray");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    gpu::check(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice), "DeviceArray");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }

  /// Waits for what was asked before.
  std::vector<T> to_vector() const {
    std::vector<T> values(size_);
    gpu::check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), "DeviceArray");
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t size_;
};

}  // namespace sr

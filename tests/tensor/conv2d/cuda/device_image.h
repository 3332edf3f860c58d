// Images and channel views in the memory of the device, for tests of kernels.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <vector>

#include "tensor/tensor.h"
#include "tests/support/device_array.h"

namespace sr {

/// v as the storage type holds it, and its bytes.
inline float stored(DType storage, float v) {
  if (storage == DType::bf16) return __bfloat162float(__float2bfloat16_rn(v));
  return storage == DType::f16 ? __half2float(__float2half_rn(v)) : v;
}

inline void put(DType storage, unsigned char* to, float v) {
  if (storage == DType::f32) {
    std::memcpy(to, &v, 4);
  } else if (storage == DType::bf16) {
    const __nv_bfloat16_raw raw = __float2bfloat16_rn(v);
    std::memcpy(to, &raw, 2);
  } else {
    const __half_raw raw = __float2half_rn(v);
    std::memcpy(to, &raw, 2);
  }
}

inline float get(DType storage, const unsigned char* from) {
  if (storage == DType::f32) {
    float v;
    std::memcpy(&v, from, 4);
    return v;
  }
  if (storage == DType::bf16) {
    __nv_bfloat16_raw raw;
    std::memcpy(&raw, from, 2);
    return __bfloat162float(raw);
  }
  __half_raw raw;
  std::memcpy(&raw, from, 2);
  return __half2float(raw);
}

/// pixels x c values at a pitch, from channel `offset` on; NaN in between.
class DeviceImage {
 public:
  DeviceImage(DType storage, int64_t pixels, int64_t c, int64_t pitch, int64_t offset)
      : storage_(storage),
        pixels_(pixels),
        c_(c),
        pitch_(pitch),
        offset_(offset),
        memory_(static_cast<size_t>(pixels * pitch * bytes_of(storage))) {}
  DeviceImage(DType storage, int64_t pixels, int64_t c) : DeviceImage(storage, pixels, c, c, 0) {}

  void* data() const { return memory_.data() + offset_ * bytes_of(storage_); }
  int64_t pitch() const { return pitch_; }
  cuda::ChannelView view() const { return {data(), pitch_, c_}; }

  void set(const std::vector<float>& values) {
    std::vector<unsigned char> host = memory_.to_vector();
    for (int64_t p = 0; p < pixels_; ++p) {
      for (int64_t c = 0; c < c_; ++c)
        put(storage_, &host[at(p, c)], values[static_cast<size_t>(p * c_ + c)]);
    }
    memory_.set(host);
  }
  std::vector<float> values() const {
    const std::vector<unsigned char> host = memory_.to_vector();
    std::vector<float> values;
    for (int64_t p = 0; p < pixels_; ++p) {
      for (int64_t c = 0; c < c_; ++c) values.push_back(get(storage_, &host[at(p, c)]));
    }
    return values;
  }
  /// Whether nothing but the view's values was written.
  bool margins_untouched() const {
    std::vector<unsigned char> host = memory_.to_vector();
    for (int64_t p = 0; p < pixels_; ++p) {
      std::memset(&host[at(p, 0)], 0xff, static_cast<size_t>(c_ * bytes_of(storage_)));
    }
    for (const unsigned char byte : host) {
      if (byte != 0xff) return false;
    }
    return true;
  }

 private:
  size_t at(int64_t p, int64_t c) const {
    return static_cast<size_t>((p * pitch_ + offset_ + c) * bytes_of(storage_));
  }
  DType storage_;
  int64_t pixels_, c_, pitch_, offset_;
  DeviceArray<unsigned char> memory_;
};

}  // namespace sr

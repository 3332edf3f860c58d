// Storage types inside kernels: 16-byte vectors of float, bfloat16 or half to float32 and back.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "tensor/cuda/gpu.h"
#include "tensor/cuda/view.h"

namespace sr::cuda {

/// Elements of T in 16 bytes.
template <class T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Vector {
  T value[kWide<T>];
};

/// The first n of kVector elements as floats, zeros beyond. kVector is 1 or a multiple of kWide<T>; then all
/// of them are read 16 bytes at a time, from an address that is a multiple of 16.
template <int kVector, class T>
GPU_FN void load(const T* from, int n, float (&to)[kVector]) {
  static_assert(kVector == 1 || kVector % kWide<T> == 0);
  if (kVector > 1 && n >= kVector) {
#pragma unroll
    for (int j = 0; j < kVector / kWide<T>; ++j) {
      const Vector<T> all = reinterpret_cast<const Vector<T>*>(from)[j];
#pragma unroll
      for (int i = 0; i < kWide<T>; ++i) to[j * kWide<T> + i] = gpu::to_float(all.value[i]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) to[i] = i < n ? gpu::to_float(from[i]) : 0.0f;
  }
}

/// The reverse: writes the first n of kVector elements.
template <int kVector, class T>
GPU_FN void store(T* to, int n, const float (&from)[kVector]) {
  static_assert(kVector == 1 || kVector % kWide<T> == 0);
  if (kVector > 1 && n >= kVector) {
#pragma unroll
    for (int j = 0; j < kVector / kWide<T>; ++j) {
      uint32_t words[4];  // an array of 16-bit values would be stored one by one
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if constexpr (sizeof(T) == 2)
          words[i] = gpu::pack2<T>(from[8 * j + 2 * i], from[8 * j + 2 * i + 1]);
        else
          memcpy(&words[i], &from[4 * j + i], sizeof(float));
      }
      uint4 all;
      memcpy(&all, words, sizeof(all));
      reinterpret_cast<uint4*>(to)[j] = all;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i)
      if (i < n) to[i] = gpu::from_float<T>(from[i]);
  }
}

/// Calls f with a zero of the C++ type that belongs to `type`.
template <class F>
void with_storage(DType type, F&& f) {
  switch (type) {
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(__nv_bfloat16{});
    case DType::f16:
      return f(__half{});
  }
}

template <class T>
const T* as(ConstView view) {
  return static_cast<const T*>(view.data);
}
template <class T>
T* as(View view) {
  return static_cast<T*>(view.data);
}

/// Whether 16-byte accesses at every kWide<T>-th channel of a pixel are aligned.
template <class T>
bool is_wide(ConstView view) {
  return (reinterpret_cast<uintptr_t>(view.data) | static_cast<uintptr_t>(view.pitch) * sizeof(T)) % 16 == 0;
}

/// Calls f(zero, width) with a zero of the C++ type that belongs to `type` and the vector width that all of
/// the views allow, as a compile-time int.
template <class F>
void with_types(DType type, std::initializer_list<ConstView> views, F&& f) {
  with_storage(type, [&](auto zero) {
    using T = decltype(zero);
    bool wide = true;
    for (const ConstView& view : views) wide = wide && is_wide<T>(view);
    if (wide)
      f(zero, gpu::Int<kWide<T>>());
    else
      f(zero, gpu::Int<1>());
  });
}

}  // namespace sr::cuda

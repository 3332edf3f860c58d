// The columns of a product on Hopper (tensor/cuda/hopper.h) as output channels, and the words that a lane has
// of them.
#pragma once

#include "tensor/cuda/gpu.h"

namespace sr::cuda {

/// The output channel of a product's column: a lane, whose sums are columns 8j + 2t and 8j + 2t + 1 (t = lane
/// % 4), then holds neighbouring channels, 16 bytes where it can: with 16-bit values 8t to 8t + 7 of every 32
/// and 4t to 4t + 3 of 16 that remain, with float32 4t to 4t + 3 of every 16.
template <class T>
GPU_HD constexpr int channel_of(int columns, int column) {
  const int whole = sizeof(T) == 2 ? columns / 32 * 32 : 0;
  const int base = column < whole ? column / 32 * 32 : whole + (column - whole) / 16 * 16, q = column - base;
  return base + (column < whole ? 8 : 4) * (q % 8 / 2) + 2 * (q / 8) + q % 2;
}

/// W words of a pixel's values from memory, 16 or 8 bytes at once, and back.
template <int W>
GPU_FN void load_words(uint32_t* v, const void* p) {
  if constexpr (W == 4) {
    const uint4 u = *static_cast<const uint4*>(p);
    v[0] = u.x, v[1] = u.y, v[2] = u.z, v[3] = u.w;
  } else {
    const uint2 u = *static_cast<const uint2*>(p);
    v[0] = u.x, v[1] = u.y;
  }
}
template <int W>
GPU_FN void store_words(void* p, const uint32_t* v) {
  if constexpr (W == 4) {
    *static_cast<uint4*>(p) = make_uint4(v[0], v[1], v[2], v[3]);
  } else {
    *static_cast<uint2*>(p) = make_uint2(v[0], v[1]);
  }
}

}  // namespace sr::cuda

// ldmatrix and mma.sync for a whole warp; the lane layouts are those of tensor/cuda/tensor_core.h.
#pragma once

#include "tests/cuda_emulation/device.h"
#include "tests/cuda_emulation/hopper/wgmma.h"

namespace sr::emulation {

inline float from_bf16(uint32_t bits) {
  return __uint_as_float(bits << 16);
}
inline float from_f16(uint32_t bits) {
  const float scaled = __uint_as_float((bits & 0x7fff) << 13) * 0x1p112f;  // exact, subnormal numbers too
  const uint32_t magnitude =
      (bits & 0x7c00) == 0x7c00 ? 0x7f800000u | (bits & 0x3ff) << 13 : __float_as_uint(scaled);
  return __uint_as_float(magnitude | (bits & 0x8000) << 16);
}
inline float from_tf32(uint32_t bits) {
  return __uint_as_float(bits & 0xffffe000u);
}

/// ldmatrix.x4 on what the 32 lanes gave: the address of a row, where the registers go.
struct LoadMatrix {
  const void* row;
  uint32_t* registers;
  int line;
};
void load_matrices(void** lanes, bool transpose);

template <bool Trans>
SR_EMULATION_INLINE void ldmatrix_x4(uint32_t (&r)[4], const void* row, int line) {
  LoadMatrix mine{row, r, line};
  collective(~0u, load_matrix, line, &mine, [](void** lanes, uint32_t) { load_matrices(lanes, Trans); });
}

/// What a lane gives for a product of MI x NI tiles.
struct MultiplyTiles {
  float (*d)[4];           // tile (i, n) at d[i * NT + n]
  const uint32_t (*a)[4];  // tile i at a[i]
  const uint32_t (*b)[2];  // tile n at b[n]
};
/// One meeting of the lanes does all of the tiles; the device has an instruction for each.
void multiply_16_bit(void** lanes, Operands type, int mi, int ni, int nt);
void multiply_tf32_tiles(void** lanes, int mi, int ni, int nt);

template <Operands Type, int MI, int NI, int NT>
SR_EMULATION_INLINE void mma16(float (*d)[4], const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                               int line) {
  MultiplyTiles mine{d, a, b};
  collective(~0u, Type == Operands::bf16 ? multiply_bf16 : multiply_f16, line, &mine,
             [](void** lanes, uint32_t) { multiply_16_bit(lanes, Type, MI, NI, NT); });
}

template <int MI, int NI, int NT>
SR_EMULATION_INLINE void mma_tf32(float (*d)[4], const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                                  int line) {
  MultiplyTiles mine{d, a, b};
  collective(~0u, multiply_tf32, line, &mine,
             [](void** lanes, uint32_t) { multiply_tf32_tiles(lanes, MI, NI, NT); });
}

}  // namespace sr::emulation

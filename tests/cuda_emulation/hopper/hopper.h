// What tensor/cuda/hopper.h makes of the instructions it wraps. Only that includes this.
#pragma once

#include <cuda.h>

#include "tests/cuda_emulation/device.h"
#include "tests/cuda_emulation/hopper/wgmma.h"

namespace sr::emulation {

template <class T>
constexpr Operands operands() {
  if constexpr (std::is_same_v<T, __half>) return Operands::f16;
  if constexpr (std::is_same_v<T, __nv_bfloat16>) return Operands::bf16;
  static_assert(sizeof(T) == 2 || std::is_same_v<T, float>);
  return Operands::tf32;
}

void multiply_in_warpgroup(WarpgroupProduct& mine);
inline void wgmma_ss(Operands type, float* d, int n, uint64_t a, uint64_t b, bool trans_a, bool trans_b,
                     int line) {
  WarpgroupProduct mine{type, n, d, nullptr, a, b, trans_a, trans_b, line};
  multiply_in_warpgroup(mine);
}
inline void wgmma_rs(Operands type, float* d, int n, const uint32_t (&a)[4], uint64_t b, bool trans_b,
                     int line) {
  WarpgroupProduct mine{type, n, d, a, 0, b, false, trans_b, line};
  multiply_in_warpgroup(mine);
}
void wgmma_fence(int line);
void wgmma_commit(int line);
void wgmma_wait(int groups_left, int line);

void fence_async();
void named_barrier(int id, int threads, int line);

void barrier_init(uint64_t* barrier, int arrivals, int line);
void barrier_arrive(uint64_t* barrier, uint32_t bytes, int line);
void barrier_wait(uint64_t* barrier, uint32_t parity, int line);
void bulk_copy(void* to, const void* from, uint32_t bytes, uint64_t* barrier, int line);
void tensor_copy(void* to, const CUtensorMap& map, uint64_t* barrier, int c, int x, int y, int n, int line);

}  // namespace sr::emulation

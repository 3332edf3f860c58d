// Products on the tensor cores of every architecture since Ampere (PTX ISA, ldmatrix and mma). All 32 lanes
// of a warp must take part.
//
// With g = lane / 4 and t = lane % 4, a lane's registers hold, of the 16-bit matrices A (16 x 16) and B (16 x
// 8), two elements each, the first in the lower half, and of the float32 matrix D (16 x 8) one each:
//   a[0] = A[g][2t, 2t+1]    a[1] = A[g+8][2t, 2t+1]    a[2] = A[g][2t+8, 2t+9]    a[3] = A[g+8][2t+8, 2t+9]
//   b[0] = B[2t, 2t+1][g]    b[1] = B[2t+8, 2t+9][g]
//   d[0] = D[g][2t]          d[1] = D[g][2t+1]          d[2] = D[g+8][2t]          d[3] = D[g+8][2t+1]
// and of the TF32 matrices A (16 x 8) and B (8 x 8) one element each:
//   a[0] = A[g][t]           a[1] = A[g+8][t]           a[2] = A[g][t+4]           a[3] = A[g+8][t+4]
//   b[0] = B[t][g]           b[1] = B[t+4][g]
#pragma once

#include "tensor/cuda/gpu.h"

namespace sr::gpu {

/// Four 8 x 8 matrices of 16-bit elements from shared memory. Lane l gives the address (a multiple of 16) of
/// row l % 8 of matrix l / 8; r[j] becomes elements [g][2t] and [g][2t+1] of matrix j.
GPU_FN void ldmatrix_x4(uint32_t (&r)[4], const void* row, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#else
  emulation::ldmatrix_x4<false>(r, row, at.number);
#endif
}

/// The same with each matrix transposed: r[j] becomes elements [2t][g] and [2t+1][g] of matrix j.
GPU_FN void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#else
  emulation::ldmatrix_x4<true>(r, row, at.number);
#endif
}

#if defined(__CUDACC__)
/// d += a b for one tile: m16n8k16 with 16-bit operands, m16n8k8 with TF32.
GPU_FN void mma_tile_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
GPU_FN void mma_tile_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
GPU_FN void mma_tile_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

/// d[i][n0 + n] += a[i] b[n] for MI x NI tiles of a warp's MI x NT accumulators; bf16 operands.
template <int MI, int NI, int NT>
GPU_FN void mma_bf16(float (&d)[MI][NT][4], int n0, const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                     [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
#pragma unroll
  for (int i = 0; i < MI; ++i) {
#pragma unroll
    for (int n = 0; n < NI; ++n) mma_tile_bf16(d[i][n0 + n], a[i], b[n]);
  }
#else
  emulation::mma16<emulation::Operands::bf16, MI, NI, NT>(&d[0][n0], a, b, at.number);
#endif
}

/// The same with fp16 operands.
template <int MI, int NI, int NT>
GPU_FN void mma_f16(float (&d)[MI][NT][4], int n0, const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                    [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
#pragma unroll
  for (int i = 0; i < MI; ++i) {
#pragma unroll
    for (int n = 0; n < NI; ++n) mma_tile_f16(d[i][n0 + n], a[i], b[n]);
  }
#else
  emulation::mma16<emulation::Operands::f16, MI, NI, NT>(&d[0][n0], a, b, at.number);
#endif
}

/// The same with TF32 operands: float32 of which the hardware ignores the 13 lowest bits; to_tf32() rounds.
template <int MI, int NI, int NT>
GPU_FN void mma_tf32(float (&d)[MI][NT][4], int n0, const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                     [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
#pragma unroll
  for (int i = 0; i < MI; ++i) {
#pragma unroll
    for (int n = 0; n < NI; ++n) mma_tile_tf32(d[i][n0 + n], a[i], b[n]);
  }
#else
  emulation::mma_tf32<MI, NI, NT>(&d[0][n0], a, b, at.number);
#endif
}

}  // namespace sr::gpu

// What kernels for compute capability 9.0 (Hopper) are written with besides gpu.h: matrix products of four
// warps together (PTX ISA, wgmma), barriers in shared memory that count arrivals and bytes (mbarrier), copies
// by the copy engine (cp.async.bulk). Only for sm90/*.cu, which are compiled for this architecture
// alone, and for their tests.
#pragma once

#include "tensor/cuda/gpu.h"
#include "tensor/cuda/tensor_map.h"
#if defined(__CUDACC__)
#include "tensor/cuda/wgmma.h"
#else
#include "tests/cuda_emulation/hopper/hopper.h"
#endif

namespace sr::gpu {

// ---- Matrix products of a warpgroup: 128 threads, the first one's number a multiple of 128 ----
//
// d (64 x N) += a (64 x K) b (K x N), K = 16 with 16-bit operands, 8 with TF32. With warp w of the group, g =
// lane / 4 and t = lane % 4:
//   d[4j + 2r + e] is row 16w + 8r + g, column 8j + 2t + e;
//   a in registers: as tensor_core.h's A of rows 16w to 16w + 15.
// In shared memory an operand is named by a descriptor. In it, a unit is 16 bytes; a K-major matrix (the
// default) has K together, two units to a row (of A) or column (of B), and
//   without swizzle, eight rows' units of one half of K lie together in 128 bytes; lbo bytes on follows the
//     other half of K, sbo bytes on the next eight rows;
//   with swizzle, a row has 128, 64 or 32 bytes and the next row follows; sbo bytes on follow the next eight
//     rows, lbo is not used. Units change places as Swizzle says, by the bits of their addresses in shared
//     memory: the start may be moved on by whole rows, and within a row by 32 bytes for the next K.
// A transposed one (16-bit only) has M or N together:
//   without swizzle, eight rows of K with one unit (8 of M or N) each lie together in 128 bytes; sbo bytes on
//     follows the next unit of M or N, lbo bytes on the other half of K;
//   with swizzle, a row of K has 128, 64 or 32 bytes (64, 32 or 16 of M or N) and the next row of K follows;
//     sbo bytes on follow the next eight rows of K, lbo bytes on the next 64, 32 or 16 of M or N.
// The product goes on while the thread does. Until wgmma_wait() has seen its group through, neither d nor a's
// registers may be touched, nor may shared memory be overwritten that it reads.

/// A descriptor but for its start address, to which matrix_start() is added.
GPU_HD constexpr uint64_t matrix_descriptor(Swizzle swizzle, uint32_t lbo, uint32_t sbo) {
  return static_cast<uint64_t>(swizzle) << 62 | static_cast<uint64_t>((sbo & 0x3ffff) >> 4) << 32 |
         static_cast<uint64_t>((lbo & 0x3ffff) >> 4) << 16;
}
GPU_HD constexpr uint64_t matrix_start(uint32_t bytes) {
  return (bytes & 0x3ffff) >> 4;
}

/// d += a b, both by descriptor. T is __half, __nv_bfloat16, or float for TF32, whose operands are float32
/// with the 13 lowest bits ignored; N a multiple of 8 up to 256.
template <class T, int N, bool TransA = false, bool TransB = false>
GPU_FN void wgmma_ss(float (&d)[N / 2], uint64_t a, uint64_t b, [[maybe_unused]] Line at = Line::here()) {
  static_assert(N % 8 == 0 && N <= 256);
  static_assert(sizeof(T) == 2 || (!TransA && !TransB), "only 16-bit operands can be transposed");
#if defined(__CUDACC__)
  instruction::ss<T, TransA, TransB>(d, a, b);
#else
  emulation::wgmma_ss(emulation::operands<T>(), d, N, a, b, TransA, TransB, at.number);
#endif
}

/// The same with A in registers.
template <class T, int N, bool TransB = false>
GPU_FN void wgmma_rs(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b,
                     [[maybe_unused]] Line at = Line::here()) {
  static_assert(N % 8 == 0 && N <= 256);
  static_assert(sizeof(T) == 2 || !TransB, "only 16-bit operands can be transposed");
#if defined(__CUDACC__)
  instruction::rs<T, TransB>(d, a, b);
#else
  emulation::wgmma_rs(emulation::operands<T>(), d, N, a, b, TransB, at.number);
#endif
}

/// float32 bits rounded to TF32 but for the 13 lowest, which the product ignores: to_tf32() would clear them.
GPU_FN uint32_t rounded_operand(uint32_t bits) {
  constexpr uint32_t kInfinity = 0x7f800000;
  return bits + ((bits & kInfinity) != kInfinity ? 0x1000 : 0);
}

/// Orders what the thread did to registers before the products that follow: needed before the first one, and
/// whenever d or a were written by other means.
GPU_FN void wgmma_fence([[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  emulation::wgmma_fence(at.number);
#endif
}

/// The products since the last commit become a group.
GPU_FN void wgmma_commit([[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  emulation::wgmma_commit(at.number);
#endif
}

/// Waits until at most the N newest groups are under way.
template <int N>
GPU_FN void wgmma_wait([[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#else
  emulation::wgmma_wait(N, at.number);
#endif
}

/// Keeps the compiler from moving what it does with these registers past this place: to be called between a
/// wait and what reads d.
template <int N>
GPU_FN void pin([[maybe_unused]] float (&d)[N]) {
#if defined(__CUDACC__)
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
#endif
}

/// The same of A's registers, between what computes them and wgmma_fence().
GPU_FN void pin([[maybe_unused]] uint32_t (&a)[4]) {
#if defined(__CUDACC__)
  asm volatile("" : "+r"(a[0]), "+r"(a[1]), "+r"(a[2]), "+r"(a[3])::"memory");
#endif
}

/// The thread's ordinary stores to shared memory become visible to products and the copy engine; other
/// threads' after a barrier that follows on their fence.
GPU_FN void fence_async() {
#if defined(__CUDACC__)
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  emulation::fence_async();
#endif
}

/// A barrier of the calling thread's warpgroup; id 1 to 15, another one for each warpgroup of a block.
GPU_FN void warpgroup_barrier(int id, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("bar.sync %0, 128;" ::"r"(id) : "memory");
#else
  emulation::named_barrier(id, 128, at.number);
#endif
}

// ---- Barriers in shared memory (PTX ISA, mbarrier) and the copies that signal them ----
//
// A phase ends when all arrivals have come and all bytes that were expected have landed; then the next
// begins, with as many arrivals. Phases have parity 0, 1, 0, ...

struct alignas(8) Barrier {
  uint64_t bits;
};

/// By one thread; then barrier_init_done(), then a barrier of the block.
GPU_FN void barrier_init(Barrier* barrier, int arrivals, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
#else
  emulation::barrier_init(&barrier->bits, arrivals, at.number);
#endif
}

/// Copies may signal the barriers that this thread has initialised.
GPU_FN void barrier_init_done() {
#if defined(__CUDACC__)
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
  fence_async();
}

/// Arrives, and lets the phase wait for so many bytes more.
GPU_FN void barrier_expect(Barrier* barrier, uint32_t bytes, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
#else
  emulation::barrier_arrive(&barrier->bits, bytes, at.number);
#endif
}

GPU_FN void barrier_arrive(Barrier* barrier, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#else
  emulation::barrier_arrive(&barrier->bits, 0, at.number);
#endif
}

#if defined(__CUDACC__)
GPU_FN bool barrier_passed(const Barrier* barrier, uint32_t parity) {
  uint32_t passed;
  asm volatile(
      "{\n.reg .pred p;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.b32 %0, 1, 0, p;\n}\n"
      : "=r"(passed)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return passed != 0;
}
#endif

/// Waits for the end of the current phase if it has this parity; nothing if it was the phase before that has.
/// After about a second it gives up, which ends the kernel with an error instead of hanging.
GPU_FN void barrier_wait(Barrier* barrier, uint32_t parity, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  if (barrier_passed(barrier, parity)) return;
  const long long start = clock64();
  while (!barrier_passed(barrier, parity)) {
    if (clock64() - start > 2000000000LL) __trap();
  }
#else
  emulation::barrier_wait(&barrier->bits, parity, at.number);
#endif
}

/// Starts a copy from global to shared memory that signals the barrier; addresses and bytes are multiples of
/// 16. By one thread.
GPU_FN void bulk_copy(void* to, const void* from, uint32_t bytes, Barrier* barrier,
                      [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
#else
  emulation::bulk_copy(to, from, bytes, &barrier->bits, at.number);
#endif
}

/// The same of the box of `map` whose first element is at these places of the image: [box_h][box_w] rows of
/// channels, swizzled by the bits of their addresses. `to` is a multiple of 128 bytes. What lies outside of
/// the image becomes zeros, and counts among the bytes.
GPU_FN void tensor_copy(void* to, const TensorMap* map, Barrier* barrier, int c, int x, int y, int n,
                        [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, "
      "%6}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c), "r"(x), "r"(y), "r"(n)
      : "memory");
#else
  emulation::tensor_copy(to, map->map, &barrier->bits, c, x, y, n, at.number);
#endif
}

}  // namespace sr::gpu

// What a kernel calls: CUDA's names for a host compiler, and what tensor/cuda/gpu.h makes of the instructions
// it wraps. Only tensor/cuda/gpu.h includes this.
#pragma once

#ifdef __CUDACC__
#error "nvcc has the real thing"
#endif

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

// Compiled for races, functions of the emulation called by kernels are not part of the kernel: what they
// touch on the kernel's behalf they say themselves.
#define SR_EMULATION_INLINE __attribute__((no_sanitize("thread"))) inline

#undef __shared__
#define __shared__ "use GPU_SHARED or gpu::Smem"
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif

// All threads of a block run on one thread of the system, which sets threadIdx as it switches between them.
inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace sr::emulation {

void* static_shared(size_t bytes, size_t align);
void* dynamic_shared(size_t bytes, size_t align);
uint32_t shared_address(const void* p);
void cp_async(void* dst, const void* src, int bytes, bool pred, int line);
void cp_commit();
void cp_wait(int groups_left);
uint32_t to_tf32(float x);

int lane();
void barrier(int line);
int barrier_reduce(int value, int (*combine)(int, int), int line);
void report(const char* what);
void note_atomic(const void* p, size_t bytes);

/// Which instruction the lanes of a warp meet in.
enum Operation {
  sync_warp,
  shuffle,
  ballot,
  load_matrix,
  multiply_bf16,
  multiply_f16,
  multiply_tf32,
  multiply_warpgroup,
  fence_products,
  commit_products,
  wait_for_products
};

/// The last lane of `mask` to come acts for all: `arguments` holds what each lane gave.
void collective(uint32_t mask, Operation operation, int line, void* argument,
                void (*act)(void** arguments, uint32_t mask));

void wait_for_earlier_kernels();
void let_later_kernels_start();

/// Runs kernel() in every thread; `early`: it may begin before the stream's earlier kernels end. What the
/// device would refuse or the emulation finds gives an error.
cudaError_t launch_grid(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, bool early,
                        std::function<void()> kernel);

template <class... P>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   bool early, std::type_identity_t<P>... args) {
  return launch_grid(grid, block, shared_bytes, stream, early, [=] { kernel(args...); });
}

/// Every lane's value goes to the lanes that name it as `source`; a lane whose source is -1 keeps its own.
template <class T>
SR_EMULATION_INLINE T exchange(uint32_t mask, T value, int source, int line) {
  struct Argument {
    T given, taken;
    int source;
  } mine{value, value, source};
  collective(mask, shuffle, line, &mine, [](void** arguments, uint32_t lanes) {
    for (int l = 0; l < 32; ++l) {
      if ((lanes >> l & 1) == 0) continue;
      Argument& to = *static_cast<Argument*>(arguments[l]);
      if (to.source < 0) continue;
      if ((lanes >> to.source & 1) == 0) {
        report("a shuffle reads from a lane outside its mask");
      } else {
        to.taken = static_cast<Argument*>(arguments[to.source])->given;
      }
    }
  });
  return mine.taken;
}

}  // namespace sr::emulation

// ---- Barriers ----

inline void __syncthreads(int line = __builtin_LINE()) {
  sr::emulation::barrier(line);
}
inline int __syncthreads_or(int value, int line = __builtin_LINE()) {
  return sr::emulation::barrier_reduce(
      value != 0, [](int a, int b) { return a | b; }, line);
}
inline int __syncthreads_and(int value, int line = __builtin_LINE()) {
  return sr::emulation::barrier_reduce(
      value != 0, [](int a, int b) { return a & b; }, line);
}
inline int __syncthreads_count(int value, int line = __builtin_LINE()) {
  return sr::emulation::barrier_reduce(
      value != 0, [](int a, int b) { return a + b; }, line);
}
inline void __syncwarp(uint32_t mask = ~0u, int line = __builtin_LINE()) {
  sr::emulation::collective(mask, sr::emulation::sync_warp, line, nullptr, [](void**, uint32_t) {});
}

// ---- Between the lanes of a warp ----

template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32, int line = __builtin_LINE()) {
  const int first = sr::emulation::lane() & ~(width - 1);
  return sr::emulation::exchange(mask, value, first | (source & (width - 1)), line);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32, int line = __builtin_LINE()) {
  const int lane = sr::emulation::lane(), source = lane ^ lanes;
  return sr::emulation::exchange(mask, value, source / width <= lane / width ? source : -1, line);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned lanes, int width = 32, int line = __builtin_LINE()) {
  const int lane = sr::emulation::lane(), source = lane + static_cast<int>(lanes);
  return sr::emulation::exchange(mask, value, source / width == lane / width ? source : -1, line);
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned lanes, int width = 32, int line = __builtin_LINE()) {
  const int lane = sr::emulation::lane(), source = lane - static_cast<int>(lanes);
  return sr::emulation::exchange(mask, value, source >= lane / width * width ? source : -1, line);
}
SR_EMULATION_INLINE uint32_t __ballot_sync(uint32_t mask, int vote, int line = __builtin_LINE()) {
  struct Argument {
    int vote;
    uint32_t votes;
  } mine{vote, 0};
  sr::emulation::collective(mask, sr::emulation::ballot, line, &mine, [](void** arguments, uint32_t lanes) {
    uint32_t votes = 0;
    for (int l = 0; l < 32; ++l) {
      if ((lanes >> l & 1) != 0 && static_cast<Argument*>(arguments[l])->vote != 0) votes |= 1u << l;
    }
    for (int l = 0; l < 32; ++l) {
      if ((lanes >> l & 1) != 0) static_cast<Argument*>(arguments[l])->votes = votes;
    }
  });
  return mine.votes;
}
inline int __any_sync(uint32_t mask, int vote, int line = __builtin_LINE()) {
  return __ballot_sync(mask, vote, line) != 0;
}
inline int __all_sync(uint32_t mask, int vote, int line = __builtin_LINE()) {
  return __ballot_sync(mask, vote, line) == mask;
}

// ---- Atomics: blocks on other threads of the system see them as the device's other blocks do ----

template <class T>
SR_EMULATION_INLINE T atomicAdd(T* p, T value) {
  sr::emulation::note_atomic(p, sizeof(T));
  if constexpr (std::is_integral_v<T>) {
    return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
  } else {
    T old, sum;
    __atomic_load(p, &old, __ATOMIC_RELAXED);
    do {
      sum = old + value;
    } while (!__atomic_compare_exchange(p, &old, &sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
  }
}
template <class T>
SR_EMULATION_INLINE T atomicMax(T* p, T value) {
  sr::emulation::note_atomic(p, sizeof(T));
  T old;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  while (old < value &&
         !__atomic_compare_exchange(p, &old, &value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
SR_EMULATION_INLINE T atomicCAS(T* p, T expected, T value) {
  sr::emulation::note_atomic(p, sizeof(T));
  __atomic_compare_exchange(p, &expected, &value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
inline void __threadfence() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
inline void __threadfence_block() {}

// ---- Arithmetic ----

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline uint32_t __float_as_uint(float x) {
  return std::bit_cast<uint32_t>(x);
}
inline float __uint_as_float(uint32_t x) {
  return std::bit_cast<float>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __saturatef(float x) {
  return x > 0.0f ? std::min(x, 1.0f) : 0.0f;
}
inline int __popc(uint32_t x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<uint32_t>(x));
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<uint32_t>(x)) + 1;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) {
  return static_cast<uint32_t>(uint64_t{a} * b >> 32);
}
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}

#include "tests/cuda_emulation/tensor_core.h"

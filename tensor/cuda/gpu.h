// What kernels are written with. Only this file, tensor_core.h and hopper.h know who compiles them: nvcc
// gives the instructions of a GPU, any other compiler the emulation that the tests bring
// (tests/cuda_emulation), which runs the same source on the host. A kernel (*.cu) uses CUDA's own __global__,
// threadIdx, __syncthreads, __shfl_*_sync and what is here; never <<<>>>, bare __shared__ or inline PTX.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/cuda/error.h"
#if !defined(__CUDACC__)
#include "tests/cuda_emulation/device.h"
#endif

#if defined(__CUDACC__)
#define GPU_FN __device__ __forceinline__  // a function for kernels
#define GPU_HD __host__ __device__         // a function for kernels and the host
// T name[n] in shared memory, at a multiple of 16 bytes, n a constant; all threads of a block must come by,
// in the same order.
#define GPU_SHARED(T, name, n) __shared__ __align__(16) T name[n]
#else
#define GPU_FN inline
#define GPU_HD
#define GPU_SHARED(T, name, n) \
  T* const name = static_cast<T*>(::sr::emulation::static_shared(sizeof(T) * (n), 16))
#endif

namespace sr::gpu {

using Stream = cudaStream_t;

/// Where a kernel is started: made from a stream by the call of launch(), it knows the calling function's
/// name.
struct LaunchSite {
  LaunchSite(Stream s, const char* caller = __builtin_FUNCTION()) : stream(s), function(caller) {}
  Stream stream;
  const char* function;
};

/// Runs kernel(args...) on `grid` blocks of `block` threads with `shared_bytes` of dynamic shared memory.
/// Errors: device, naming the calling function: a launch the device refuses, or an earlier kernel's failure.
template <class... P>
inline void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, LaunchSite site,
                   std::type_identity_t<P>... args) {
#if defined(__CUDACC__)
  if (shared_bytes > 48 * 1024) {  // more than every device has must be asked for
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          site.function);
  }
  void* pointers[] = {&args..., nullptr};
  check(cudaLaunchKernel(kernel, grid, block, pointers, shared_bytes, site.stream), site.function);
#else
  check(emulation::launch(kernel, grid, block, shared_bytes, site.stream, false, args...), site.function);
#endif
}

#if defined(__CUDACC__)
// Whether the instructions below are in the kernel: whether it was made from PTX of compute capability 9.0 or
// later.
template <class K>
inline bool can_start_early(K* kernel, const char* function) {
  cudaFuncAttributes attributes{};
  check(cudaFuncGetAttributes(&attributes, kernel), function);
  return attributes.ptxVersion >= 90;
}
#endif

/// The same for a kernel that calls wait_for_earlier_kernels() before it reads or writes anything that
/// another kernel does: it may start while the kernel before it in the stream still runs, once all blocks of
/// that one have ended or called let_later_kernels_start(). (Programmatic dependent launch; without PTX of
/// compute capability 9.0, as launch().)
template <class... P>
inline void launch_early(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, LaunchSite site,
                         std::type_identity_t<P>... args) {
#if defined(__CUDACC__)
  if (!can_start_early(kernel, site.function)) {
    launch(kernel, grid, block, shared_bytes, site, args...);
    return;
  }
  if (shared_bytes > 48 * 1024) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared_bytes)),
          site.function);
  }
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = site.stream;
  config.attrs = &early;
  config.numAttrs = 1;
  check(cudaLaunchKernelEx(&config, kernel, args...), site.function);
#else
  check(emulation::launch(kernel, grid, block, shared_bytes, site.stream, true, args...), site.function);
#endif
}

/// In a kernel started by launch_early(), by every thread that touches what other kernels do: waits until the
/// kernels before it in the stream have ended. Nothing in another kernel.
GPU_FN void wait_for_earlier_kernels() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#elif !defined(__CUDACC__)
  emulation::wait_for_earlier_kernels();
#endif
}

/// The kernel that follows may start, if by launch_early(), when all blocks of this one have called it or
/// ended. What this kernel writes that one sees after its own wait, whenever this is called. If each thread
/// calls it after its wait, only this kernel still runs beside the one that follows: what was written before
/// this one was started, that one may read before its wait.
GPU_FN void let_later_kernels_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#elif !defined(__CUDACC__)
  emulation::let_later_kernels_start();
#endif
}

/// The source line of a call, for what the emulation reports; nothing under nvcc.
struct Line {
#if defined(__CUDACC__)
  GPU_FN static Line here() {
    return {};
  }
#else
  int number;
  static Line here(int line = __builtin_LINE()) {
    return {line};
  }
#endif
};

/// An int known at compile time that can be a lambda's argument. (std::integral_constant is for the host
/// only.)
template <int V>
struct Int {
  static constexpr int value = V;
  GPU_HD constexpr operator int() const { return V; }
};

/// f(Int<0>()), ..., f(Int<N-1>()): a loop whose index is a constant, which an accumulator's index must be to
/// stay in registers.
template <int N, int I = 0, class F>
GPU_FN void static_for(F&& f) {
  if constexpr (I < N) {
    f(Int<I>());
    static_for<N, I + 1>(f);
  }
}

/// Carves the dynamic shared memory of a launch into arrays, in the order of the calls, which must be the
/// same in all threads of a block.
class Smem {
 public:
#if defined(__CUDACC__)
  GPU_FN Smem() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ __align__(1024) unsigned char dynamic_shared_memory[];
#else
    extern __shared__ __align__(128) unsigned char dynamic_shared_memory[];
#endif
    base_ = dynamic_shared_memory;
  }
#endif

  /// n elements, uninitialised; the address is a multiple of `align` (at most 128; 1024 in sm90/*.cu).
  template <class T>
  GPU_FN T* get(int n, int align = 16) {
    const auto bytes = static_cast<unsigned>(n) * static_cast<unsigned>(sizeof(T));
#if defined(__CUDACC__)
    const auto step = static_cast<unsigned>(align);
    T* const array = reinterpret_cast<T*>(base_ + (used_ + step - 1) / step * step);
    used_ = (used_ + step - 1) / step * step + bytes;
    return array;
#else
    return static_cast<T*>(emulation::dynamic_shared(bytes, static_cast<unsigned>(align)));
#endif
  }

#if defined(__CUDACC__)
 private:
  unsigned char* base_;
  unsigned used_ = 0;
#endif
};

// ---- Copies from global to shared memory that go on while the thread does (PTX ISA, cp.async) ----

/// The address as the instructions for shared memory have it.
GPU_FN uint32_t shared_address(const void* p) {
#if defined(__CUDACC__)
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
#else
  return emulation::shared_address(p);
#endif
}

/// Starts a copy of 16 bytes, both addresses multiples of 16; zeros if !pred, and src is then not read.
GPU_FN void cp_async16(void* dst, const void* src, bool pred, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(dst)), "l"(src),
               "r"(pred ? 16 : 0)
               : "memory");
#else
  emulation::cp_async(dst, src, 16, pred, at.number);
#endif
}

/// The same for 4 bytes.
GPU_FN void cp_async4(void* dst, const void* src, bool pred, [[maybe_unused]] Line at = Line::here()) {
#if defined(__CUDACC__)
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(dst)), "l"(src),
               "r"(pred ? 4 : 0)
               : "memory");
#else
  emulation::cp_async(dst, src, 4, pred, at.number);
#endif
}

/// The thread's copies since the last commit become a group.
GPU_FN void cp_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulation::cp_commit();
#endif
}

/// Waits until at most the N newest of the thread's groups are under way. Other threads see the data after a
/// barrier.
template <int N>
GPU_FN void cp_wait() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
  emulation::cp_wait(N);
#endif
}

// ---- Storage types: T is float, __nv_bfloat16 or __half ----

template <class T>
GPU_FN float to_float(T x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __bfloat162float(x);
  } else if constexpr (std::is_same_v<T, __half>) {
    return __half2float(x);
  } else {
    return x;
  }
}

/// Rounds to nearest even.
template <class T>
GPU_FN T from_float(float x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(x);
  } else if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(x);
  } else {
    return x;
  }
}

/// Two values of a 16-bit type T in one register, `lo` in the lower half.
template <class T>
GPU_FN uint32_t pack2(float lo, float hi) {
  static_assert(sizeof(T) == 2);
  uint32_t bits;
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(lo, hi);
    memcpy(&bits, &pair, sizeof(bits));
  } else {
    const __half2 pair = __floats2half2_rn(lo, hi);
    memcpy(&bits, &pair, sizeof(bits));
  }
  return bits;
}

/// The inverse: x is the lower half.
template <class T>
GPU_FN float2 unpack2(uint32_t bits) {
  static_assert(sizeof(T) == 2);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    __nv_bfloat162 pair;
    memcpy(static_cast<void*>(&pair), &bits, sizeof(bits));
    return __bfloat1622float2(pair);
  } else {
    __half2 pair;
    memcpy(static_cast<void*>(&pair), &bits, sizeof(bits));
    return __half22float2(pair);
  }
}

/// Sums of the two pairs, each rounded.
template <class T>
GPU_FN uint32_t add2(uint32_t a, uint32_t b) {
  static_assert(sizeof(T) == 2);
  using Pair = std::conditional_t<std::is_same_v<T, __nv_bfloat16>, __nv_bfloat162, __half2>;
  Pair x, y;
  memcpy(static_cast<void*>(&x), &a, sizeof(a));
  memcpy(static_cast<void*>(&y), &b, sizeof(b));
  const Pair sum = __hadd2(x, y);
  memcpy(&a, &sum, sizeof(a));
  return a;
}

/// The bits of x rounded to TF32 (10 bits of mantissa), ties away from zero: cvt.rna.tf32.f32.
GPU_FN uint32_t to_tf32(float x) {
#if defined(__CUDACC__)
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  return emulation::to_tf32(x);
#endif
}

}  // namespace sr::gpu

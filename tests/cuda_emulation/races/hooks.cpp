// What the compiler calls in files compiled with -fsanitize=thread. The sanitizer's own library, which would
// define these, is not linked: it looks for races between the system's threads, of which a block has one.
#include "tests/cuda_emulation/races/races.h"

#ifndef __SANITIZE_ADDRESS__  // its library defines some of them

using sr::emulation::AccessKind;

#define SR_NOTE_SIZE(bytes)                                                                  \
  void __tsan_read##bytes(void* p) {                                                         \
    sr::emulation::note_access_at(p, bytes, AccessKind::read, __builtin_return_address(0));  \
  }                                                                                          \
  void __tsan_write##bytes(void* p) {                                                        \
    sr::emulation::note_access_at(p, bytes, AccessKind::write, __builtin_return_address(0)); \
  }                                                                                          \
  void __tsan_unaligned_read##bytes(void* p) {                                               \
    sr::emulation::note_access_at(p, bytes, AccessKind::read, __builtin_return_address(0));  \
  }                                                                                          \
  void __tsan_unaligned_write##bytes(void* p) {                                              \
    sr::emulation::note_access_at(p, bytes, AccessKind::write, __builtin_return_address(0)); \
  }

// Atomics of the host's code beside the kernels (shared_ptr, static locals); kernels' own are in device.h.
#define SR_ATOMICS(bits, T)                                                                        \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                         \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                   \
  }                                                                                                \
  void __tsan_atomic##bits##_store(volatile T* p, T x, int) {                                      \
    __atomic_store_n(p, x, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                \
  T __tsan_atomic##bits##_exchange(volatile T* p, T x, int) {                                      \
    return __atomic_exchange_n(p, x, __ATOMIC_SEQ_CST);                                            \
  }                                                                                                \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T x, int) {                                     \
    return __atomic_fetch_add(p, x, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T x, int) {                                     \
    return __atomic_fetch_sub(p, x, __ATOMIC_SEQ_CST);                                             \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T x, int, int) {   \
    return __atomic_compare_exchange_n(p, expected, x, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }                                                                                                \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* expected, T x, int, int) {     \
    return __atomic_compare_exchange_n(p, expected, x, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
  }

extern "C" {
void __tsan_init() {
  sr::emulation::search_races();
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
SR_NOTE_SIZE(1)
SR_NOTE_SIZE(2)
SR_NOTE_SIZE(4)
SR_NOTE_SIZE(8)
SR_NOTE_SIZE(16)
void __tsan_read_range(void* p, unsigned long bytes) {
  sr::emulation::note_access_at(p, bytes, AccessKind::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, unsigned long bytes) {
  sr::emulation::note_access_at(p, bytes, AccessKind::write, __builtin_return_address(0));
}
SR_ATOMICS(8, char)
SR_ATOMICS(32, int)
SR_ATOMICS(64, long)
}

#endif

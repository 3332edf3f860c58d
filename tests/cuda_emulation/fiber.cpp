#include "tests/cuda_emulation/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef __x86_64__
#error "switch_stack is written for x86-64"
#endif

// Saves the registers that a callee must keep, and the stack pointer at *save; goes on at stack pointer `to`.
extern "C" void switch_stack(void** save, void* to);
__asm__(
    ".text\n.p2align 4\n.globl switch_stack\n.hidden switch_stack\n.type "
    "switch_stack,@function\nswitch_stack:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp,(%rdi)\n  mov %rsi,%rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n  ret\n"
    ".size switch_stack,.-switch_stack\n");

namespace sr::emulation {

namespace {

constexpr size_t kPage = 4096;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kStackBytes = 256 * 1024;
#else
constexpr size_t kStackBytes = 64 * 1024;
#endif
constexpr size_t kStep = kStackBytes + kPage;

thread_local Context* t_previous = nullptr;

void arrived([[maybe_unused]] void* fake_stack) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, &t_previous->stack, &t_previous->stack_bytes);
#endif
}

}  // namespace

void switch_context(Context& from, Context& to, [[maybe_unused]] bool ends) {
  t_previous = &from;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.stack, to.stack_bytes);
#endif
  switch_stack(&from.stack_pointer, to.stack_pointer);
  arrived(from.fake_stack);
}

void fiber_has_started() {
  arrived(nullptr);
}

Stacks::~Stacks() {
  if (memory_ != nullptr) munmap(memory_, static_cast<size_t>(count_) * kStep);
}

void Stacks::reserve(int count) {
  if (count <= count_) return;
  if (memory_ != nullptr) munmap(memory_, static_cast<size_t>(count_) * kStep);
  void* const memory = mmap(nullptr, static_cast<size_t>(count) * kStep, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  count_ = count;
  for (int i = 0; i < count; ++i) mprotect(memory_ + static_cast<size_t>(i) * kStep, kPage, PROT_NONE);
}

Context Stacks::start(int number, void (*entry)()) {
  Context context;
  char* const stack = memory_ + static_cast<size_t>(number) * kStep + kPage;
  context.stack = stack;
  context.stack_bytes = kStackBytes;
  // The tops are staggered: equal offsets in equally spaced stacks would share a few sets of the cache.
  const size_t stagger = static_cast<size_t>(number % 61) * 64;
  void** top = reinterpret_cast<void**>(stack + kStackBytes - stagger);
  *--top = nullptr;                         // entry() finds the stack aligned as after a call
  *--top = reinterpret_cast<void*>(entry);  // where switch_stack returns to
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.stack_pointer = top;
  return context;
}

}  // namespace sr::emulation

// Threads that take turns on one thread of the system.
#pragma once

#include <cstddef>

namespace sr::emulation {

/// Where a fiber goes on, and its stack. The system's own thread has one too, with nothing filled in.
struct Context {
  void* stack_pointer = nullptr;
  const void* stack = nullptr;  // lowest byte
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
};

/// Leaves `from`, to go on there at the next switch to it, and goes on in `to`. `ends`: `from` never goes on.
void switch_context(Context& from, Context& to, bool ends = false);

/// Stacks of equal size, each with an inaccessible page below it.
class Stacks {
 public:
  Stacks() = default;
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  ~Stacks();

  /// At least `count` stacks; those there were may be gone.
  void reserve(int count);
  /// A fiber that starts with entry(), which never returns, when first switched to.
  Context start(int number, void (*entry)());

 private:
  char* memory_ = nullptr;
  int count_ = 0;
};

/// The first thing `entry` does.
void fiber_has_started();

}  // namespace sr::emulation

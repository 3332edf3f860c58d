#include "tests/cuda_emulation/device.h"

#include <string>

#include "tests/cuda_emulation/block.h"

namespace sr::emulation {

void* static_shared(size_t bytes, size_t align) {
  return Block::current()->carve(bytes, align, true);
}
void* dynamic_shared(size_t bytes, size_t align) {
  return Block::current()->carve(bytes, align, false);
}

uint32_t shared_address(const void* p) {
  return Block::current()->shared_address(p);
}

void cp_async(void* dst, const void* src, int bytes, bool pred, int line) {
  Block::current()->cp_async(dst, src, bytes, pred, line);
}
void cp_commit() {
  Block::current()->cp_commit();
}
void cp_wait(int groups_left) {
  Block::current()->cp_wait(groups_left);
}

void wait_for_earlier_kernels() {
  Block::current()->wait_for_earlier_kernels();
}

void let_later_kernels_start() {
  Block::current()->let_later_kernels_start();
}

uint32_t to_tf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  if (std::isnan(x)) return 0x7fffffff;  // as the instruction gives
  return std::isinf(x) ? bits : (bits + 0x1000) & 0xffffe000u;
}

int lane() {
  return Block::current()->lane();
}
void barrier(int line) {
  Block::current()->barrier(line);
}
int barrier_reduce(int value, int (*combine)(int, int), int line) {
  return Block::current()->barrier_reduce(value, combine, line);
}
void collective(uint32_t mask, Operation operation, int line, void* argument,
                void (*act)(void** arguments, uint32_t mask)) {
  Block::current()->collective(mask, operation, line, argument, act);
}
void report(const char* what) {
  report(std::string(what));
}
void note_atomic(const void* p, size_t bytes) {
  if (finds_races()) note_access_at(p, bytes, AccessKind::atomic, __builtin_return_address(0));
}

}  // namespace sr::emulation

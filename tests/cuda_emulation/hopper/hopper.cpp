#include "tests/cuda_emulation/hopper/hopper.h"

#include <string>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/hopper/tensor_map.h"

namespace sr::emulation {

namespace {

Async& async() {
  return Block::current()->async;
}

}  // namespace

void multiply_in_warpgroup(WarpgroupProduct& mine) {
  collective(~0u, multiply_warpgroup, mine.line, &mine,
             [](void** lanes, uint32_t) { Block::current()->products.issue(lanes); });
}

void wgmma_fence(int line) {
  collective(~0u, fence_products, line, nullptr,
             [](void**, uint32_t) { Block::current()->products.fence(); });
}
void wgmma_commit(int line) {
  collective(~0u, commit_products, line, nullptr,
             [](void**, uint32_t) { Block::current()->products.commit(); });
}
void wgmma_wait(int groups_left, int line) {
  collective(~0u, wait_for_products, line, &groups_left,
             [](void** lanes, uint32_t) { Block::current()->products.wait(*static_cast<int*>(lanes[0])); });
}

void fence_async() {
  Block::current()->clocks.turn_on();
  Block::current()->fence_async();
}
void named_barrier(int id, int threads, int line) {
  async().named_barrier(id, threads, line);
}

void barrier_init(uint64_t* barrier, int arrivals, int line) {
  async().init(barrier, arrivals, line);
}
void barrier_arrive(uint64_t* barrier, uint32_t bytes, int line) {
  async().arrive(barrier, bytes, line);
}
void barrier_wait(uint64_t* barrier, uint32_t parity, int line) {
  async().wait(barrier, parity, line);
}

void bulk_copy(void* to, const void* from, uint32_t bytes, uint64_t* barrier, int line) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0 ||
      bytes % 16 != 0) {
    report("bulk copy in line " + std::to_string(line) + ": addresses and bytes must be multiples of 16");
  }
  async().copy(barrier, {{static_cast<char*>(to), static_cast<const char*>(from), bytes}}, line);
}

void tensor_copy(void* to, const CUtensorMap& map, uint64_t* barrier, int c, int x, int y, int n, int line) {
  if (reinterpret_cast<uintptr_t>(to) % 128 != 0) {
    report("tensor copy in line " + std::to_string(line) + ": the destination must be a multiple of 128");
  }
  const uint32_t address = shared_address(to);
  async().copy(barrier, box_of(map, static_cast<char*>(to) - address, address, c, x, y, n), line);
}

}  // namespace sr::emulation

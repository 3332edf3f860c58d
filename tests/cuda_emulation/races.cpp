#include "tests/cuda_emulation/races.h"

#include <cstdlib>
#include <limits>
#include <new>

#include "tests/cuda_emulation/block.h"

extern "C" const char __executable_start;  // the linker's

namespace sr::emulation {

namespace {

constexpr int32_t kLanes = -2, kWarps = -3;  // read by several lanes of one warp, by several warps
constexpr uint32_t kBlocks = std::numeric_limits<uint32_t>::max();  // read by several blocks

bool g_instrumented = false;
thread_local bool t_noting = false;

bool same_interval(const Access& before, const Access& now) {
  return before.epoch == now.epoch && before.launch == now.launch && before.block == now.block;
}

bool races_with(const Access& before, const Access& now, bool shared) {
  if (before.launch == 0 || (before.atomic && now.atomic)) return false;
  if (!shared && before.launch == now.launch && before.block != now.block) return true;
  if (!same_interval(before, now) || before.thread == now.thread) return false;
  const bool warp_ordered =
      before.thread != kWarps && before.warp == now.warp && before.warp_epoch < now.warp_epoch;
  return !warp_ordered;
}

// What a cell remembers of its reads.
void merge_read(Access& read, const Access& now) {
  const uint32_t block =
      read.launch == now.launch && read.launch != 0 && read.block != now.block ? kBlocks : now.block;
  const bool together = same_interval(read, now) && read.thread != now.thread;
  const bool ordered = read.thread != kWarps && read.warp == now.warp && read.warp_epoch < now.warp_epoch;
  int32_t thread = now.thread;
  if (together && read.warp == now.warp && read.thread != kWarps) thread = ordered ? now.thread : kLanes;
  if (together && (read.warp != now.warp || read.thread == kWarps)) thread = kWarps;
  read = now;
  read.block = block;
  read.thread = thread;
}

std::string describe(const char* kind, const Access& before, const Access& now) {
  const auto who = [](const Access& a) {
    const std::string thread =
        a.thread == kLanes || a.thread == kWarps ? "several threads" : "thread " + std::to_string(a.thread);
    return thread + (a.block == kBlocks ? " of several blocks" : " of block " + std::to_string(a.block));
  };
  char addresses[64];
  std::snprintf(addresses, sizeof(addresses), "; addr2line 0x%x 0x%x", now.pc, before.pc);
  return std::string(kind) + " by " + who(now) + ", before it " + who(before) + addresses;
}

uint32_t pc_in_file(const void* pc) {
  return static_cast<uint32_t>(static_cast<const char*>(pc) - &__executable_start - 1);
}

}  // namespace

bool finds_races() {
  return g_instrumented;
}

void search_races() {
  g_instrumented = true;
}

Shadow::Shadow(size_t bytes)
    : count_(bytes / 2 + 1), cells_(static_cast<Cell*>(std::calloc(count_, sizeof(Cell)))) {
  if (cells_ == nullptr) throw std::bad_alloc();
}

void Shadow::Free::operator()(Cell* cells) const {
  std::free(cells);
}

std::string Shadow::note(size_t offset, size_t bytes, AccessKind kind, const Access& now, bool shared) {
  std::string race;
  for (size_t i = offset / 2; i <= (offset + bytes - 1) / 2 && i < count_; ++i) {
    Cell& c = cells_[i];
    if (race.empty() && races_with(c.write, now, shared)) {
      race = describe(kind == AccessKind::read ? "read after write" : "write after write", c.write, now);
    }
    if (kind == AccessKind::read) {
      merge_read(c.read, now);
    } else {
      if (race.empty() && races_with(c.read, now, shared)) race = describe("write after read", c.read, now);
      c.write = now;
    }
  }
  return race;
}

void note_access_at(const void* p, size_t bytes, AccessKind kind, int lane, const void* pc) {
  Block* const block = Block::current();
  if (block == nullptr || t_noting) return;
  t_noting = true;  // parts of the library that both sides use may be the instrumented ones
  block->note(p, bytes, kind, lane, pc_in_file(pc));
  t_noting = false;
}

void note_access(const void* p, size_t bytes, AccessKind kind, int lane) {
  if (g_instrumented) note_access_at(p, bytes, kind, lane, __builtin_return_address(0));
}

}  // namespace sr::emulation

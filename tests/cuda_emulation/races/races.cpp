#include "tests/cuda_emulation/races/races.h"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/races/clocks.h"

extern "C" const ElfW(Ehdr) __executable_start;  // the linker's: the file as it is loaded

namespace sr::emulation {

namespace {

constexpr int32_t kLanes = Access::kLanes, kWarps = Access::kWarps, kSet = Access::kSet;
constexpr uint32_t kBlocks = std::numeric_limits<uint32_t>::max();  // read by several blocks

bool g_instrumented = false;
thread_local bool t_noting = false;

bool same_interval(const Access& before, const Access& now) {
  return before.epoch == now.epoch && before.launch == now.launch && before.block == now.block;
}

bool of_one_block(const Access& before, const Access& now) {
  return before.launch == now.launch && before.block == now.block;
}

bool races_with(const Access& before, const Access& now, bool shared, const Clocks& clocks) {
  if (before.launch == 0 || (before.bytes & now.bytes) == 0 || (before.atomic && now.atomic)) return false;
  if (!shared && before.launch == now.launch && before.block != now.block) return true;
  if (now.beside != 0 && before.launch >= now.beside && before.launch < now.launch) return true;
  if (!of_one_block(before, now)) return false;
  if (before.thread == kSet) {
    const std::vector<Access>& readers = clocks.readers(before.clock);
    return std::any_of(readers.begin(), readers.end(),
                       [&](const Access& a) { return !clocks.ordered(a, now); });
  }
  if (clocks.on() && before.thread >= 0)
    return !clocks.ordered(before, now) || lacks_fence(before, now, clocks);
  if (!same_interval(before, now) || before.thread == now.thread) return false;
  const bool warp_ordered =
      before.thread != kWarps && before.warp == now.warp && before.warp_epoch < now.warp_epoch;
  return !warp_ordered;
}

// What a cell remembers of its reads. Of single bytes it remembers the last one.
void merge_read(Access& read, const Access& now, Clocks& clocks) {
  if ((read.bytes & now.bytes) == 0) read = now;
  if (clocks.on() && read.launch != 0 && of_one_block(read, now) &&
      (read.thread >= 0 || read.thread == kSet)) {
    const bool replaces = read.thread >= 0 && clocks.ordered(read, now);
    const uint32_t set = replaces ? 0 : clocks.with_reader(read, now);
    read = now;
    if (!replaces) {
      read.thread = kSet;
      read.clock = set;
    }
    return;
  }
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

// "file.cu:12" of an instruction, or its address if the program has no debug information.
std::string source_line(uint32_t pc) {
  char address[32], program[4096], line[4096] = "";
  std::snprintf(address, sizeof(address), "0x%x", pc);
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
  if (length <= 0) return address;
  const std::string path(program, static_cast<size_t>(length));
  FILE* const output = popen(("addr2line -s -e '" + path + "' " + address + " 2>/dev/null").c_str(), "r");
  if (output == nullptr) return address;
  const bool found = std::fgets(line, sizeof(line), output) != nullptr && std::strchr(line, '?') == nullptr;
  pclose(output);
  return found ? std::string(line, std::strcspn(line, " \n")) : address;
}

std::string describe(const char* what, const Access& a) {
  const std::string where = a.line > 0 ? "line " + std::to_string(a.line) : source_line(a.pc);
  const std::string who = a.thread < 0           ? "several threads"
                          : a.thread != a.issuer ? "an engine for thread " + std::to_string(a.issuer)
                                                 : "thread " + std::to_string(a.thread);
  const std::string block = a.block == kBlocks ? "several blocks" : "block " + std::to_string(a.block);
  return std::string(what) + " in " + where + " by " + who + " of " + block;
}

// As addr2line counts: from where the file is loaded, unless it says itself where that is.
uint32_t pc_in_file(const void* pc) {
  const bool fixed = __executable_start.e_type == ET_EXEC;
  const char* const start = fixed ? nullptr : reinterpret_cast<const char*>(&__executable_start);
  return static_cast<uint32_t>(static_cast<const char*>(pc) - start - 1);  // within the call, not after it
}

void note_if_runs(const void* p, size_t bytes, AccessKind kind, int lane, uint32_t pc, int line) {
  Block* const block = Block::current();
  if (block == nullptr || t_noting) return;
  t_noting = true;  // parts of the library that both sides use may be the instrumented ones
  block->note(p, bytes, kind, lane, pc, line);
  t_noting = false;
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

bool lacks_fence(const Access& before, const Access& now, const Clocks& clocks) {
  return clocks.on() && before.thread >= 0 && before.writes && !before.atomic &&
         clocks.is_engine(now.thread) && !clocks.fenced(before, now);
}

std::optional<Access> Shadow::note(size_t offset, size_t bytes, AccessKind kind, Access now, bool shared,
                                   Clocks& clocks) {
  std::optional<Access> race;
  for (size_t i = offset / 2; i <= (offset + bytes - 1) / 2 && i < count_; ++i) {
    Cell& c = cells_[i];
    now.bytes = static_cast<uint8_t>((2 * i >= offset ? 1 : 0) | (2 * i + 1 < offset + bytes ? 2 : 0));
    if (!race && races_with(c.write, now, shared, clocks)) race = c.write;
    if (kind == AccessKind::read) {
      merge_read(c.read, now, clocks);
    } else {
      if (!race && races_with(c.read, now, shared, clocks)) race = c.read;
      c.write = now;
    }
  }
  return race;
}

std::string describe(AccessKind kind, const Access& now, const Access& before) {
  return describe(kind == AccessKind::read ? "read" : "write", now) + ", " +
         describe(before.writes ? "write" : "read", before) +
         (before.launch == now.launch ? " before it" : " of an earlier kernel that may still run");
}

void note_access(const void* p, size_t bytes, AccessKind kind, int lane, int line) {
  if (g_instrumented) note_if_runs(p, bytes, kind, lane, 0, line);
}

void note_access_at(const void* p, size_t bytes, AccessKind kind, const void* pc) {
  note_if_runs(p, bytes, kind, -1, pc_in_file(pc), 0);
}

}  // namespace sr::emulation

// A block's shared memory: arrays, copies into it, races.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/memory.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#endif

namespace sr::emulation {

namespace {

constexpr size_t kRedZone = 128;   // between arrays in shared memory
constexpr size_t kAligned = 1024;  // the addresses' bits below that are the device's: banks, swizzles
constexpr size_t kStaticLimit = 48 * 1024;

}  // namespace

// ---- Shared memory ----

// Nothing may be touched until it is carved.
void Block::close_arena() {
  static_bytes_ = dynamic_bytes_ = arena_used_ = 0;
  regions_.clear();
  ASAN_POISON_MEMORY_REGION(arena_, kArenaBytes);
}

void* Block::carve(size_t bytes, size_t align, bool is_static) {
  const size_t number = running_->regions++;
  if (number < regions_.size()) {
    if (regions_[number].bytes != bytes) {
      report("threads of a block ask for different sizes of array " + std::to_string(number) +
             " in shared memory");
    }
    return arena_ + regions_[number].offset;
  }
  align = std::max<size_t>(align, 16);
  size_t& used = is_static ? static_bytes_ : dynamic_bytes_;
  const size_t start = (used + align - 1) / align * align;  // where it would be on the device
  used = start + bytes;
  const auto limit = is_static ? kStaticLimit : launch_->shared_bytes;
  if (used > limit) {
    report("shared memory: array " + std::to_string(number) + " ends at byte " + std::to_string(used) + ", " +
           (is_static ? "static arrays may take " : "the launch asked for ") + std::to_string(limit));
  } else if (static_bytes_ + launch_->shared_bytes > options().shared_memory_limit) {
    report("shared memory: " + std::to_string(static_bytes_ + launch_->shared_bytes) +
           " bytes, static and dynamic, of " + std::to_string(options().shared_memory_limit));
  }
  const size_t offset = arena_used_ + start % kAligned;
  const size_t end = (offset + bytes + kRedZone + kAligned - 1) / kAligned * kAligned;
  if (end > kArenaBytes) {
    report("shared memory: arrays of more than " + std::to_string(kArenaBytes) + " bytes");
    std::abort();  // there is no memory to give
  }
  ASAN_UNPOISON_MEMORY_REGION(arena_ + arena_used_, end - arena_used_);
  std::memset(arena_ + arena_used_, 0xff, end - arena_used_);  // NaN in every type
  ASAN_POISON_MEMORY_REGION(arena_ + arena_used_, offset - arena_used_);
  ASAN_POISON_MEMORY_REGION(arena_ + offset + bytes, end - offset - bytes);
  arena_used_ = end;
  regions_.push_back({offset, bytes});
  return arena_ + offset;
}

uint32_t Block::shared_address(const void* p) const {
  const char* const address = static_cast<const char*>(p);
  if (address < arena_ || address >= arena_ + kArenaBytes) {
    report("shared_address: the memory is not the block's shared memory");
    return 0;
  }
  return static_cast<uint32_t>(address - arena_);
}

void Block::check_red_zones() {
  ASAN_UNPOISON_MEMORY_REGION(arena_, kArenaBytes);
  size_t zone = 0;
  for (size_t i = 0; i <= regions_.size(); ++i) {
    const size_t end = i < regions_.size() ? regions_[i].offset : arena_used_;
    for (size_t at = zone; at < end; ++at) {
      if (arena_[at] != static_cast<char>(0xff)) {
        report("shared memory: something was written " + std::to_string(at - zone) +
               " bytes past the end of array " + std::to_string(static_cast<int>(i) - 1));
        return;
      }
    }
    if (i < regions_.size()) zone = regions_[i].offset + regions_[i].bytes;
  }
}

void Block::cp_async(void* dst, const void* src, int bytes, bool pred, int line) {
  const auto size = static_cast<uintptr_t>(bytes);
  if (reinterpret_cast<uintptr_t>(dst) % size != 0 ||
      (pred && reinterpret_cast<uintptr_t>(src) % size != 0)) {
    report("cp.async in line " + std::to_string(line) + ": an address is no multiple of " +
           std::to_string(bytes));
  }
  const char* const in_arena = static_cast<const char*>(dst);
  if (in_arena < arena_ || in_arena >= arena_ + kArenaBytes) {
    return report("cp.async in line " + std::to_string(line) + ": the destination is not in shared memory");
  }
  note_access(dst, static_cast<size_t>(bytes), AccessKind::write, -1, line);
  if (pred) {  // read now as well, for AddressSanitizer to tell this line
    char now[16];
    std::memcpy(now, src, static_cast<size_t>(bytes));
    static_cast<void>(*static_cast<volatile char*>(now));
  }
  std::memset(dst, 0xff, static_cast<size_t>(bytes));  // nobody's until the wait
  running_->copies.push_back({static_cast<char*>(dst), static_cast<const char*>(src), bytes, pred, line});
}

void Block::cp_commit() {
  running_->groups.push_back(running_->copies.size());
}

void Block::cp_wait(int groups_left) {
  Thread& t = *running_;
  while (static_cast<int>(t.groups.size()) > groups_left) {
    const size_t count = t.groups.front();
    t.groups.erase(t.groups.begin());
    land(t, count);
  }
}

void Block::land(Thread& t, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const Copy& c = t.copies[i];
    const auto bytes = static_cast<size_t>(c.bytes);
    note_access(c.dst, bytes, AccessKind::write, -1, c.line);
    if (c.pred) {
      note_access(c.src, bytes, AccessKind::read, -1, c.line);
      std::memcpy(c.dst, c.src, bytes);
    } else {
      std::memset(c.dst, 0, bytes);
    }
  }
  t.copies.erase(t.copies.begin(), t.copies.begin() + static_cast<std::ptrdiff_t>(count));
  for (size_t& g : t.groups) g -= count;
}

bool Block::in_arrays(const void* p, size_t bytes) const {
  const char* const address = static_cast<const char*>(p);
  return std::any_of(regions_.begin(), regions_.end(), [&](const Region& r) {
    return address >= arena_ + r.offset && address + bytes <= arena_ + r.offset + r.bytes;
  });
}

// ---- Races ----

Access Block::access_now(AccessKind kind) const {
  Access now;
  now.launch = launch_->number;
  now.block = number_;
  now.epoch = epoch_;
  now.thread = now.issuer = running_->number;
  now.warp = running_->number / 32;
  now.warp_epoch = warps_[static_cast<size_t>(now.warp)].epoch;
  now.atomic = kind == AccessKind::atomic;
  now.writes = kind != AccessKind::read;
  return now;
}

void Block::note(const void* p, size_t bytes, AccessKind kind, int lane, uint32_t pc, int line) {
  const char* const address = static_cast<const char*>(p);
  const char* const stack = static_cast<const char*>(running_->context.stack);
  if (address >= stack && address < stack + running_->context.stack_bytes) return;
  Access now = access_now(kind);
  if (lane >= 0) now.thread = now.issuer = now.warp * 32 + lane;
  now.clock = clocks.clock(now.thread);
  now.pc = pc;
  now.line = line;
  judge(p, bytes, kind, now);
}

void Block::note_by_engine(const void* p, size_t bytes, AccessKind kind, int engine, int line) {
  if (!finds_races()) return;
  Access now = access_now(kind);
  now.thread = engine;
  now.clock = clocks.clock(engine);
  now.line = line;
  judge(p, bytes, kind, now);
}

void Block::wait_for_earlier_kernels() {
  if (launch_->beside == 0) return;
  Access now = access_now(AccessKind::read);
  now.clock = clocks.clock(now.thread);
  waits_.push_back(now);
}

void Block::let_later_kernels_start() {
  if (launch_->beside == 0) return;
  Access now = access_now(AccessKind::read);
  if (!has_waited(now)) *launch_->lets_go = true;
}

// Whether the thread has waited for earlier kernels, or comes after one that has.
bool Block::has_waited(const Access& now) const {
  return std::any_of(waits_.begin(), waits_.end(), [&](const Access& wait) {
    if (clocks.on()) return clocks.ordered(wait, now);
    return wait.thread == now.thread || wait.epoch < now.epoch ||
           (wait.warp == now.warp && wait.warp_epoch < now.warp_epoch);
  });
}

void Block::judge(const void* p, size_t bytes, AccessKind kind, Access now) {
  const char* const address = static_cast<const char*>(p);
  if (address < arena_ || address >= arena_ + kArenaBytes) {
    if (launch_->beside != 0 && !has_waited(now)) now.beside = launch_->beside;
    const auto race = note_device_access(p, bytes, kind, now, clocks);
    if (race && is_news(now, race->before)) {
      report("race in global memory, byte " + std::to_string(race->offset) + " of " +
             std::to_string(race->bytes) + ": " + describe(kind, now, race->before));
    }
    return;
  }
  const auto offset = static_cast<size_t>(address - arena_);
  const auto before = shadow_->note(offset, bytes, kind, now, true, clocks);
  if (!before || !is_news(now, *before)) return;
  size_t array = 0;
  while (array + 1 < regions_.size() && regions_[array + 1].offset <= offset) ++array;
  const size_t start = regions_.empty() ? 0 : regions_[array].offset;
  const bool fence = before->thread >= 0 && clocks.on() && clocks.ordered(*before, now);
  report(std::string(fence ? "fence_async() missing" : "race") + " in shared memory, byte " +
         std::to_string(offset - start) + " of array " + std::to_string(array) + ": " +
         describe(kind, now, *before));
}

// One report for a pair of places in the source: loops would give hundreds.
bool Block::is_news(const Access& now, const Access& before) {
  if (known_in_launch_ != launch_->number) known_races_.clear();
  known_in_launch_ = launch_->number;
  return known_races_
      .insert({now.pc, static_cast<uint32_t>(now.line), before.pc, static_cast<uint32_t>(before.line)})
      .second;
}

}  // namespace sr::emulation

#include "tests/cuda_emulation/block.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tests/cuda_emulation/device.h"
#include "tests/cuda_emulation/memory.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#endif

namespace sr::emulation {

namespace {

constexpr size_t kRedZone =
    128;  // between regions of shared memory, and the step in which regions are aligned
constexpr size_t kStaticLimit = 48 * 1024;

thread_local Block* t_block = nullptr;

uint32_t bit_of(int lane) {
  return 1u << lane;
}

// The lane of `lanes` that runs after lane `last` (-1 or 32: none before).
int lane_after(Schedule schedule, uint32_t lanes, int last, uint64_t random) {
  if (schedule == Schedule::forward) {
    const uint32_t later = last >= 31 ? 0 : lanes & (~0u << (last + 1));
    return std::countr_zero(later != 0 ? later : lanes);
  }
  if (schedule == Schedule::reverse) {
    const uint32_t earlier = last <= 0 ? 0 : last > 31 ? lanes : lanes & (bit_of(last) - 1);
    return 31 - std::countl_zero(earlier != 0 ? earlier : lanes);
  }
  for (auto skip = random % static_cast<uint64_t>(std::popcount(lanes)); skip > 0; --skip) lanes &= lanes - 1;
  return std::countr_zero(lanes);
}

uint3 index_in(dim3 extent, uint64_t number) {
  return {static_cast<unsigned>(number % extent.x), static_cast<unsigned>(number / extent.x % extent.y),
          static_cast<unsigned>(number / extent.x / extent.y)};
}

}  // namespace

Block::Block() : arena_memory_(new char[kArenaBytes + 4096]) {
  const auto address = reinterpret_cast<uintptr_t>(arena_memory_.get());
  arena_ = arena_memory_.get() + (4096 - address % 4096);
  if (finds_races()) shadow_ = std::make_unique<Shadow>(kArenaBytes);
}

Block* Block::current() {
  return t_block;
}

// ---- Scheduling ----

void Block::run(const Launch& launch, uint64_t number) {
  t_block = this;
  launch_ = &launch;
  number_ = static_cast<uint32_t>(number);
  random_state_ = (options().seed + 1) * 0x9e3779b97f4a7c15u ^ (number + 1) * 0xd1342543de82ef95u;
  ::blockIdx = index_in(launch.grid, number);
  ::blockDim = launch.block;
  ::gridDim = launch.grid;
  ++epoch_;
  static_bytes_ = dynamic_bytes_ = arena_used_ = 0;
  regions_.clear();
  ASAN_POISON_MEMORY_REGION(arena_, kArenaBytes);
  start_threads(launch);
  running_ = nullptr;
  while (live_ > 0) {
    Thread* const next = pick();
    if (next == nullptr) {
      report_deadlock();
      break;
    }
    running_ = next;
    ::threadIdx = next->index;
    ++statistics.switches;
    switch_context(scheduler_, next->context);
  }
  ASAN_UNPOISON_MEMORY_REGION(arena_, kArenaBytes);
  check_red_zones();
  t_block = nullptr;
}

void Block::start_threads(const Launch& launch) {
  const auto count = launch.block.x * launch.block.y * launch.block.z;
  live_ = static_cast<int>(count);
  arrived_ = 0;
  stacks_.reserve(live_);
  if (threads_.size() < count) threads_.resize(count);
  warps_.assign((count + 31) / 32, Warp());
  for (int i = 0; i < live_; ++i) {
    Thread& t = threads_[static_cast<size_t>(i)];
    t.context = stacks_.start(i, thread_main);
    t.index = index_in(launch.block, static_cast<uint64_t>(i));
    t.number = i;
    t.regions = 0;
    t.copies.clear();
    t.groups.clear();
    warp_of(t).live |= bit_of(i % 32);
  }
  for (Warp& w : warps_) w.runnable = w.live;
}

void Block::thread_main() {
  fiber_has_started();
  Block& b = *t_block;
  (*b.launch_->kernel)();
  Thread& t = *b.running_;
  b.land(t, t.copies.size());
  Warp& w = b.warp_of(t);
  w.live &= ~bit_of(t.number % 32);
  w.runnable &= ~bit_of(t.number % 32);
  --b.live_;
  if (b.arrived_ != 0 && b.arrived_ == b.live_) {
    report("barrier divergence: threads left the kernel while others wait at the barrier of line " +
           std::to_string(b.barrier_line_));
  }
  b.yield(true);
  std::abort();  // nobody switches to a thread that has ended
}

uint64_t Block::random() {  // xorshift64 (Marsaglia 2003)
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return random_state_;
}

// A warp runs until all its threads wait, in the random schedule mostly. -1: none can run.
int Block::pick_warp() {
  const Schedule schedule = options().schedule;
  const int count = static_cast<int>(warps_.size());
  const int last = running_ != nullptr ? running_->number / 32 : -1;
  if (last >= 0 && warps_[static_cast<size_t>(last)].runnable != 0 &&
      !(schedule == Schedule::random && random() % 8 == 0)) {
    return last;
  }
  int first = last >= 0 ? last : schedule == Schedule::reverse ? count - 1 : 0;
  if (schedule == Schedule::random) first = static_cast<int>(random() % static_cast<uint64_t>(count));
  const int step = schedule == Schedule::reverse ? count - 1 : 1;
  for (int i = 0, w = first; i < count; ++i, w = (w + step) % count) {
    if (warps_[static_cast<size_t>(w)].runnable != 0) return w;
  }
  return -1;
}

Block::Thread* Block::pick() {
  const int w = pick_warp();
  if (w < 0) return nullptr;
  const Schedule schedule = options().schedule;
  const bool same_warp = running_ != nullptr && running_->number / 32 == w;
  const int last = same_warp ? running_->number % 32 : schedule == Schedule::reverse ? 32 : -1;
  const uint64_t chance = schedule == Schedule::random ? random() : 0;
  const int lane = lane_after(schedule, warps_[static_cast<size_t>(w)].runnable, last, chance);
  return &threads_[static_cast<size_t>(w * 32 + lane)];
}

void Block::yield(bool ends) {
  Thread* const from = running_;
  Thread* const to = pick();
  if (to == from) return;
  ++statistics.switches;
  if (to == nullptr) {
    switch_context(from->context, scheduler_, ends);
  } else {
    running_ = to;
    ::threadIdx = to->index;
    switch_context(from->context, to->context, ends);
  }
}

void Block::report_deadlock() {
  std::string text = "deadlock:";
  for (size_t w = 0; w < warps_.size(); ++w) {
    const std::string name = " warp " + std::to_string(w) + ", ";
    const auto lanes = [](uint32_t mask) { return std::to_string(std::popcount(mask)) + " lanes"; };
    if (warps_[w].at_barrier != 0) {
      text += name + lanes(warps_[w].at_barrier) + " at the barrier of line " +
              std::to_string(barrier_line_) + ";";
    }
    for (const Collective& c : warps_[w].open) {
      if (c.arrived != 0) {
        text += name + lanes(c.arrived) + " of " + lanes(c.mask) + " in the warp collective of line " +
                std::to_string(c.line) + ";";
      }
    }
  }
  report(text);
}

// ---- Barriers and collectives ----

void Block::barrier(int line) {
  Thread& t = *running_;
  if (arrived_ == 0) {
    barrier_line_ = line;
  } else if (barrier_line_ != line) {
    report("barrier divergence: threads meet at the barriers of lines " + std::to_string(barrier_line_) +
           " and " + std::to_string(line));
  }
  warp_of(t).at_barrier |= bit_of(t.number % 32);
  warp_of(t).runnable &= ~bit_of(t.number % 32);
  const auto all = launch_->block.x * launch_->block.y * launch_->block.z;
  if (++arrived_ == static_cast<int>(all)) {
    arrived_ = 0;
    ++epoch_;
    ++statistics.barriers;
    reduction_ = reduced_;
    for (Warp& w : warps_) {
      w.at_barrier = 0;
      w.runnable = w.live;
    }
    if (options().schedule == Schedule::forward) return;  // the last to arrive goes on
  }
  yield();
}

int Block::barrier_reduce(int value, int (*combine)(int, int), int line) {
  reduced_ = arrived_ == 0 ? value : combine(reduced_, value);
  barrier(line);
  return reduction_;
}

void Block::collective(uint32_t mask, int operation, int line, void* argument,
                       void (*act)(void** arguments, uint32_t mask)) {
  Thread& t = *running_;
  Warp& w = warp_of(t);
  const uint32_t bit = bit_of(t.number % 32);
  if ((mask & bit) == 0) {
    return report("the mask of the warp collective in line " + std::to_string(line) +
                  " leaves out its caller");
  }
  Collective* met = nullptr;
  for (Collective& c : w.open) {
    if (c.arrived != 0 && c.mask == mask) met = &c;
  }
  for (Collective& c : w.open) {
    if (met == nullptr && c.arrived == 0) {
      c.mask = mask;
      c.operation = operation;
      c.line = line;
      met = &c;
    }
  }
  if (met == nullptr)
    return report("more than four open collectives in a warp, line " + std::to_string(line));
  if (met->operation != operation || met->line != line) {
    report("warp divergence: lanes of one warp meet in the collectives of lines " +
           std::to_string(met->line) + " and " + std::to_string(line));
    act = [](void**, uint32_t) {};  // their arguments do not fit together
  }
  met->arguments[t.number % 32] = argument;
  met->arrived |= bit;
  if (met->arrived == mask) {
    act(met->arguments, mask);
    met->arrived = 0;
    ++w.epoch;
    w.runnable |= mask;
  } else {
    w.runnable &= ~bit;
    yield();
  }
}

// ---- Shared memory ----

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
  // Red zones lie between the arrays; the offset within 128 bytes, on which the banks depend, is the
  // device's.
  const size_t offset = arena_used_ + start % kRedZone;
  const size_t end = (offset + bytes + kRedZone - 1) / kRedZone * kRedZone + kRedZone;
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

void Block::check_red_zones() {
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

// ---- Races ----

void Block::note(const void* p, size_t bytes, AccessKind kind, int lane, uint32_t pc, int line) {
  const char* const address = static_cast<const char*>(p);
  const char* const stack = static_cast<const char*>(running_->context.stack);
  if (address >= stack && address < stack + running_->context.stack_bytes) return;
  Access now;
  now.launch = launch_->number;
  now.block = number_;
  now.epoch = epoch_;
  now.warp = running_->number / 32;
  now.thread = lane < 0 ? running_->number : now.warp * 32 + lane;
  now.warp_epoch = warp_of(*running_).epoch;
  now.pc = pc;
  now.line = line;
  now.atomic = kind == AccessKind::atomic;
  now.writes = kind != AccessKind::read;
  if (address < arena_ || address >= arena_ + kArenaBytes) {
    const auto race = note_device_access(p, bytes, kind, now);
    if (race && is_news(now, race->before)) {
      report("race in global memory, byte " + std::to_string(race->offset) + " of " +
             std::to_string(race->bytes) + ": " + describe(kind, now, race->before));
    }
    return;
  }
  const auto offset = static_cast<size_t>(address - arena_);
  const auto before = shadow_->note(offset, bytes, kind, now, true);
  if (!before || !is_news(now, *before)) return;
  size_t array = 0;
  while (array + 1 < regions_.size() && regions_[array + 1].offset <= offset) ++array;
  const size_t start = regions_.empty() ? 0 : regions_[array].offset;
  report("race in shared memory, byte " + std::to_string(offset - start) + " of array " +
         std::to_string(array) + ": " + describe(kind, now, *before));
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

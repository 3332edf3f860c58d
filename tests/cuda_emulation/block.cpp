#include "tests/cuda_emulation/block.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tests/cuda_emulation/device.h"

namespace sr::emulation {

namespace {

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

Block::Block() : async(*this), products(*this), arena_memory_(new char[kArenaBytes + 4096]) {
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
  waits_.clear();
  close_arena();
  start_threads(launch);
  clocks.start(live_);
  async.start();
  products.start();
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
  if (live_ == 0) {
    async.finish();
    products.finish();
  }
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
  b.check_barrier_can_open();
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
  int w = pick_warp();
  while (w < 0 && async.land()) w = pick_warp();  // as late as can be
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

int Block::threads() const {
  return static_cast<int>(launch_->block.x * launch_->block.y * launch_->block.z);
}

void Block::sleep() {
  warp_of(*running_).runnable &= ~bit_of(running_->number % 32);
  yield();
}

void Block::wake(int thread) {
  warps_[static_cast<size_t>(thread / 32)].runnable |= bit_of(thread % 32);
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
  report(text + async.waiting());
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
  if (++arrived_ == threads()) {
    arrived_ = 0;
    ++epoch_;
    clocks.join_all();
    ++statistics.barriers;
    reduction_ = reduced_;
    for (Warp& w : warps_) {
      w.at_barrier = 0;
      w.runnable = w.live;
    }
    if (options().schedule == Schedule::forward) return;  // the last to arrive goes on
  }
  check_barrier_can_open();
  yield();
}

// All that are left wait, but some have left.
void Block::check_barrier_can_open() {
  if (arrived_ == 0 || arrived_ != live_) return;
  report("barrier divergence: threads left the kernel while others wait at the barrier of line " +
         std::to_string(barrier_line_));
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
    if (clocks.on()) join_lanes(t.number / 32, mask);
    act(met->arguments, mask);
    met->arrived = 0;
    ++w.epoch;
    w.runnable |= mask;
  } else {
    w.runnable &= ~bit;
    yield();
  }
}

void Block::join_lanes(int warp, uint32_t mask) {
  std::vector<int> lanes;
  for (int l = 0; l < 32; ++l) {
    if ((mask & bit_of(l)) != 0) lanes.push_back(warp * 32 + l);
  }
  clocks.join(lanes);
}

}  // namespace sr::emulation

// A block of threads on one thread of the system: who runs, who waits, what is in shared memory.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "tests/cuda_emulation/async.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/fiber.h"
#include "tests/cuda_emulation/hopper/wgmma.h"
#include "tests/cuda_emulation/races/clocks.h"
#include "tests/cuda_emulation/races/races.h"

namespace sr::emulation {

/// What all blocks of a launch have in common.
struct Launch {
  uint32_t number;
  uint32_t beside;             // the first launch that may still run when this one begins; 0: none
  std::atomic<bool>* lets_go;  // set if later kernels may start before this one has waited for those
  dim3 grid, block;
  size_t shared_bytes;  // dynamic
  const std::function<void()>* kernel;
};

/// Runs one block after the other.
class Block {
 public:
  static constexpr size_t kArenaBytes = 1 << 20;

  Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// All threads of the launch's block `number`, to their end or to the first deadlock.
  void run(const Launch& launch, uint64_t number);

  /// The block that runs on this thread of the system; null between launches.
  static Block* current();

  // What a kernel calls, each for the running thread.
  void barrier(int line);
  int barrier_reduce(int value, int (*combine)(int, int), int line);
  void collective(uint32_t mask, int operation, int line, void* argument,
                  void (*act)(void** arguments, uint32_t mask));
  void cp_async(void* dst, const void* src, int bytes, bool pred, int line);
  void cp_commit();
  void cp_wait(int groups_left);
  uint32_t shared_address(const void* p) const;
  void* carve(size_t bytes, size_t align, bool is_static);
  void wait_for_earlier_kernels();
  void let_later_kernels_start();
  void fence_async() { clocks.fence(running_->number); }
  int lane() const { return running_->number % 32; }
  void note(const void* p, size_t bytes, AccessKind kind, int lane, uint32_t pc, int line);

  // What its parts call.
  int thread() const { return running_->number; }
  int threads() const;
  /// The running thread waits for wake().
  void sleep();
  void wake(int thread);
  /// Another thread's turn.
  void pass_on() { yield(); }
  uint64_t random();
  /// Whether memory lies in one array in shared memory; and what lies there, if it does.
  bool in_arrays(const void* p, size_t bytes) const;
  const char* at_shared_address(uint32_t address) const { return arena_ + address; }
  /// As note(), by an engine of Clocks that works for the running thread.
  void note_by_engine(const void* p, size_t bytes, AccessKind kind, int engine, int line);

  Statistics statistics;
  Clocks clocks;
  Async async;
  Products products;

 private:
  struct Copy {
    char* dst;
    const char* src;
    int bytes;
    bool pred;
    int line;
  };
  struct Thread {
    Context context;
    uint3 index{};
    int number = 0;
    size_t regions = 0;          // of shared memory, met so far
    std::vector<Copy> copies;    // started, not landed
    std::vector<size_t> groups;  // how many of them at each commit
  };
  struct Collective {
    uint32_t mask = 0, arrived = 0;
    int operation = 0, line = 0;
    void* arguments[32] = {};
  };
  struct Warp {
    uint32_t live = 0, runnable = 0, at_barrier = 0, epoch = 0;  // a bit per lane
    Collective open[4];
  };
  struct Region {
    size_t offset, bytes;
  };

  static void thread_main();
  void start_threads(const Launch& launch);
  Warp& warp_of(const Thread& t) { return warps_[static_cast<size_t>(t.number / 32)]; }
  Thread* pick();
  int pick_warp();
  void yield(bool ends = false);
  void land(Thread& t, size_t count);
  void join_lanes(int warp, uint32_t mask);
  void report_deadlock();
  void check_barrier_can_open();
  void close_arena();
  void check_red_zones();
  Access access_now(AccessKind kind) const;
  void judge(const void* p, size_t bytes, AccessKind kind, Access now);
  bool has_waited(const Access& now) const;
  bool is_news(const Access& now, const Access& before);

  std::unique_ptr<char[]> arena_memory_;
  char* arena_;
  std::unique_ptr<Shadow> shadow_;
  Stacks stacks_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  Context scheduler_;
  Thread* running_ = nullptr;
  const Launch* launch_ = nullptr;
  uint32_t number_ = 0, epoch_ = 1;
  int live_ = 0, arrived_ = 0, barrier_line_ = 0, reduced_ = 0, reduction_ = 0;
  size_t static_bytes_ = 0, dynamic_bytes_ = 0, arena_used_ = 0;
  std::vector<Region> regions_;
  std::vector<Access> waits_;  // for earlier kernels
  uint64_t random_state_ = 1;
  std::set<std::array<uint32_t, 4>> known_races_;  // of known_in_launch_
  uint32_t known_in_launch_ = 0;
};

/// Adds to take_errors(), with the running block and thread.
void report(const std::string& what);

}  // namespace sr::emulation

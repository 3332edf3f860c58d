// What goes on beside a block's threads, and how they wait for it: barriers that count (mbarrier), copies of
// the copy engine, named barriers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/cuda_emulation/races/clocks.h"

namespace sr::emulation {

class Block;

/// A part of a copy; zeros if there is no source.
struct Piece {
  char* to;
  const char* from;
  size_t bytes;
};

class Async {
 public:
  explicit Async(Block& block) : block_(block) {}

  /// Before a block runs, and when its threads have ended.
  void start();
  void finish();

  // What a kernel calls, each for the running thread.
  void init(uint64_t* barrier, int arrivals, int line);
  void arrive(uint64_t* barrier, uint32_t bytes, int line);
  void wait(uint64_t* barrier, uint32_t parity, int line);
  void copy(uint64_t* barrier, std::vector<Piece> pieces, int line);
  void named_barrier(int id, int threads, int line);

  /// Lands one of the copies that are under way, which may wake threads; called when none can run. False if
  /// there is none.
  bool land();

  /// Who waits for what, for the report of a deadlock.
  std::string waiting() const;

 private:
  struct Waiter {
    int thread;
    int line;
    uint32_t parity;
  };
  struct Barrier {
    int number = 0, arrivals = 0, missing = 0, line = 0;
    int64_t bytes = 0;  // that the phase still waits for
    uint32_t phase = 0;
    std::vector<Waiter> waiters;
    Moment gathered, passed;  // of the phase's arrivals, of all phases that have ended
  };
  struct Copy {
    Barrier* barrier;
    std::vector<Piece> pieces;
    int64_t bytes;
    uint32_t clock;
    int line;
  };
  struct Named {
    std::vector<int> threads;
    int line = 0;
  };

  Barrier* find(uint64_t* barrier, const char* what, int line);
  void end_phase_if_complete(Barrier& b);

  Block& block_;
  std::map<uint64_t*, Barrier> barriers_;
  std::vector<Copy> copies_;
  Named named_[16];
};

}  // namespace sr::emulation

// What happens before what in a block whose threads are ordered by more than barriers of all of them: vector
// clocks (Fidge 1988, Mattern 1989; of accesses as in FastTrack, Flanagan and Freund 2009).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "tests/cuda_emulation/races/races.h"

namespace sr::emulation {

/// Which moments of the others a thread, or whoever waits for a barrier, comes after.
struct Moment {
  std::vector<uint32_t> seen;    // until which clock
  std::vector<uint32_t> fenced;  // until which clock of it the engines see what was stored
};

/// The clocks of a block's threads and of the engines beside them: each warp's products, and the copies that
/// signal a barrier. Off, and costs nothing, until something calls turn_on() where races are searched for.
class Clocks {
 public:
  static constexpr int kBarriers = 64;

  /// Before a block runs.
  void start(int threads);
  void turn_on();
  bool on() const { return on_; }

  int threads() const { return threads_; }
  bool is_engine(int who) const { return who >= threads_; }
  int products_of(int warp) const { return threads_ + warp; }
  int copies_of(int barrier) const { return threads_ + 32 + barrier % kBarriers; }

  uint32_t clock(int who) const { return on_ ? clocks_[static_cast<size_t>(who)] : 1; }
  void tick(int who) {
    if (on_) ++clocks_[static_cast<size_t>(who)];
  }

  /// Threads meet.
  void join(const std::vector<int>& threads);
  /// All of them do.
  void join_all();
  /// `thread` lets others know, by `moment`, what it did and knows; they learn it.
  void release(int thread, Moment& moment);
  void acquire(int thread, const Moment& moment);
  /// `thread` comes after what engine `who` did until `clock`.
  void acquire(int thread, int who, uint32_t clock);
  /// What `thread` knows is visible to the engines.
  void fence(int thread);

  /// Whether an access before `now`, of the same block, comes before it; and whether an engine sees it.
  bool ordered(const Access& before, const Access& now) const;
  bool fenced(const Access& before, const Access& now) const;

  /// The readers of one place that no barrier orders, as numbers that several places share.
  uint32_t with_reader(const Access& before, const Access& now);
  const std::vector<Access>& readers(uint32_t number) const { return sets_[number]; }

 private:
  Moment& row(int thread);
  const Moment& known(int thread) const;

  bool on_ = false;
  int threads_ = 0;
  size_t columns_ = 0;
  std::vector<uint32_t> clocks_;
  Moment base_;               // what all know
  std::vector<Moment> rows_;  // what a thread knows, where it is more
  std::vector<bool> own_row_;
  std::vector<std::vector<Access>> sets_;
  std::map<std::array<uint32_t, 6>, uint32_t> known_sets_;
};

}  // namespace sr::emulation

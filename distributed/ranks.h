// The processes that train together, and how they talk.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "distributed/mpi_module.h"

namespace sr {

/// This process among its equals, which are numbered from 0. Whoever waits looks out for others that failed
/// and for a signal to stop. For one thread. Errors of all that talk: io (MPI's; another process failed: says
/// which and why), stopped (the signal came, and the others do not answer: they may be gone).
class Ranks {
 public:
  /// One process alone, for which everything here costs nothing.
  Ranks() = default;
  /// All that were started together; `stop` says whether this one was told to stop. Errors: io.
  Ranks(const MpiModule& mpi, std::function<bool()> stop);
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool alone() const { return size_ == 1; }
  bool first() const { return rank_ == 0; }  ///< the one that writes and talks

  /// Sent or received, once done() says so; until then the memory must stay.
  struct Request {
    long long number = 0;
    bool done = true;
  };
  static constexpr int kFirstTag = 16;  ///< from here on they are the callers'
  Request send(const void* data, int64_t bytes, int64_t to, int tag);
  Request receive(void* data, int64_t bytes, int64_t from, int tag);
  bool done(Request& request);
  /// Until it says true.
  void wait_until(const std::function<bool()>& ready);
  /// How long others may be busy with something else after a signal to stop, in seconds.
  void allow(double seconds) { allowed_ = seconds; }

  /// The first one's bytes come to all.
  void broadcast(void* data, int64_t bytes);
  /// Whom broadcasts come from (-1 for the first), and whom they are handed on to.
  int parent() const;
  std::vector<int> children() const;

  /// Whether it is true of any, which the first one comes to know (the others: of those behind them).
  bool any(bool mine);
  /// To the first one each one's text, in their order; to others nothing.
  std::vector<std::string> gather(const std::string& text);
  /// Compares texts "name\tvalue\n..." that must be the same. Errors, for all: usage (says whose differs from
  /// the first one's, and in what).
  void same(const std::string& texts);
  /// Until the first one comes here too, however long that takes.
  void wait_for_first();

  /// Tells the others why this one ends, gives them time to say so, and ends all with status 1. Errors that
  /// came from others are not told again.
  [[noreturn]] void fail(const std::string& why);
  /// All are here: the end.
  void finish();

 private:
  struct Failure {
    int rank = -1;
    std::array<char, 1000> why{};
  };
  void check(int error) const;
  void look_for_failures();
  void wait(Request request);

  const MpiModule* mpi_ = nullptr;
  std::function<bool()> stop_;
  int rank_ = 0, size_ = 1;
  double allowed_ = 1;
  Failure failure_;
  Request failure_request_;
};

}  // namespace sr

#include "tests/cuda_emulation/async.h"

#include <algorithm>
#include <cstring>

#include "tests/cuda_emulation/block.h"

namespace sr::emulation {

namespace {

// What an initialised barrier's bits are: whatever overwrites it is seen.
uint64_t mark_of(const uint64_t* barrier) {
  return 0x5ba221e25ba221e2u ^ reinterpret_cast<uintptr_t>(barrier);
}

std::string in_line(int line) {
  return " in line " + std::to_string(line);
}

}  // namespace

void Async::start() {
  barriers_.clear();
  copies_.clear();
  for (Named& n : named_) n.threads.clear();
}

void Async::finish() {
  if (!copies_.empty()) {
    report("the block ended while the copy" + in_line(copies_.front().line) + " was under way");
  }
}

// ---- Barriers that count ----

void Async::init(uint64_t* barrier, int arrivals, int line) {
  block_.clocks.turn_on();
  if (!block_.in_arrays(barrier, sizeof(*barrier)) || reinterpret_cast<uintptr_t>(barrier) % 8 != 0) {
    return report("the barrier initialised" + in_line(line) + " is not in shared memory at a multiple of 8");
  }
  note_access(barrier, sizeof(*barrier), AccessKind::write, -1, line);
  *barrier = mark_of(barrier);
  Barrier b;
  b.number = static_cast<int>(barriers_.size());
  b.arrivals = b.missing = arrivals;
  b.line = line;
  barriers_[barrier] = std::move(b);
}

// Null, and a report, if it is none.
Async::Barrier* Async::find(uint64_t* barrier, const char* what, int line) {
  const auto found = barriers_.find(barrier);
  if (found == barriers_.end()) {
    report(std::string(what) + in_line(line) + ": the barrier is not initialised");
    return nullptr;
  }
  note_access(barrier, sizeof(*barrier), AccessKind::atomic, -1, line);
  if (*barrier != mark_of(barrier)) {
    report(std::string(what) + in_line(line) + ": something was written over the barrier");
    return nullptr;
  }
  return &found->second;
}

void Async::arrive(uint64_t* barrier, uint32_t bytes, int line) {
  Barrier* const b = find(barrier, "arrival", line);
  if (b == nullptr) return;
  if (b->missing == 0) {
    return report("arrival" + in_line(line) + ": the barrier initialised" + in_line(b->line) +
                  " has had all " + std::to_string(b->arrivals) + " arrivals of its phase");
  }
  b->bytes += bytes;
  --b->missing;
  block_.clocks.release(block_.thread(), b->gathered);
  end_phase_if_complete(*b);
}

void Async::wait(uint64_t* barrier, uint32_t parity, int line) {
  Barrier* const b = find(barrier, "wait", line);
  if (b == nullptr) return;
  while ((b->phase & 1) == (parity & 1)) {
    b->waiters.push_back({block_.thread(), line, parity & 1});
    block_.sleep();
  }
  block_.clocks.acquire(block_.thread(), b->passed);
}

void Async::end_phase_if_complete(Barrier& b) {
  if (b.missing > 0 || b.bytes != 0) return;
  ++b.phase;
  b.missing = b.arrivals;
  b.passed = b.gathered;
  for (const Waiter& w : b.waiters) block_.wake(w.thread);
  b.waiters.clear();
}

// ---- Copies ----

void Async::copy(uint64_t* barrier, std::vector<Piece> pieces, int line) {
  Barrier* const b = find(barrier, "copy", line);
  if (b == nullptr) return;
  Copy c{b, std::move(pieces), 0, 0, line};
  const int engine = block_.clocks.copies_of(b->number);
  for (const Piece& p : c.pieces) {
    if (!block_.in_arrays(p.to, p.bytes)) {
      return report("copy" + in_line(line) + ": the destination is not in an array in shared memory");
    }
    block_.note_by_engine(p.to, p.bytes, AccessKind::write, engine, line);
    if (p.from != nullptr) {  // read now as well, for AddressSanitizer to tell this line
      note_access(p.from, p.bytes, AccessKind::read, -1, line);
      char now = 0;
      for (size_t i = 0; i < p.bytes; i += 4) now ^= p.from[i];
      static_cast<void>(*static_cast<volatile char*>(&now));
    }
    std::memset(p.to, 0xff, p.bytes);  // nobody's until it has landed
    c.bytes += static_cast<int64_t>(p.bytes);
  }
  c.clock = block_.clocks.clock(engine);
  block_.clocks.tick(engine);
  copies_.push_back(std::move(c));
}

bool Async::land() {
  if (copies_.empty()) return false;
  const Schedule schedule = options().schedule;
  size_t chosen = schedule == Schedule::reverse ? copies_.size() - 1 : 0;
  if (schedule == Schedule::random) chosen = static_cast<size_t>(block_.random() % copies_.size());
  const Copy c = std::move(copies_[chosen]);
  copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(chosen));
  for (const Piece& p : c.pieces) {
    if (p.from != nullptr) {
      std::memcpy(p.to, p.from, p.bytes);
    } else {
      std::memset(p.to, 0, p.bytes);
    }
  }
  Barrier& b = *c.barrier;
  b.bytes -= c.bytes;
  if (b.bytes < 0 && (b.missing == 0 || b.missing == b.arrivals)) {
    report("copy" + in_line(c.line) + ": its barrier, initialised" + in_line(b.line) + ", expects " +
           std::to_string(-b.bytes) + " bytes too few");
  }
  if (block_.clocks.on()) {
    const auto engine = static_cast<size_t>(block_.clocks.copies_of(b.number));
    if (b.gathered.seen.size() <= engine) b.gathered.seen.resize(engine + 1);
    b.gathered.seen[engine] = std::max(b.gathered.seen[engine], c.clock);
  }
  end_phase_if_complete(b);
  return true;
}

// ---- Named barriers ----

void Async::named_barrier(int id, int threads, int line) {
  if (id < 1 || id > 15) {
    return report("named barrier" + in_line(line) + ": number " + std::to_string(id) + " is not 1 to 15");
  }
  block_.clocks.turn_on();
  Named& n = named_[id];
  const int thread = block_.thread();
  if (!n.threads.empty() && n.threads[0] / threads != thread / threads) {
    report("named barrier " + std::to_string(id) + in_line(line) + ": threads of two warpgroups meet");
  }
  n.threads.push_back(thread);
  n.line = line;
  if (static_cast<int>(n.threads.size()) < threads) {
    block_.sleep();
    return;
  }
  const std::vector<int> met = std::move(n.threads);
  n.threads.clear();
  block_.clocks.join(met);
  for (const int t : met) block_.wake(t);
  if (options().schedule != Schedule::forward) block_.pass_on();
}

std::string Async::waiting() const {
  std::string text;
  for (const auto& [bits, b] : barriers_) {
    if (b.waiters.empty()) continue;
    text += " " + std::to_string(b.waiters.size()) + " threads, one of them " +
            std::to_string(b.waiters[0].thread) + ", wait" + in_line(b.waiters[0].line) +
            " for the barrier initialised" + in_line(b.line) + ", whose phase " + std::to_string(b.phase) +
            " lacks " + std::to_string(b.missing) + " arrivals and " + std::to_string(b.bytes) + " bytes;";
  }
  for (int id = 1; id < 16; ++id) {
    const Named& n = named_[id];
    if (n.threads.empty()) continue;
    text += " " + std::to_string(n.threads.size()) + " threads at named barrier " + std::to_string(id) +
            in_line(n.line) + ";";
  }
  return text;
}

}  // namespace sr::emulation

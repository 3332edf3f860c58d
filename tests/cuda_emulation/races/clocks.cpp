#include "tests/cuda_emulation/races/clocks.h"

#include <algorithm>

#include "tests/cuda_emulation/emulation.h"

namespace sr::emulation {

namespace {

void raise(std::vector<uint32_t>& to, const std::vector<uint32_t>& from) {
  if (to.size() < from.size()) to.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i) to[i] = std::max(to[i], from[i]);
}
void raise(Moment& to, const Moment& from) {
  raise(to.seen, from.seen);
  raise(to.fenced, from.fenced);
}

}  // namespace

void Clocks::start(int threads) {
  on_ = false;
  threads_ = threads;
}

void Clocks::turn_on() {
  if (on_ || !finds_races()) return;
  on_ = true;
  columns_ = static_cast<size_t>(threads_ + 32 + kBarriers);
  clocks_.assign(columns_, 1);
  base_.seen.assign(columns_, 0);
  base_.fenced.assign(columns_, 0);
  rows_.resize(std::max(rows_.size(), static_cast<size_t>(threads_)));
  own_row_.assign(static_cast<size_t>(threads_), false);
  sets_.clear();
  known_sets_.clear();
}

Moment& Clocks::row(int thread) {
  const auto t = static_cast<size_t>(thread);
  if (!own_row_[t]) rows_[t] = base_;
  own_row_[t] = true;
  return rows_[t];
}

const Moment& Clocks::known(int thread) const {
  const auto t = static_cast<size_t>(thread);
  return own_row_[t] ? rows_[t] : base_;
}

void Clocks::join(const std::vector<int>& threads) {
  if (!on_) return;
  Moment together = known(threads[0]);
  for (const int t : threads) {
    raise(together, known(t));
    together.seen[static_cast<size_t>(t)] = clock(t);
  }
  for (const int t : threads) {
    row(t) = together;
    tick(t);
  }
}

void Clocks::join_all() {
  if (!on_) return;
  for (int t = 0; t < threads_; ++t) {
    if (own_row_[static_cast<size_t>(t)]) raise(base_, rows_[static_cast<size_t>(t)]);
  }
  for (int t = 0; t < threads_; ++t) {
    base_.seen[static_cast<size_t>(t)] = clock(t);
    tick(t);
  }
  own_row_.assign(own_row_.size(), false);
}

void Clocks::release(int thread, Moment& moment) {
  if (!on_) return;
  raise(moment, known(thread));
  moment.seen[static_cast<size_t>(thread)] = clock(thread);
  tick(thread);
}

void Clocks::acquire(int thread, const Moment& moment) {
  if (on_) raise(row(thread), moment);
}

void Clocks::acquire(int thread, int who, uint32_t clock) {
  if (!on_) return;
  uint32_t& seen = row(thread).seen[static_cast<size_t>(who)];
  seen = std::max(seen, clock);
}

void Clocks::fence(int thread) {
  if (!on_) return;
  Moment& m = row(thread);
  raise(m.fenced, m.seen);
  m.fenced[static_cast<size_t>(thread)] = clock(thread);
  tick(thread);
}

bool Clocks::ordered(const Access& before, const Access& now) const {
  const auto who = static_cast<size_t>(before.thread);
  if (!is_engine(before.thread)) {
    if (before.epoch != now.epoch || before.thread == now.issuer) return true;
    if (before.warp == now.warp && before.warp_epoch < now.warp_epoch) return true;
  } else if (before.thread == now.thread) {
    return true;  // an engine's own products, or copies that signal one barrier
  }
  return known(now.issuer).seen[who] >= before.clock;
}

bool Clocks::fenced(const Access& before, const Access& now) const {
  return is_engine(before.thread) ||
         known(now.issuer).fenced[static_cast<size_t>(before.thread)] >= before.clock;
}

uint32_t Clocks::with_reader(const Access& before, const Access& now) {
  const bool several = before.thread == Access::kSet;
  const auto bits = [](int32_t v) { return static_cast<uint32_t>(v); };
  const std::array<uint32_t, 6> key = {bits(before.thread), before.clock, several ? 0 : before.warp_epoch,
                                       bits(now.thread),    now.clock,    now.warp_epoch};
  const auto found = known_sets_.find(key);
  if (found != known_sets_.end()) return found->second;
  std::vector<Access> set = several ? sets_[before.clock] : std::vector<Access>{before};
  std::erase_if(set, [&](const Access& a) { return ordered(a, now); });
  set.push_back(now);
  sets_.push_back(std::move(set));
  const auto number = static_cast<uint32_t>(sets_.size() - 1);
  known_sets_[key] = number;
  return number;
}

}  // namespace sr::emulation

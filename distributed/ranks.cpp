#include "distributed/ranks.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <sstream>
#include <thread>

#include "tensor/error.h"

namespace sr {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFailureTag = 1, kLengthTag = 2, kTextTag = 3, kBroadcastTag = 4, kAnyTag = 5;
constexpr double kSecondsToSpeak = 1;  // between a failure and the end of all

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Others may need the processor: it is given away at once, and after a millisecond for longer.
void pause(Clock::time_point start) {
  if (seconds_since(start) < 1e-3)
    sched_yield();
  else
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

using Lines = std::vector<std::pair<std::string, std::string>>;  // name and value

Lines lines_of(const std::string& texts) {
  Lines lines;
  std::istringstream in(texts);
  for (std::string line; std::getline(in, line);) {
    const size_t tab = line.find('\t');
    lines.emplace_back(line.substr(0, tab), line.substr(tab + 1));
  }
  return lines;
}

std::string value_in(const Lines& lines, const std::string& name) {
  for (const auto& [known, value] : lines)
    if (known == name) return value;
  return "not given";
}

// The first name for which the two have different values: that and both values, or "". What is not given
// has no line.
std::string difference(const std::string& first, const std::string& other) {
  const Lines a = lines_of(first), b = lines_of(other);
  for (const Lines* lines : {&a, &b})
    for (const auto& [name, value] : *lines)
      if (value_in(a, name) != value_in(b, name))
        return name + " is " + value_in(b, name) + ", that of rank 0 " + value_in(a, name);
  return "";
}

// While it lives a signal to stop ends the process at once, whatever the program does with it otherwise.
class SignalsEndIt {
 public:
  SignalsEndIt() {
    for (size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], nullptr, &before_[i]);
      if (before_[i].sa_handler != SIG_IGN) std::signal(kSignals[i], SIG_DFL);
    }
  }
  ~SignalsEndIt() {
    for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  SignalsEndIt(const SignalsEndIt&) = delete;
  SignalsEndIt& operator=(const SignalsEndIt&) = delete;

 private:
  static constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace

// MPI waits for the others there, however long they take, and looks at nothing else.
Ranks::Ranks(const MpiModule& mpi, std::function<bool()> stop) : mpi_(&mpi), stop_(std::move(stop)) {
  {
    const SignalsEndIt until_all_are_there;
    check(mpi.init(&rank_, &size_));
  }
  if (!alone()) failure_request_ = receive(&failure_, sizeof failure_, -1, kFailureTag);
}

void Ranks::check(int error) const {
  if (error == 0) return;
  char text[200];
  mpi_->text(error, text, sizeof text);
  throw Error(Error::Kind::io, "MPI, rank ", rank_, ": ", text, "; another process may be gone");
}

Ranks::Request Ranks::send(const void* data, int64_t bytes, int64_t to, int tag) {
  Request request{.done = false};
  check(mpi_->isend(data, static_cast<int>(bytes), static_cast<int>(to), tag, &request.number));
  return request;
}

Ranks::Request Ranks::receive(void* data, int64_t bytes, int64_t from, int tag) {
  Request request{.done = false};
  check(mpi_->irecv(data, static_cast<int>(bytes), static_cast<int>(from), tag, &request.number));
  return request;
}

bool Ranks::done(Request& request) {
  if (request.done) return true;
  int done = 0;
  check(mpi_->test(&request.number, &done));
  request.done = done != 0;
  return request.done;
}

void Ranks::look_for_failures() {
  if (alone() || !done(failure_request_)) return;
  throw Error(Error::Kind::io, "rank ", failure_.rank, " failed: ", failure_.why.data());
}

void Ranks::wait_until(const std::function<bool()>& ready) {
  const Clock::time_point start = Clock::now();
  Clock::time_point told{};
  while (!ready()) {
    look_for_failures();
    if (told == Clock::time_point{} && stop_ && stop_()) told = Clock::now();
    if (told != Clock::time_point{} && seconds_since(told) > allowed_)
      throw Error(Error::Kind::stopped, "rank ", rank_,
                  " was told to stop while it waited for others, and they do not answer: one may be gone");
    pause(start);
  }
}

void Ranks::wait(Request request) {
  wait_until([&] { return done(request); });
}

int Ranks::parent() const {
  return rank_ == 0 ? -1 : rank_ & (rank_ - 1);  // without its lowest bit
}

std::vector<int> Ranks::children() const {
  std::vector<int> all;
  for (int bit = 1; bit < size_ && (rank_ & bit) == 0; bit *= 2)
    if (rank_ + bit < size_) all.push_back(rank_ + bit);
  std::reverse(all.begin(), all.end());  // the one with the most behind it first
  return all;
}

void Ranks::broadcast(void* data, int64_t bytes) {
  if (alone()) return;
  if (parent() >= 0) wait(receive(data, bytes, parent(), kBroadcastTag));
  std::vector<Request> sent;
  for (const int child : children()) sent.push_back(send(data, bytes, child, kBroadcastTag));
  for (const Request& request : sent) wait(request);
}

std::vector<std::string> Ranks::gather(const std::string& text) {
  if (alone()) return {text};
  int64_t length = std::ssize(text);
  if (!first()) {
    wait(send(&length, sizeof length, 0, kLengthTag));
    wait(send(text.data(), length, 0, kTextTag));
    return {};
  }
  std::vector<std::string> all{text};
  for (int rank = 1; rank < size_; ++rank) {
    wait(receive(&length, sizeof length, rank, kLengthTag));
    std::string& other = all.emplace_back(static_cast<size_t>(length), '\0');
    wait(receive(other.data(), length, rank, kTextTag));
  }
  return all;
}

bool Ranks::any(bool mine) {
  char all = mine ? 1 : 0;
  for (const int child : children()) {
    char theirs = 0;
    wait(receive(&theirs, 1, child, kAnyTag));
    if (theirs != 0) all = 1;
  }
  if (parent() >= 0) wait(send(&all, 1, parent(), kAnyTag));
  return all != 0;
}

void Ranks::same(const std::string& texts) {
  if (alone()) return;
  const std::vector<std::string> all = gather(texts);
  Failure different;
  for (int rank = 1; rank < static_cast<int>(all.size()) && different.rank < 0; ++rank) {
    const std::string what = difference(all[0], all[static_cast<size_t>(rank)]);
    if (what.empty()) continue;
    different.rank = rank;
    std::strncpy(different.why.data(), what.c_str(), different.why.size() - 1);
  }
  broadcast(&different, sizeof different);
  if (different.rank >= 0)
    throw Error(Error::Kind::usage, "the processes are not alike: of rank ", different.rank, " the ",
                different.why.data());
}

void Ranks::wait_for_first() {
  const double allowed = allowed_;
  allowed_ = 1e9;
  char nothing = 0;
  broadcast(&nothing, 1);
  allowed_ = allowed;
}

void Ranks::fail(const std::string& why) {
  const Clock::time_point start = Clock::now();
  try {
    if (failure_.rank < 0) {
      Failure mine;
      mine.rank = rank_;
      std::strncpy(mine.why.data(), why.c_str(), mine.why.size() - 1);
      std::vector<Request> sent;
      for (int rank = 0; rank < size_; ++rank)
        if (rank != rank_) sent.push_back(send(&mine, sizeof mine, rank, kFailureTag));
      while (seconds_since(start) < kSecondsToSpeak / 2) {
        for (Request& request : sent) done(request);
        pause(start);
      }
    }
  } catch (const Error&) {  // the end comes anyway
  }
  while (seconds_since(start) < kSecondsToSpeak) pause(start);
  mpi_->abort(1);
  std::_Exit(1);
}

void Ranks::finish() {
  if (!mpi_) return;
  if (!alone()) {
    any(false);
    wait_for_first();  // nobody needs another any more
    const Failure nothing;
    Request sent = send(&nothing, sizeof nothing, rank_, kFailureTag);  // MPI wants every request done
    for (const auto start = Clock::now(); !done(sent) || !done(failure_request_);) pause(start);
  }
  check(mpi_->finalize());
}

}  // namespace sr

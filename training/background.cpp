#include "training/background.h"

#include <utility>

namespace sr {

Background::Background() : thread_([this] { run(); }) {}

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Background::add(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    given_.push_back(std::move(work));
  }
  changed_.notify_all();
}

void Background::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return given_.empty() || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

void Background::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !given_.empty() || ends_; });
    if (given_.empty()) return;
    Work work = std::move(given_.front());
    lock.unlock();
    std::exception_ptr failure;
    try {
      work();
      work = nullptr;  // what it holds goes before others hear of its end
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    given_.pop_front();
    failure_ = failure;
    changed_.notify_all();
    if (failure) return;
  }
}

}  // namespace sr

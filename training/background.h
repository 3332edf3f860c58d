// Work beside a training's steps.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace sr {

/// Does what it is given, one after the other, in a thread of its own; what is left when it ends is still
/// done. After a failure nothing more is.
class Background {
 public:
  using Work = std::function<void()>;

  Background();
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Returns at once. Errors: those of earlier work.
  void add(Work work);
  /// Until all is done. Errors: those of the work.
  void wait();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> given_;  // the first is being done
  bool ends_ = false;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace sr

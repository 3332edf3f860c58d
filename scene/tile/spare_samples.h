// Memory of results that were written, for the next ones.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace sr {

/// Fresh memory costs more than what is copied into it: the system hands out zeros page by page. For several
/// threads.
class SpareSamples {
 public:
  /// Keeps at most so many.
  explicit SpareSamples(size_t most) : most_(most) {}

  /// `count` bytes of any content.
  std::vector<std::byte> take(size_t count) {
    std::vector<std::byte> samples;
    {
      const std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        samples = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    samples.resize(count);
    return samples;
  }

  void give_back(std::vector<std::byte> samples) {
    const std::lock_guard lock(mutex_);
    if (samples.capacity() > 0 && spare_.size() < most_) spare_.push_back(std::move(samples));
  }

 private:
  size_t most_;
  std::mutex mutex_;
  std::vector<std::vector<std::byte>> spare_;
};

}  // namespace sr

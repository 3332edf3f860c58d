// Decoded blocks of a file, the least recently used thrown out first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sr {

class BlockCache {
 public:
  using Samples = std::vector<std::byte>;

  explicit BlockCache(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// The samples kept under `key`, or nullptr. Valid until the next insert().
  const Samples* find(uint64_t key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &entries_.front().second;
  }

  /// Keeps samples under a key that is not there yet, and throws out what is then too much. The newest entry
  /// stays even if it is over the limit by itself.
  const Samples& insert(uint64_t key, Samples samples) {
    held_bytes_ += static_cast<int64_t>(samples.size());
    entries_.emplace_front(key, std::move(samples));
    places_[key] = entries_.begin();
    shrink();
    return entries_.front().second;
  }

  /// From now on.
  void set_limit(int64_t bytes) {
    limit_bytes_ = bytes;
    shrink();
  }

  int64_t held_bytes() const { return held_bytes_; }

 private:
  using Entries = std::list<std::pair<uint64_t, Samples>>;

  void shrink() {
    while (held_bytes_ > limit_bytes_ && entries_.size() > 1) {
      held_bytes_ -= static_cast<int64_t>(entries_.back().second.size());
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }

  int64_t limit_bytes_;
  int64_t held_bytes_ = 0;
  Entries entries_;
  std::unordered_map<uint64_t, Entries::iterator> places_;
};

}  // namespace sr

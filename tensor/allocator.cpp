#include "tensor/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <new>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kLargestBytes = int64_t{1} << 62;

// A cached block serves a request only if it is at most this much larger: small requests must not sit in
// blocks that the next activation needs. A large one serves its own size only: what is in use is then about
// what was asked for, which the plan of a scene's memory relies on.
constexpr int64_t kLargestWaste = 4;
constexpr int64_t kLargeBytes = int64_t{1} << 20;

bool serves(int64_t block, int64_t bytes) {
  return block == bytes || (block < kLargeBytes && block <= kLargestWaste * bytes);
}

class Pool {
 public:
  void* take(int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      auto found = free_.lower_bound(bytes);
      if (found != free_.end() && serves(found->first, bytes)) {
        // Of those of a size the one that was freed last, which the caches may still hold.
        found = std::prev(free_.upper_bound(found->first));
        const auto [size, block] = *found;
        free_.erase(found);
        statistics_.bytes_cached -= size;
        count(block, size);
        return block;
      }
      shrink_to(std::max(statistics_.peak_bytes_in_use - bytes, statistics_.bytes_in_use));
    }
    void* block = std::aligned_alloc(kAlignment, static_cast<size_t>(bytes));
    if (!block)
      throw Error(Error::Kind::limit, "tensor: ", bytes,
                  " bytes were refused by the system; use smaller tiles");
    const std::lock_guard lock(mutex_);
    count(block, bytes);
    shrink_to(statistics_.peak_bytes_in_use);
    return block;
  }

  void give_back(void* block) {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(block);
    const int64_t bytes = found->second;
    sizes_.erase(found);
    statistics_.bytes_in_use -= bytes;
    statistics_.bytes_cached += bytes;
    free_.emplace(bytes, block);
  }

  PoolStatistics statistics() {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    statistics_.peak_bytes_in_use = statistics_.bytes_in_use;
    shrink_to(statistics_.bytes_in_use);
  }

 private:
  // Enters a block that is handed out. The mutex is held.
  void count(void* block, int64_t bytes) {
    sizes_[block] = bytes;
    statistics_.bytes_in_use += bytes;
    statistics_.peak_bytes_in_use = std::max(statistics_.peak_bytes_in_use, statistics_.bytes_in_use);
  }

  // Frees cached blocks, smallest first, until the pool holds at most `bytes`. The mutex is held.
  void shrink_to(int64_t bytes) {
    while (!free_.empty() && statistics_.bytes_in_use + statistics_.bytes_cached > bytes) {
      const auto smallest = free_.begin();
      statistics_.bytes_cached -= smallest->first;
      std::free(smallest->second);
      free_.erase(smallest);
    }
  }

  std::mutex mutex_;
  std::multimap<int64_t, void*> free_;
  std::map<void*, int64_t> sizes_;
  PoolStatistics statistics_;
};

// Blocks of kernels. Few are in use at a time, so the best fit may be any that is large enough, and one that
// is too small makes room for one that serves both.
class Scratch {
 public:
  void* take(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = free_.lower_bound(bytes);
    if (found != free_.end()) {
      void* block = found->second;
      free_.erase(found);
      return block;
    }
    if (!free_.empty()) drop_smallest();
    void* block = std::aligned_alloc(kAlignment, static_cast<size_t>(bytes));
    if (!block) throw std::bad_alloc();
    sizes_[block] = bytes;
    return block;
  }

  void give_back(void* block) {
    const std::lock_guard lock(mutex_);
    free_.emplace(sizes_.find(block)->second, block);
#ifdef __SANITIZE_ADDRESS__
    drop_smallest();  // in a block that is too large, a read beyond the end would not be seen
#endif
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    while (!free_.empty()) drop_smallest();
  }

 private:
  void drop_smallest() {
    sizes_.erase(free_.begin()->second);
    std::free(free_.begin()->second);
    free_.erase(free_.begin());
  }

  std::mutex mutex_;
  std::multimap<int64_t, void*> free_;
  std::map<void*, int64_t> sizes_;
};

Pool& pool() {
  static Pool* the_pool =
      new Pool;  // never destroyed: tensors in static objects may outlive any order of exit
  return *the_pool;
}

Scratch& scratch() {
  static Scratch* the_scratch = new Scratch;
  return *the_scratch;
}

int64_t whole_lines(int64_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

std::shared_ptr<void> allocate_cpu(int64_t bytes) {
  if (bytes < 0 || bytes > kLargestBytes)
    throw Error(Error::Kind::limit, "tensor: ", bytes, " bytes cannot be allocated; at most 2^62");
  return {pool().take(whole_lines(bytes)), [](void* block) { pool().give_back(block); }};
}

void* take_scratch(int64_t bytes) {
  return scratch().take(whole_lines(bytes));
}

void give_back_scratch(void* block) {
  scratch().give_back(block);
}

PoolStatistics pool_statistics() {
  return pool().statistics();
}

void reset_pool_peak() {
  pool().reset_peak();
  scratch().clear();
}

}  // namespace sr

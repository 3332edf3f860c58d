#include "tensor/allocator.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kLargestBytes = int64_t{1} << 62;
// A cached block serves a request only if it is at most this much larger: small requests must not sit in
// blocks that the next activation needs.
constexpr int64_t kLargestWaste = 4;

class Pool {
 public:
  void* take(int64_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = free_.lower_bound(bytes);
      if (found != free_.end() && found->first <= kLargestWaste * bytes) {
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

Pool& pool() {
  static Pool* the_pool =
      new Pool;  // never destroyed: tensors in static objects may outlive any order of exit
  return *the_pool;
}

}  // namespace

std::shared_ptr<void> allocate_cpu(int64_t bytes) {
  if (bytes < 0 || bytes > kLargestBytes)
    throw Error(Error::Kind::limit, "tensor: ", bytes, " bytes cannot be allocated; at most 2^62");
  const int64_t rounded = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return {pool().take(rounded), [](void* block) { pool().give_back(block); }};
}

PoolStatistics pool_statistics() {
  return pool().statistics();
}

void reset_pool_peak() {
  pool().reset_peak();
}

}  // namespace sr

// Memory for tensors: a pool, so that a network that runs tile after tile asks the system only once.
#pragma once

#include <cstdint>
#include <memory>

namespace sr {

struct PoolStatistics {
  int64_t bytes_in_use = 0;
  int64_t bytes_cached = 0;       ///< freed by tensors, kept for the next ones
  int64_t peak_bytes_in_use = 0;  ///< since the start or reset_pool_peak()
};

/// Uninitialised memory aligned to 64 bytes, returned to the pool when the last owner lets go. The pool never
/// holds more, in use and cached together, than was in use at one time. Errors: limit.
std::shared_ptr<void> allocate_cpu(int64_t bytes);

PoolStatistics pool_statistics();

/// What a kernel needs for the time of one call, aligned to 64 bytes. A block stays for the next calls: a
/// training step makes a hundred of them, and fresh memory costs more than what is done in it. Errors:
/// std::bad_alloc.
void* take_scratch(int64_t bytes);
void give_back_scratch(void* block);

/// Gives cached memory back to the system and starts the peak anew at what is in use.
void reset_pool_peak();

}  // namespace sr

// Device memory that goes back to whom it was lent by, not to the device.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

struct CUstream_st;

namespace sr::cuda {

/// Blocks of the sizes that were asked for, each used again by the next who asks for its size: a sequence of
/// requests and returns that is repeated gets the same addresses. For one thread.
class DevicePool {
 public:
  DevicePool() = default;
  ~DevicePool();
  DevicePool(const DevicePool&) = delete;
  DevicePool& operator=(const DevicePool&) = delete;

  /// Errors: limit, device; usage (something is being recorded and there is no free block of this size).
  void* take(int64_t bytes, CUstream_st* stream);
  void give_back(void* block, int64_t bytes) { free_.emplace(bytes, block); }

 private:
  std::multimap<int64_t, void*> free_;
  CUstream_st* stream_ = nullptr;
};

/// While one lives, the calling thread's tensors lie in the pool.
class UsePool {
 public:
  explicit UsePool(std::shared_ptr<DevicePool> pool);
  ~UsePool();
  UsePool(const UsePool&) = delete;
  UsePool& operator=(const UsePool&) = delete;

 private:
  std::shared_ptr<DevicePool> before_;
};

}  // namespace sr::cuda

// The device's memory and the host memory it copies from by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "tests/cuda_emulation/races/races.h"

namespace sr::emulation {

/// `bytes` of the device's memory, at a multiple of 256, filled with NaN; ends where it ends, for
/// AddressSanitizer. Null if that is more than is left of Options::device_memory.
void* allocate_device(size_t bytes);

/// No longer counts p, which others may use until free_device(p). False if it is none of the device's.
bool give_up_device(void* p);

/// False if allocate_device() did not give p or p is free already.
bool free_device(void* p);

size_t device_bytes_in_use();

/// What give_up_device() takes back is kept for the next allocations if `keep`, as a pool keeps it.
void keep_given_up(bool keep);
size_t device_bytes_kept();
void forget_kept();

/// Whose memory it is, and how much follows p there.
struct Place {
  enum { device, pinned, host } whose = host;
  size_t bytes_left = 0;  // not known of the host's
};
Place place_of(const void* p);

/// Memory of the host that the device reaches by itself.
void* allocate_pinned(size_t bytes);
bool free_pinned(void* p);

/// Notes an access to the device's memory. What it races with, if anything, and the byte of the allocation it
/// is at.
struct DeviceRace {
  size_t offset, bytes;
  Access before;
};
std::optional<DeviceRace> note_device_access(const void* p, size_t bytes, AccessKind kind, const Access& now,
                                             Clocks& clocks);

/// While one lives, the device's memory can be read and written; the host alone may not touch it, and
/// AddressSanitizer, if it is there, sees that it does not.
class DeviceRuns {
 public:
  DeviceRuns();
  ~DeviceRuns();
  DeviceRuns(const DeviceRuns&) = delete;
  DeviceRuns& operator=(const DeviceRuns&) = delete;
};

}  // namespace sr::emulation

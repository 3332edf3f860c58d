// The device's memory and the host memory it copies from by itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/cuda_emulation/races.h"

namespace sr::emulation {

/// `bytes` of the device's memory, at a multiple of 256, filled with NaN; ends where it ends, for
/// AddressSanitizer. Null if that is more than is left (set_device_memory).
void* allocate_device(size_t bytes);

/// False if allocate_device() did not give p or p is free already.
bool free_device(void* p);

size_t device_bytes_in_use();

/// Notes an access to the device's memory; returns Shadow::note's text, with where it is. Nothing for other
/// memory.
std::string note_device_access(const void* p, size_t bytes, AccessKind kind, const Access& now);

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

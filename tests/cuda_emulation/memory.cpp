#include "tests/cuda_emulation/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>

#include "tests/cuda_emulation/emulation.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (static_cast<void>(p), static_cast<void>(n))
#endif

namespace sr::emulation {

namespace {

constexpr size_t kAlign = 256;

struct Allocation {
  size_t bytes = 0;
  bool given_up = false;
  std::unique_ptr<Shadow> shadow;
};

// All that is allocated, by address, and how much of it.
struct Heap {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> allocations;
  std::map<uintptr_t, size_t> pinned;
  size_t bytes_in_use = 0, bytes_kept = 0;
  bool keeps = false;
  int runs = 0;  // DeviceRuns that live
};
Heap& heap() {
  static Heap& the_heap = *new Heap;  // memory may be freed until the very end of the program
  return the_heap;
}

}  // namespace

void* allocate_device(size_t bytes) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const size_t limit = options().device_memory;
  if (bytes > limit - std::min(limit, h.bytes_in_use)) return nullptr;
  void* p = nullptr;
  if (posix_memalign(&p, kAlign, std::max<size_t>(bytes, 1)) != 0) return nullptr;
  std::memset(p, 0xff, bytes);
  Allocation& a = h.allocations[reinterpret_cast<uintptr_t>(p)];
  a.bytes = bytes;
  if (finds_races()) a.shadow = std::make_unique<Shadow>(bytes);
  h.bytes_in_use += bytes;
  h.bytes_kept -= std::min(h.bytes_kept, bytes);
  if (h.runs == 0) ASAN_POISON_MEMORY_REGION(p, bytes);
  return p;
}

bool give_up_device(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.allocations.find(reinterpret_cast<uintptr_t>(p));
  if (found == h.allocations.end() || found->second.given_up) return false;
  found->second.given_up = true;
  h.bytes_in_use -= found->second.bytes;
  if (h.keeps) h.bytes_kept += found->second.bytes;
  return true;
}

bool free_device(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.allocations.find(reinterpret_cast<uintptr_t>(p));
  if (found == h.allocations.end()) return false;
  if (!found->second.given_up) h.bytes_in_use -= found->second.bytes;
  ASAN_UNPOISON_MEMORY_REGION(p, found->second.bytes);
  h.allocations.erase(found);
  std::free(p);
  return true;
}

size_t device_bytes_in_use() {
  const std::lock_guard lock(heap().mutex);
  return heap().bytes_in_use;
}

void keep_given_up(bool keep) {
  const std::lock_guard lock(heap().mutex);
  heap().keeps = keep;
}

size_t device_bytes_kept() {
  const std::lock_guard lock(heap().mutex);
  return heap().bytes_kept;
}

void forget_kept() {
  const std::lock_guard lock(heap().mutex);
  heap().bytes_kept = 0;
}

Place place_of(const void* p) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto device = h.allocations.upper_bound(address);
  if (device != h.allocations.begin()) {
    const auto& [start, a] = *std::prev(device);
    if (address < start + std::max<size_t>(a.bytes, 1)) return {Place::device, start + a.bytes - address};
  }
  const auto pinned = h.pinned.upper_bound(address);
  if (pinned != h.pinned.begin()) {
    const auto& [start, bytes] = *std::prev(pinned);
    if (address < start + std::max<size_t>(bytes, 1)) return {Place::pinned, start + bytes - address};
  }
  return {};
}

void* allocate_pinned(size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, kAlign, std::max<size_t>(bytes, 1)) != 0) return nullptr;
  std::memset(p, 0xff, bytes);
  const std::lock_guard lock(heap().mutex);
  heap().pinned[reinterpret_cast<uintptr_t>(p)] = bytes;
  return p;
}

bool free_pinned(void* p) {
  const std::lock_guard lock(heap().mutex);
  if (heap().pinned.erase(reinterpret_cast<uintptr_t>(p)) == 0) return false;
  std::free(p);
  return true;
}

std::optional<DeviceRace> note_device_access(const void* p, size_t bytes, AccessKind kind, const Access& now,
                                             Clocks& clocks) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto next = h.allocations.upper_bound(address);
  if (next == h.allocations.begin()) return {};
  const auto& [start, a] = *std::prev(next);
  if (address - start >= a.bytes || a.shadow == nullptr) return {};
  const auto before = a.shadow->note(address - start, bytes, kind, now, false, clocks);
  if (!before) return {};
  return DeviceRace{address - start, a.bytes, *before};
}

DeviceRuns::DeviceRuns() {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  if (h.runs++ > 0) return;
  for (const auto& [address, a] : h.allocations) {
    ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(address), a.bytes);
  }
}

DeviceRuns::~DeviceRuns() {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  if (--h.runs > 0) return;
  for (const auto& [address, a] : h.allocations) {
    ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(address), a.bytes);
  }
}

}  // namespace sr::emulation

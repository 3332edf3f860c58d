#include "tests/cuda_emulation/memory.h"

#include <cstdlib>
#include <cstring>
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
  std::unique_ptr<Shadow> shadow;
};

// All that is allocated, by address, and how much of it.
struct Heap {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> allocations;
  size_t bytes_in_use = 0;
  size_t limit = size_t{1} << 30;
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
  if (bytes > h.limit - std::min(h.limit, h.bytes_in_use)) return nullptr;
  void* p = nullptr;
  if (posix_memalign(&p, kAlign, std::max<size_t>(bytes, 1)) != 0) return nullptr;
  std::memset(p, 0xff, bytes);
  Allocation& a = h.allocations[reinterpret_cast<uintptr_t>(p)];
  a.bytes = bytes;
  if (finds_races()) a.shadow = std::make_unique<Shadow>(bytes);
  h.bytes_in_use += bytes;
  if (h.runs == 0) ASAN_POISON_MEMORY_REGION(p, bytes);
  return p;
}

bool free_device(void* p) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.allocations.find(reinterpret_cast<uintptr_t>(p));
  if (found == h.allocations.end()) return false;
  h.bytes_in_use -= found->second.bytes;
  ASAN_UNPOISON_MEMORY_REGION(p, found->second.bytes);
  h.allocations.erase(found);
  std::free(p);
  return true;
}

void set_device_memory(size_t bytes) {
  const std::lock_guard lock(heap().mutex);
  heap().limit = bytes;
}

size_t device_memory() {
  const std::lock_guard lock(heap().mutex);
  return heap().limit;
}

size_t device_bytes_in_use() {
  const std::lock_guard lock(heap().mutex);
  return heap().bytes_in_use;
}

std::string note_device_access(const void* p, size_t bytes, AccessKind kind, const Access& now) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  auto found = h.allocations.upper_bound(address);
  if (found == h.allocations.begin()) return "";
  --found;
  const size_t offset = address - found->first;
  if (offset >= found->second.bytes) return "";
  const std::string race = found->second.shadow->note(offset, bytes, kind, now, false);
  if (race.empty()) return race;
  return "byte " + std::to_string(offset) + " of " + std::to_string(found->second.bytes) + ": " + race;
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

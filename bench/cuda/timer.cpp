#include "bench/cuda/timer.h"

#include <algorithm>
#include <vector>

#include "tensor/cuda/error.h"

namespace sr::bench {
namespace {

using gpu::check;

constexpr int kLeastRepetitions = 5, kMostRepetitions = 200;
constexpr int kInARow = 20;  // runs of one warm repetition
// A run that takes this long hides its launches by itself: a few in a row do, and do not take seconds.
constexpr double kLongMs = 5;
constexpr int kLongInARow = 3;

std::shared_ptr<CUevent_st> make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "timer: an event");
  return {event, [](cudaEvent_t e) { cudaEventDestroy(e); }};
}

Timing summary(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const size_t n = ms.size();
  const double median = ms[n / 2];
  return {median, (ms[n - 1 - n / 4] - ms[n / 4]) / median, static_cast<int>(n)};
}

int repetitions(double seconds, double ms) {
  return static_cast<int>(
      std::clamp(1e3 * seconds / std::max(ms, 1e-3), double{kLeastRepetitions}, double{kMostRepetitions}));
}

}  // namespace

CudaTimer::CudaTimer(cudaStream_t stream) : stream_(stream), begin_(make_event()), end_(make_event()) {
  int device = 0, cache_bytes = 0;
  check(cudaGetDevice(&device), "timer: the device");
  check(cudaDeviceGetAttribute(&cache_bytes, cudaDevAttrL2CacheSize, device),
        "timer: the second-level cache");
  filler_bytes_ = 3 * static_cast<size_t>(std::max(cache_bytes, 32 << 20));
  void* memory = nullptr;
  check(cudaMalloc(&memory, filler_bytes_), "timer: memory to fill the cache with");
  filler_ = {memory, [](void* p) { cudaFree(p); }};
}

void CudaTimer::fill_cache() const {
  check(cudaMemsetAsync(filler_.get(), 0x5a, filler_bytes_, stream_), "timer: filling the cache");
}

double CudaTimer::between(const std::function<void()>& run, int runs) const {
  check(cudaEventRecord(begin_.get(), stream_), "timer: an event");
  for (int i = 0; i < runs; ++i) run();
  check(cudaEventRecord(end_.get(), stream_), "timer: an event");
  check(cudaEventSynchronize(end_.get()), "timer: waiting");
  float ms = 0;
  check(cudaEventElapsedTime(&ms, begin_.get(), end_.get()), "timer: the time between events");
  return double{ms} / runs;
}

double CudaTimer::once(const std::function<void()>& run) const {
  fill_cache();  // the host launches the run meanwhile
  return between(run, 1);
}

Timing CudaTimer::cold(const std::function<void()>& run, double seconds) const {
  run();
  std::vector<double> ms(static_cast<size_t>(repetitions(seconds, once(run))));
  for (double& m : ms) m = once(run);
  return summary(ms);
}

Timing CudaTimer::warm(const std::function<void()>& run, double seconds) const {
  run();
  const double one = between(run, 1);
  const int in_a_row = one > kLongMs ? kLongInARow : kInARow;
  std::vector<double> ms(static_cast<size_t>(repetitions(seconds, one * in_a_row)));
  for (double& m : ms) {
    for (int i = 0; i < 4; ++i) fill_cache();  // time for the host to be ahead
    run();
    m = between(run, in_a_row);
  }
  return summary(ms);
}

}  // namespace sr::bench

// Times work on a CUDA device by its own clock.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

namespace sr::bench {

struct Timing {
  double ms = 0;      ///< median
  double spread = 0;  ///< distance between the quartiles, relative to the median
  int repetitions = 0;
};

/// All work goes to `stream`, in which `run` must start its kernels too.
class CudaTimer {
 public:
  /// Takes memory of three times the second-level cache. Errors: device, limit.
  explicit CudaTimer(cudaStream_t stream);

  /// One run at a time, each after other data has filled the second-level cache: inputs come from memory.
  /// Repeats for about `seconds` of the device's time, 5 times at least and 200 at most.
  Timing cold(const std::function<void()>& run, double seconds = 0.02) const;
  /// 20 runs in a row, 3 if one takes more than 5 ms; inputs wherever the run before left them. Launches are
  /// ahead of the device as long as they take less time than the work.
  Timing warm(const std::function<void()>& run, double seconds = 0.02) const;
  /// One cold run, for a first opinion.
  double once(const std::function<void()>& run) const;

 private:
  void fill_cache() const;
  double between(const std::function<void()>& run, int runs) const;

  cudaStream_t stream_;
  std::shared_ptr<void> filler_;
  size_t filler_bytes_ = 0;
  std::shared_ptr<CUevent_st> begin_, end_;
};

}  // namespace sr::bench

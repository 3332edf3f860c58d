// The best that cuDNN can do for a convolution.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/cuda/cudnn_problem.h"
#include "bench/cuda/timer.h"

namespace sr::bench {

struct CudnnBest {
  std::string name;  ///< empty: no candidate gave the right result
  Timing cold, warm;
  double difference = 0;  ///< of its result, as `difference` said
  int tried = 0;          ///< candidates that ran
  int wrong = 0;          ///< of the faster ones, those whose result was not right
  bool separate = true;   ///< false: nothing ran the epilogue, so that lone convolutions were left out
};

/// cuDNN on the calling thread's device and a stream of it.
class Cudnn {
 public:
  /// `threads` build plans at a time. Takes `workspace_bytes` of memory. Errors: device, limit.
  Cudnn(cudaStream_t stream, int threads, int64_t workspace_bytes);
  ~Cudnn();
  Cudnn(const Cudnn&) = delete;
  Cudnn& operator=(const Cudnn&) = delete;

  static std::string version();

  /// Tries one graph for all, a graph for the convolution and one for the epilogue, and the older API's
  /// algorithms with a graph for the epilogue. The fastest whose result is right counts; `difference` gives
  /// how far the last result is off, and at most `tolerance` is right. Plans that are not built after
  /// `seconds` are left out.
  CudnnBest best(const CudnnProblem& problem, const CudnnOperands& operands, const CudaTimer& timer,
                 double seconds, double tolerance, const std::function<double()>& difference) const;

 private:
  std::vector<CudnnCandidate> candidates(const CudnnProblem& problem, const CudnnOperands& operands,
                                         const CudaTimer& timer, double seconds, bool& separate) const;
  double once(const CudnnCandidate& candidate, const CudaTimer& timer) const;

  cudaStream_t stream_;
  std::vector<cudnnHandle_t> handles_;
  std::shared_ptr<void> workspace_;
  int64_t workspace_bytes_;
};

}  // namespace sr::bench

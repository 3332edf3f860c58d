#include "bench/cuda/cudnn_conv.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/cuda/cudnn_graph.h"
#include "bench/cuda/cudnn_legacy.h"
#include "tensor/cuda/error.h"
#include "tensor/error.h"

namespace sr::bench {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The convolution, then the epilogue.
CudnnCandidate joined(const CudnnCandidate& conv, const CudnnCandidate& epilogue) {
  return {conv.name + ", then " + epilogue.name, std::max(conv.workspace_bytes, epilogue.workspace_bytes),
          [=](void* workspace) {
            conv.run(workspace);
            epilogue.run(workspace);
          }};
}

}  // namespace

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char text[512] = "";
  cudnnGetLastErrorString(text, sizeof text);
  throw Error(Error::Kind::device, "cuDNN: ", what, ": ", cudnnGetErrorString(status), ' ', text);
}

Cudnn::Cudnn(cudaStream_t stream, int threads, int64_t workspace_bytes)
    : stream_(stream), workspace_bytes_(workspace_bytes) {
  void* memory = nullptr;
  gpu::check(cudaMalloc(&memory, static_cast<size_t>(workspace_bytes)), "cuDNN's workspace");
  workspace_ = {memory, [](void* p) { cudaFree(p); }};
  for (int i = 0; i < threads; ++i) {
    cudnnHandle_t handle = nullptr;
    check(cudnnCreate(&handle), "a handle");
    handles_.push_back(handle);
    check(cudnnSetStream(handle, stream_), "a handle's stream");
  }
}

Cudnn::~Cudnn() {
  for (const cudnnHandle_t handle : handles_) cudnnDestroy(handle);
}

std::string Cudnn::version() {
  const size_t v = cudnnGetVersion();
  return std::to_string(v / 10000) + '.' + std::to_string(v / 100 % 100) + '.' + std::to_string(v % 100);
}

double Cudnn::once(const CudnnCandidate& candidate, const CudaTimer& timer) const try {
  if (candidate.workspace_bytes > workspace_bytes_) return kNever;
  const auto run = [&] { candidate.run(workspace_.get()); };
  run();
  return std::min(timer.once(run), timer.once(run));
} catch (const Error&) {
  return kNever;  // it was built, but does not run
}

std::vector<CudnnCandidate> Cudnn::candidates(const CudnnProblem& problem, const CudnnOperands& operands,
                                              const CudaTimer& timer, double seconds, bool& separate) const {
  std::vector<CudnnCandidate> whole = graph_candidates(problem, operands, GraphPart::all, handles_, seconds);
  std::vector<CudnnCandidate> parts =
      legacy_candidates(problem, operands, handles_[0], workspace_.get(), workspace_bytes_);
  if (!problem.has_epilogue()) {
    whole.insert(whole.end(), parts.begin(), parts.end());
    return whole;
  }
  for (CudnnCandidate& c : graph_candidates(problem, operands, GraphPart::convolution, handles_, seconds / 2))
    parts.push_back(std::move(c));
  // The epilogue by itself has few plans: the fastest serves all.
  double fastest = kNever;
  CudnnCandidate epilogue;
  for (const CudnnCandidate& c :
       graph_candidates(problem, operands, GraphPart::epilogue, handles_, seconds / 4)) {
    const double ms = once(c, timer);
    if (ms < fastest) fastest = ms, epilogue = c;
  }
  separate = fastest < kNever;
  if (separate)
    for (const CudnnCandidate& conv : parts) whole.push_back(joined(conv, epilogue));
  return whole;
}

CudnnBest Cudnn::best(const CudnnProblem& problem, const CudnnOperands& operands, const CudaTimer& timer,
                      double seconds, double tolerance, const std::function<double()>& difference) const {
  CudnnBest best;
  std::vector<std::pair<double, CudnnCandidate>> timed;
  for (const CudnnCandidate& c : candidates(problem, operands, timer, seconds, best.separate)) {
    const double ms = once(c, timer);
    if (ms < kNever) timed.emplace_back(ms, c);
  }
  std::sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  best.tried = static_cast<int>(timed.size());
  // First opinions are rough: the three fastest that are right are measured well.
  int measured = 0;
  for (const auto& [ms, c] : timed) {
    if (measured == 3) break;
    const size_t bytes =
        static_cast<size_t>(problem.result_size()) * (problem.type == CUDNN_DATA_FLOAT ? 4 : 2);
    gpu::check(cudaMemsetAsync(operands.result(problem.op), 0xff, bytes, stream_),
               "forgetting a result");  // NaN
    c.run(workspace_.get());
    const double off = difference();
    if (!(off <= tolerance)) {
      best.wrong += measured == 0;
      continue;
    }
    const Timing cold = timer.cold([&, &c = c] { c.run(workspace_.get()); });
    if (measured++ == 0 || cold.ms < best.cold.ms) {
      best.name = c.name, best.cold = cold, best.difference = off;
      best.warm = timer.warm([&, &c = c] { c.run(workspace_.get()); });
    }
  }
  return best;
}

}  // namespace sr::bench

// cuDNN's graph API through its backend descriptors: a convolution with the pointwise operations behind it.
#pragma once

#include <vector>

#include "bench/cuda/cudnn_problem.h"

namespace sr::bench {

/// What of a problem a graph holds.
enum class GraphPart {
  all,          ///< the convolution and its epilogue, in one kernel if an engine can
  convolution,  ///< alone, its result in CudnnOperands::raw if there is an epilogue
  epilogue      ///< from CudnnOperands::raw
};

/// Every execution plan that the heuristics have for the graph (modes A, which instant is another name of,
/// fallback and B; without repetitions) and that can be built within `seconds`. Plans are built by as many
/// threads as there are handles, each with its own, and run on its stream. Left out: engines that sum in less
/// than float32 and, unless the problem allows tensor cores, convolutions that use them. Empty if no engine
/// takes the graph.
std::vector<CudnnCandidate> graph_candidates(const CudnnProblem& problem, const CudnnOperands& operands,
                                             GraphPart part, const std::vector<cudnnHandle_t>& handles,
                                             double seconds);

}  // namespace sr::bench

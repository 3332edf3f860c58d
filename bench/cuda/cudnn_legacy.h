// cuDNN's older API for convolutions: cudnnConvolutionForward, BackwardData, BackwardFilter with every
// algorithm.
#pragma once

#include <vector>

#include "bench/cuda/cudnn_problem.h"

namespace sr::bench {

/// The convolution of a problem without its epilogue (its result in CudnnOperands::raw if there is one), with
/// each algorithm that cudnnFind*Algorithm ran in `workspace`. Empty if none takes it.
std::vector<CudnnCandidate> legacy_candidates(const CudnnProblem& problem, const CudnnOperands& operands,
                                              cudnnHandle_t handle, void* workspace, int64_t workspace_bytes);

}  // namespace sr::bench

// Gradients of parameters in a backward pass, put off until those of several layers can be computed together.
#pragma once

#include <vector>

#include "tensor/conv2d/cuda/problem.h"
#include "tensor/cuda/deferred.h"
#include "tensor/ops/reduce_cuda.h"

namespace sr::cuda {

/// A weight gradient that is to be computed into dw and, if there is a db, the bias's into that
/// (conv2d_grads_bias() only).
struct GradWeightWork {
  ConvDims dims;
  ConvTypes types;
  Tensor x, dy, dw, db;
};

/// Computes it, or puts it off if the calling thread has a GatherGradWeights. Errors: device, limit.
void compute(const GradWeightWork& work);

/// While one lives, what conv2d_grad_weight and conv2d_grad_parameters of the calling thread give is filled
/// later, that of layers of the same sizes with one launch. Until then x and dy stay in memory, at most 2 GiB
/// of them. A gradient's bits depend on how many were computed together. What nobody finished is dropped.
class GatherGradWeights final : public Deferred {
 public:
  GatherGradWeights();
  ~GatherGradWeights() override;

  void add(const GradWeightWork& work);
  bool has(const Tensor& gradient) const override;
  /// Errors: device, limit.
  void finish() override;

 private:
  GatherGradWeights* before_;
  std::vector<GradWeightWork> waiting_;
  int64_t bytes_ = 0;  // that the tensors of waiting_ hold
};

/// Both kinds, those of weights, with biases that are summed beside them, and those of biases by themselves:
/// what sum_per_channel and leaky_relu_grads give.
struct GatherGradients {
  GatherGradWeights weights;
  GatherSums sums;

  /// Errors: device, limit.
  void finish() {
    sums.finish();
    weights.finish();
  }
};

}  // namespace sr::cuda

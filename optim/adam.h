// Adam: Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, arXiv 1412.6980, algorithm 1.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/params.h"

namespace sr {

/// The letters of the formula at Adam::step().
struct AdamOptions {
  double beta1 = 0.9;     ///< how much of m stays, 0..1
  double beta2 = 0.999;   ///< how much of v stays, 0..1
  double epsilon = 1e-8;  ///< beside the root of v
  /// Times 0.5 |w|^2 in the loss, over the parameters that decay (weights, not biases).
  double weight_decay = 1e-4;
  /// Weight decay outside the gradient's statistics: w -= rate * weight_decay * w (Loshchilov, Hutter, ICLR
  /// 2019, "AdamW").
  bool decoupled = false;

  bool operator==(const AdamOptions&) const = default;  ///< of all
};

/// The optimizer of one list of parameters, with its two moments for each.
class Adam {
 public:
  /// Moments are zero. The parameters must stay where they are. Errors: usage (an option out of its range).
  Adam(Params& params, const AdamOptions& options);

  /// Updates every parameter that has a gradient, in place, and clears the gradients:
  ///   g = gradient_scale * gradient + weight_decay * w
  ///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
  ///   w -= rate * multiplier * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
  /// The multiplier is the parameter's own (Parameter::rate) if use_multipliers.
  void step(double rate, double gradient_scale = 1, bool use_multipliers = false);

  /// For a step that was taken elsewhere (adam_cuda.h).
  void count_step() { ++steps_; }

  const AdamOptions& options() const { return options_; }  ///< as given
  int64_t steps() const { return steps_; }                 ///< that were taken: t

  /// Both moments by the names of the parameters, "m/..." and "v/...". The tensors share the optimizer's
  /// memory.
  std::vector<std::pair<std::string, Tensor>> moments() const;
  /// What moments() and steps() gave. Errors: format (a name is missing, a shape differs).
  void restore(const std::vector<std::pair<std::string, Tensor>>& moments, int64_t steps);

 private:
  Params& params_;
  AdamOptions options_;
  int64_t steps_ = 0;
  std::vector<Tensor> m_, v_;
};

/// Euclidean norm of all gradients together, in double and a fixed order.
double gradient_norm(const Params& params);

}  // namespace sr

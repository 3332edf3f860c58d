// The operations of tensor/ on Vars: the same names, forward and derivative side by side in functions.cpp.
#pragma once

#include <vector>

#include "autograd/var.h"
#include "tensor/conv2d/conv2d.h"

namespace sr {

/// tensor/conv2d/conv2d.h has the formula, also of the next two. Errors: shape, usage.
Var conv2d(const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& options,
           const std::vector<Var>& added = {});
/// Where something is recorded, two steps of the graph. Lets go of x and `added` as soon as they are not
/// needed.
Var conv2d_then_conv2d(Var x, const Var& weight, const Var& bias, const Conv2dOptions& options,
                       std::vector<Var> added, const Var& next_weight, const Var& next_bias,
                       const Conv2dOptions& next_options);
/// What enlarges: h x w is the size of the result. Errors: shape.
Var conv_transpose2d(const Var& x, const Var& weight, const Var& bias, int64_t h, int64_t w,
                     const Conv2dOptions& options);
/// Channels begin (inclusive) to end (exclusive); no copy.
Var channels(const Var& x, int64_t begin, int64_t end);
/// Sum of two values of one shape.
Var add(const Var& a, const Var& b);
/// factor * x.
Var scale(const Var& x, float factor);
/// The same numbers as float32: what a GPU stores in 16 bits is copied, gradients back are stored as x is.
Var in_float32(const Var& x);
/// x * sigmoid(x).
Var silu(const Var& x);
/// (z + x) * (sigmoid(z) - 1/2).
Var gate(const Var& z, const Var& x);
/// The weight [o, 3, 3, i] of the convolutions `expand` [m, 1, 1, i], `middle` [n, 3, 3, m] and `reduce` [o,
/// 1, 1, n] one after the other, without biases, and `beside` [o, 1, 1, i] beside them.
Var merged_branches(const Var& expand, const Var& middle, const Var& reduce, const Var& beside);

/// While one lives, what merged_branches() gives on this thread is a leaf, whose gradient comes to the
/// branches by backward() only: of a batch that several processes share it is summed first.
class MergedAsLeaves {
 public:
  MergedAsLeaves();
  ~MergedAsLeaves();
  MergedAsLeaves(const MergedAsLeaves&) = delete;
  MergedAsLeaves& operator=(const MergedAsLeaves&) = delete;

  /// Takes the leaves' gradients to the branches.
  void backward() const;

 private:
  friend Var merged_branches(const Var&, const Var&, const Var&, const Var&);
  struct Merged {
    Var computed, leaf;
  };
  MergedAsLeaves* before_;
  std::vector<Merged> all_;
};

// Losses: one value, [1, 1, 1, 1], to start backward() from. Formulas in tensor/ops/loss.h, which also says
// what `batch` is, and tensor/ops/ssim.h; the functions there give the same value in double.
/// Mean of |x - target|. Errors: shape.
Var l1_loss(const Var& x, const Tensor& target, int64_t batch = 0);
/// Mean of (x - target)^2. Errors: shape.
Var l2_loss(const Var& x, const Tensor& target, int64_t batch = 0);
/// `weight` times the mean spectral angle.
Var spectral_angle_loss(const Var& x, const Tensor& target, float weight, int64_t batch = 0);
/// Minus the mean structural similarity.
Var ssim_loss(const Var& x, const Tensor& target, double peak, int64_t batch = 0);

}  // namespace sr

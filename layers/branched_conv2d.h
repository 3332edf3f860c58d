// A 3x3 convolution that is trained as several.
#pragma once

#include <cmath>

#include "autograd/functions.h"
#include "autograd/params.h"
#include "layers/reach.h"
#include "tensor/ops/branches.h"

namespace sr {

/// conv2d that keeps the size, 3x3, with bias and without activation. With branches its weight is that of a
/// 1x1 convolution to twice the channels, a 3x3 and a 1x1 convolution one after the other, and a 1x1
/// convolution beside them, all of which are linear: Ding et al., "Diverse Branch Block", CVPR 2021, and the
/// paper of SPAN. The image is padded, not what the first makes of it, so they are one at the border too, and
/// all their biases come to one.
struct BranchedConv2d {
  Var expand;  ///< the branches' weights, or none: of the first 1x1 convolution
  Var middle;  ///< of the 3x3 one
  Var reduce;  ///< of the second 1x1 one
  Var beside;  ///< of the 1x1 one beside them
  Var plain;   ///< the weight, or none
  Var bias;    ///< of all together

  /// Weights of the same variance with branches as without: He-normal, half of it from the 1x1 beside. Zero
  /// bias at a tenth of the rate.
  BranchedConv2d(const ParamScope& p, int64_t in, int64_t out, bool branches) {
    const auto deviation = [](double variance, int64_t terms) {
      return std::sqrt(variance / static_cast<double>(terms));
    };
    if (branches) {
      expand = p.create("expand", {2 * in, 1, 1, in}, deviation(1, in));
      middle = p.create("middle", {2 * out, 3, 3, 2 * in}, deviation(1, 9 * 2 * in));
      reduce = p.create("reduce", {out, 1, 1, 2 * out}, deviation(1, 2 * out));
      beside = p.create("beside", {out, 1, 1, in}, deviation(1, in));
    } else {
      plain = p.create("weight", {out, 3, 3, in}, deviation(2, 9 * in));
    }
    bias = p.create_bias("bias", out);
  }

  /// [out, 3, 3, in], with its gradients.
  Var weight() const { return plain ? plain : merged_branches(expand, middle, reduce, beside); }
  /// The same for what has none: computed in double and rounded once, by the processor.
  Tensor weight_value() const {
    if (plain) return plain.value();
    const auto here = [](const Var& branch) { return branch.value().to(Device::cpu); };
    return merged_branches_exactly({here(expand), here(middle), here(reduce), here(beside)})
        .to(expand.value().device());
  }

  /// conv2d(x).
  Var operator()(const Var& x) const { return conv2d(x, weight(), bias, {.pad_begin = 1, .pad_end = 1}); }

  Reach reach() const { return {1, 1}; }  ///< of a 3x3 convolution
};

}  // namespace sr

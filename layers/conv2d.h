// Convolution layer: the model to copy for a new layer.
#pragma once

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "autograd/functions.h"
#include "autograd/params.h"
#include "layers/reach.h"
#include "tensor/bands/program.h"

namespace sr {

/// conv2d that keeps the size (odd kernel, stride 1, zero padding (kernel-1)/2), with bias and leaky ReLU.
struct Conv2d {
  Var weight;             ///< [out, kernel, kernel, in / groups]
  Var bias;               ///< [1, 1, 1, out]
  Conv2dOptions options;  ///< padding, groups, leak

  /// He-normal weights (He et al., ICCV 2015: deviation sqrt(2 / fan in)), zero bias at a tenth of the rate.
  /// leak 1 = no activation.
  Conv2d(const ParamScope& p, int64_t in, int64_t out, int kernel, float leak, int groups = 1)
      : weight(p.create("weight", {out, kernel, kernel, in / groups},
                        std::sqrt(2.0 / static_cast<double>(kernel * kernel * in / groups)))),
        bias(p.create_bias("bias", out)),
        options{.pad_begin = kernel / 2, .pad_end = kernel / 2, .groups = groups, .leak = leak} {}

  /// act(conv2d(x)) + the joined `added`.
  Var operator()(const Var& x, const std::vector<Var>& added = {}) const {
    return conv2d(x, weight, bias, options, added);
  }

  /// next(act(conv2d(x)) + the joined `added`); one step where nothing is recorded.
  Var then(const Conv2d& next, Var x, std::vector<Var> added = {}) const {
    return conv2d_then_conv2d(std::move(x), weight, bias, options, std::move(added), next.weight, next.bias,
                              next.options);
  }

  /// The layer as a stage that runs band by band, without a gradient.
  bands::Rows stage(bands::Program& program, const bands::Rows& x) const {
    return program.convolution(x, weight.value(), bias.value(), options.leak, options.groups);
  }
  /// The first `split` channels apart from the others.
  std::array<bands::Rows, 2> split_stage(bands::Program& program, const bands::Rows& x, int64_t split) const {
    return program.convolution(x, weight.value(), bias.value(), options.leak, options.groups, split);
  }
  /// then() a 1x1 convolution, as a stage.
  bands::Rows stage_then(const Conv2d& pointwise, bands::Program& program, const bands::Rows& x,
                         std::vector<bands::Rows> added) const {
    return program.convolution_then_pointwise(x, weight.value(), bias.value(), options.leak, std::move(added),
                                              pointwise.weight.value(), pointwise.bias.value(),
                                              pointwise.options.leak);
  }

  /// The kernel's half on each side.
  Reach reach() const { return {options.pad_begin, weight.shape().h - 1 - options.pad_begin}; }
};

}  // namespace sr

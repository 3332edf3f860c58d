// Residual block: two convolutions beside a short cut.
#pragma once

#include "layers/conv2d.h"

namespace sr {

/// y = x + conv2(act(conv1(x))), both 3x3, channels in = channels out. Without batch normalisation, as in Lim
/// et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR Workshops 2017,
/// section 3.1.
struct ResidualBlock {
  Conv2d conv1;  ///< with the leaky ReLU
  Conv2d conv2;  ///< without

  /// leak 0: a ReLU.
  ResidualBlock(const ParamScope& p, int64_t channels, float leak = 0)
      : conv1(p.sub("conv1"), channels, channels, 3, leak), conv2(p.sub("conv2"), channels, channels, 3, 1) {}

  /// y.
  Var operator()(const Var& x) const { return conv2(conv1(x), {x}); }

  /// Two pixels on each side.
  Reach reach() const { return conv1.reach() + conv2.reach(); }
};

}  // namespace sr

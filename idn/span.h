// The Swift Parameter-free Attention Network: Wan, Yu, Wu, Yang, Zhou, Xu, Yin, Zuo, Li, Hu, Zou, Zhao, Wu,
// "Swift Parameter-free Attention Network for Efficient Super-Resolution", CVPR Workshops 2024,
// arXiv 2311.12770.
//
// It computes a residual over the bicubic enlargement as IDN does, where the paper's computes the image (so
// does this one with Base::none). Inside it counts in steps of 1/256, where the paper's takes 255 times the
// image's distance from the data set's mean: of sums near zero the gate would leave next to nothing.
#pragma once

#include <vector>

#include "idn/network_options.h"
#include "layers/branched_conv2d.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"

namespace sr {

/// conv1, SiLU, conv2, SiLU, conv3, and the gate (z + x) * (sigmoid(z) - 1/2) of its sums z and the block's
/// input x.
class SpanBlock {
 public:
  SpanBlock(const ParamScope& p, const SpanOptions& options);  ///< creates its parameters
  /// What a block makes of x.
  struct Results {
    Var out;    ///< its result
    Var first;  ///< that of its first SiLU
  };
  Results operator()(const Var& x) const;  ///< as many channels as x has
  /// The same, band by band.
  struct Stages {
    bands::Rows out;    ///< its result
    bands::Rows first;  ///< that of its first SiLU
  };
  Stages stages(bands::Program& program, const bands::Rows& x) const;  ///< that compute it
  Reach reach() const;                                                 ///< of its convolutions

 private:
  BranchedConv2d conv1_, conv2_, conv3_;
};

/// The whole network: [n, h, w, nchan] -> [n, factor*h, factor*w, nchan]. Its functions are Network's.
class Span {
 public:
  Span(const ParamScope& p, const NetworkOptions& options);  ///< creates its parameters

  Var operator()(const Var& image) const;  ///< the residual
  bands::Program program() const;          ///< the same, band by band
  Reach reach() const;                     ///< of all layers
  int64_t recorded_channels() const;       ///< of what is recorded

 private:
  int64_t nchan_, channels_, joined_;
  BranchedConv2d features_;
  std::vector<SpanBlock> blocks_;
  BranchedConv2d last_;
  Conv2d join_;  ///< 1x1 of the last convolution's, the features, the first block's, the last one's first
  ConvTranspose2d upsample_;
};

}  // namespace sr

// The Information Distillation Network: Hui, Wang, Gao, "Fast and Accurate Single Image Super-Resolution via
// Information Distillation Network", CVPR 2018, arXiv 1803.09454.
#pragma once

#include <vector>

#include "idn/network_options.h"
#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"

namespace sr {

constexpr float kLeak = 0.05f;       ///< slope of the network's leaky ReLU
constexpr int kUpsampleKernel = 17;  ///< side of the upsampler's

/// Convolutions 3x3 from the image to 64 channels.
class FeatureBlock {
 public:
  FeatureBlock(const ParamScope& p, const NetworkOptions& options);             ///< creates its parameters
  Var operator()(const Var& image) const;                                       ///< 64 channels
  bands::Rows stages(bands::Program& program, const bands::Rows& image) const;  ///< the same, band by band
  Reach reach() const;                                                          ///< of all convolutions
  size_t layers() const { return convs_.size(); }                               ///< their number

 private:
  std::vector<Conv2d> convs_;
};

/// Enhancement (six 3x3 convolutions; 16 of the channels after the third skip the rest and are joined with
/// the input) and compression (1x1).
class DistillationBlock {
 public:
  DistillationBlock(const ParamScope& p, const NetworkOptions& options);    ///< creates its parameters
  Var operator()(const Var& x) const;                                       ///< 64 channels of 64
  bands::Rows stages(bands::Program& program, const bands::Rows& x) const;  ///< the same, band by band
  Reach reach() const;                                                      ///< of all convolutions

 private:
  Conv2d conv1_, conv2_, conv3_, conv4_, conv5_, conv6_, compress_;
};

/// The whole network: [n, h, w, nchan] -> [n, factor*h, factor*w, nchan]. Its functions are Network's.
class Idn {
 public:
  Idn(const ParamScope& p, const NetworkOptions& options);  ///< creates its parameters

  Var operator()(const Var& image) const;  ///< the residual
  bands::Program program() const;          ///< the same, band by band
  Reach reach() const;                     ///< of all layers
  int64_t recorded_channels() const;       ///< of what is recorded

 private:
  int64_t nchan_;
  FeatureBlock features_;
  std::vector<DistillationBlock> blocks_;
  ConvTranspose2d upsample_;
};

}  // namespace sr

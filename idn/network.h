// The Information Distillation Network: Hui, Wang, Gao, "Fast and Accurate Single Image Super-Resolution via
// Information Distillation Network", CVPR 2018, arXiv 1803.09454.
#pragma once

#include <vector>

#include "layers/conv2d.h"
#include "layers/conv_transpose2d.h"

namespace sr {

constexpr float kLeak = 0.05f;  ///< slope of the network's leaky ReLU

/// What decides a network's shape.
struct NetworkOptions {
  int factor = 2;                      ///< 2, 3 or 4
  int nchan = 1;                       ///< channels in and out
  int num_FB_layers = 2;               ///< convolutions of the feature extraction
  int num_Dist_blocks = 4;             ///< distillation blocks
  bool compression_activation = true;  ///< leaky ReLU after the 1x1 compression (the paper's network)
  int crop_begin =
      9 - 2;  ///< taps of the 17 that are cropped above and left; the paper's phase is 9 - factor

  bool operator==(const NetworkOptions&) const = default;  ///< of all
};

/// Errors: usage (a number out of its range).
void check(const NetworkOptions& options);

/// Convolutions 3x3 from the image to 64 channels.
class FeatureBlock {
 public:
  FeatureBlock(const ParamScope& p, const NetworkOptions& options);             ///< creates its parameters
  Var operator()(const Var& image) const;                                       ///< 64 channels
  bands::Rows stages(bands::Program& program, const bands::Rows& image) const;  ///< the same, band by band
  Reach reach() const;                                                          ///< of all convolutions

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

/// The whole network without the bicubic part: [n, h, w, nchan] -> residual [n, factor*h, factor*w, nchan].
class Network {
 public:
  /// Creates the parameters in `p`. Errors: usage.
  Network(const ParamScope& p, const NetworkOptions& options);

  Var operator()(const Var& image) const;  ///< the residual
  /// The same for images on the processor, without gradients: what runs band by band. It shares the weights.
  bands::Program program() const;
  const NetworkOptions& options() const { return options_; }  ///< as given

  /// How far a fine pixel's value looks in coarse pixels, from the layers: the margin that makes tiles exact.
  Reach reach() const;
  /// Memory of the layers' results, but for the last's, where a freed block serves its own size only, as in
  /// what is recorded for a GPU (DevicePool): channels per coarse pixel.
  int64_t recorded_channels() const;

 private:
  NetworkOptions options_;
  FeatureBlock features_;
  std::vector<DistillationBlock> blocks_;
  ConvTranspose2d upsample_;
};

}  // namespace sr

// A network with all that is needed to use it on images: what a checkpoint holds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "autograd/params.h"
#include "idn/network.h"
#include "idn/packed_network.h"
#include "idn/value_ranges.h"
#include "io/formats/checkpoint.h"

namespace sr {

/// How luma is made of RGB. A luma net sees Y; its residual is added to R, G and B through rgb_gain.
enum class LumaConvention {
  full,   ///< full-range BT.601, as OpenCV's YCrCb: Y = 0.299 R + 0.587 G + 0.114 B
  studio  ///< studio range, as MATLAB's rgb2ycbcr: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255
};

/// Coefficients for samples on the 0..1 scale: Y = offset + r R + g G + b B; a change dY of luma at unchanged
/// colour differences changes R, G and B by rgb_gain * dY each.
struct LumaCoefficients {
  double offset;    ///< Y of black
  double r;         ///< of red
  double g;         ///< of green
  double b;         ///< of blue
  double rgb_gain;  ///< of R, G and B for a change of Y
};
/// Those of a convention.
LumaCoefficients coefficients(LumaConvention convention);

/// Means over the training data, on the 0..1 scale, one per channel of the net: the net gets down -
/// mean_down, the result is net + (bic_up - mean_bic_up) + mean_gt, or without a base net + mean_gt.
struct MeanValues {
  std::vector<double> gt;                              ///< of the truth
  std::vector<double> down;                            ///< of it shrunk
  std::vector<double> bic_up;                          ///< of that enlarged again
  bool operator==(const MeanValues&) const = default;  ///< of all
};

/// Reads {"gt": [..], "down": [..], "bic_up": [..]} with `nchan` numbers each. Errors: io, format.
MeanValues load_mean_values(const std::string& path, int nchan);
/// Writes what load_mean_values() reads. Errors: io.
void save_mean_values(const std::string& path, const MeanValues& means);

/// What a checkpoint's tensors are called that only a training needs to go on.
constexpr const char* kTrainingPrefix = "training/";

/// The network, its parameters, and how images go in and come out.
class Model {
 public:
  /// He-normal weights from the seed, zero means. Errors: usage.
  explicit Model(const NetworkOptions& options, uint64_t seed = 1);

  /// Errors: io, format, limit (as load_checkpoint), format (not a model: every missing, extra or differing
  /// parameter is named), unsupported (an option from a newer version).
  static Model load(const std::string& checkpoint_path);
  /// The same for use: merged(), and the weights must be for `factor`. Errors: also format (they are for
  /// another).
  static Model load(const std::string& checkpoint_path, int factor);
  /// Errors: format (the weights, which came from `path`, are for another factor).
  void check_factor(int factor, const std::string& path) const;
  void save(const std::string& checkpoint_path) const;  ///< Errors: io

  /// The same to and from memory. Tensors and options of a training that the checkpoint carries beside the
  /// model (kTrainingPrefix, member "training") are passed over. `name` is for the errors.
  Checkpoint to_checkpoint() const;
  /// Back again. Errors: as load().
  static Model from_checkpoint(const Checkpoint& checkpoint, const std::string& name);

  /// The model with branches made to the convolutions that they are (BranchedConv2d), computed in double; as
  /// it is if it has none. It is on the processor.
  static Model merged(Model model);

  /// Moves the weights to `device`; images are sent there and their results fetched. Errors: device, limit.
  void to(Device device) { params->to(device); }
  /// Where the weights lie.
  Device device() const { return params->list().front().var.value().device(); }
  /// What the network adds to the bicubic enlargement, without shift(), for an image on the processor; in its
  /// memory again: its result, less the image's own enlargement where it has no base. Records nothing. The
  /// processor computes in bands::precision(); where the image is a part of a scene, `place` is where.
  /// Errors: also stopped.
  Tensor residual(Tensor image, bands::Origin place = {}) const;
  /// What the means add to that in a channel: mean_gt less what the enlargement is less, mean_bic_up, or
  /// without a base mean_down of the image that it was made of.
  float shift(size_t channel) const;
  bool has_base() const { return options().base == Base::bicubic; }  ///< or it makes the image itself
  /// How far a fine pixel of residual() looks on the processor, in coarse pixels: the margin that makes parts
  /// exact.
  Reach reach() const;
  /// Memory that residual() takes there beside image and result, for an image of this size.
  int64_t working_bytes(int64_t width, int64_t height) const;

  const NetworkOptions& options() const { return network->options(); }  ///< of the network
  int factor() const { return options().factor; }                       ///< by which it enlarges
  int nchan() const { return options().nchan; }                         ///< channels in and out

  std::unique_ptr<Params> params;              ///< the weights
  std::unique_ptr<Network> network;            ///< what is computed with them
  LumaConvention luma = LumaConvention::full;  ///< how luma is made, where the network sees it
  MeanValues means;                            ///< of the training data
  ValueRanges ranges;  ///< of the training samples, one for all bands or one for each; none = 8 bit, 0..255
  std::string origin;  ///< where the weights come from, for people

 private:
  std::shared_ptr<const bands::Network> packed() const { return packed_->of(*network, *params); }

  std::unique_ptr<PackedNetwork> packed_ = std::make_unique<PackedNetwork>();
};

}  // namespace sr

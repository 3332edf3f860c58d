// How good a network in training is on the tiles that were kept back.
#pragma once

#include <functional>
#include <vector>

#include "idn/model.h"
#include "idn/score.h"
#include "training/dataset/dataset.h"
#include "training/trainer.h"

namespace sr {

struct ValidationResult {
  double loss = 0;
  Quality bicubic, idn;                 ///< means over the tiles
  double bicubic_angle = 0, angle = 0;  ///< spectral angle in degrees, likewise; 0 for one channel
};

/// One tile as it was judged, for pictures.
struct ValidatedTile {
  int64_t index = 0;
  const Tensor& gt;
  const Tensor& bicubic;
  const Tensor& result;
};

/// The first `tiles` validation tiles that are large enough (all if there are fewer), each as a whole. PSNR
/// and SSIM on the 0..1 scale, peak 1, averaged over the channels, a border of `factor` pixels left out;
/// results for 8-bit samples are clamped to 0..1 first.
class Validation {
 public:
  /// The data set must outlive it.
  Validation(const Dataset& data, int64_t tiles, const TrainerOptions& options);

  /// Fine pixels that each side of a tile must have: SSIM's window of 11, and the borders.
  static int64_t least_side(int factor) { return 11 + 2 * factor; }

  /// Tiles; without any there is nothing to call.
  int64_t size() const { return static_cast<int64_t>(tiles_.size()); }

  /// `seen` gets each tile; it may throw to stop.
  ValidationResult operator()(const Model& model, const std::function<void(const ValidatedTile&)>& seen);

 private:
  const Dataset& data_;
  std::vector<int64_t> tiles_;
  TrainerOptions options_;        // of which the loss counts
  std::vector<Quality> bicubic_;  // of the tiles, which stays, once they were seen
};

/// Mean squared error and structural similarity of images [1, h, w, c] on the 0..1 scale as Validation takes
/// them. Errors: shape.
Quality unit_quality(const Tensor& image, const Tensor& truth, int border);

}  // namespace sr

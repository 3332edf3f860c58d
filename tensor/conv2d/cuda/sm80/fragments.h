// Weights as the tensor cores' mma takes them, which a warp's lanes hold piece by piece.
#pragma once

#include <span>

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

/// Weights in the order in which a warp's lanes hold them for mma: for every slice of the outputs, tap and k
/// step (32 bytes of input channels) the tiles of eight outputs that a group connects with it, two tiles
/// interleaved so that one 16-byte load brings a lane both, an odd last one by itself. A tile is 256 bytes.
struct FragmentOrder {
  int inputs, outputs, groups, taps;
  int step;        // input channels of a k step: 16, or 8 for TF32
  int slices;      // parts of the outputs that different blocks compute
  int pixels = 1;  // neighbours in a row whose outputs follow one another in `outputs`: a row of the product

  GPU_HD constexpr int steps() const { return (inputs + step - 1) / step; }
  GPU_HD constexpr int tiles() const { return (outputs + 8 * slices - 1) / (8 * slices); }
  /// Whether some channel of k step `kc` and some output of tile `nt` are of one group.
  GPU_HD constexpr bool used(int kc, int nt) const {
    const int ci = inputs / groups, co = outputs / groups;
    return groups == 1 || (step * kc / ci <= (8 * nt + 7) / co && 8 * nt / co <= (step * kc + step - 1) / ci);
  }
  /// The tiles used by a k step are first(kc) .. first(kc) + count(kc) - 1.
  GPU_HD constexpr int first(int kc) const {
    int nt = 0;
    while (!used(kc, nt)) ++nt;
    return nt;
  }
  GPU_HD constexpr int count(int kc) const {
    int sum = 0;
    for (int nt = 0; nt < tiles(); ++nt) sum += used(kc, nt) ? 1 : 0;
    return sum;
  }
  /// Tiles before k step kc in a tap; before(steps()) is all of them.
  GPU_HD constexpr int before(int kc) const {
    int sum = 0;
    for (int k = 0; k < kc; ++k) sum += count(k);
    return sum;
  }
  GPU_HD constexpr int bytes() const { return slices * taps * before(steps()) * 256; }
};

constexpr int kMostFragmentSteps = 128;  ///< k steps of an order

/// For ConvAlgorithm::pack of all algorithms that read fragments, so that they share launches. Errors: usage
/// (none of them serves a task).
void pack_as_fragments(std::span<const PackTask> tasks, const ConvDevice& device);

}  // namespace sr::cuda

// The network's answers for an image's eight flips and rotations.
#pragma once

#include <functional>

#include "layers/reach.h"
#include "tensor/tensor.h"

namespace sr {

/// Each answer turned back. The variance of a value over the eight is squares - shift * shift.
struct EnsembleResidual {
  Tensor mean;
  Tensor shift, squares;  ///< means of the differences from the first answer, and of their squares; or none
};

/// `residual` is the network for one image; what it is given is on the image's device.
EnsembleResidual ensemble_residual(const Tensor& image, bool with_spread,
                                   const std::function<Tensor(Tensor)>& residual);

/// That of a network of this reach: before and after change places.
inline Reach ensemble_reach(const Reach& reach) {
  return reach | Reach{reach.after, reach.before};
}

/// Tensors as large as the network's result that are held while it runs, and those that come then.
struct EnsembleMemory {
  int64_t during, after;
};
constexpr EnsembleMemory ensemble_memory(bool with_spread) {
  return with_spread ? EnsembleMemory{3, 8} : EnsembleMemory{1, 4};
}

}  // namespace sr

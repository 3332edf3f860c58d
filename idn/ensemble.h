// The network's answers for an image's eight flips and rotations.
#pragma once

#include <functional>

#include "layers/reach.h"
#include "tensor/bands/network.h"
#include "tensor/tensor.h"

namespace sr {

/// Each answer turned back. The variance of a value over the eight is squares - shift * shift.
struct EnsembleResidual {
  Tensor mean;
  Tensor shift, squares;  ///< means of the differences from the first answer, and of their squares; or none
};

/// `residual` is the network for one image under a symmetry; what it is given is on the image's device.
EnsembleResidual ensemble_residual(const Tensor& image, bool with_spread,
                                   const std::function<Tensor(Tensor, int symmetry)>& residual);

/// Where the first pixel of a part of a scene lies in the turned scene, whose pixels that ran backwards are
/// counted from -1 on downwards. `part` and `origin` are those before it is turned.
bands::Origin turned_origin(bands::Origin origin, const Shape& part, int symmetry);

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

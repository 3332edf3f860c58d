// The network on an image in memory.
#pragma once

#include "idn/model.h"

namespace sr {

/// bicubic + network for an image [1, h, w, c] on the 0..1 scale, whose channels go through the network
/// together if it takes so many, else each by itself. `bicubic` is the image enlarged by the factor, as the
/// network was trained on; one without a base does not see it. Memory does not grow with the image beyond
/// the images. Errors: usage (the network takes neither one channel nor c), shape.
Tensor super_resolve(const Model& model, const Tensor& image, const Tensor& bicubic);

/// The network's part alone, means included: what is added to bicubic_enlarge(image), also of a network that
/// makes the image itself.
Tensor network_residual(const Model& model, const Tensor& image);

}  // namespace sr

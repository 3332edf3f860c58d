// A network's weights as the processor's kernels take them, kept from one image to the next.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "autograd/params.h"
#include "idn/network.h"
#include "tensor/bands/network.h"

namespace sr {

class PackedNetwork {
 public:
  /// For bands::precision() and the instruction set in use. It is packed anew when these or the weights have
  /// changed, which are compared with those that were packed: an optimizer changes them in place.
  std::shared_ptr<const bands::Network> of(const Network& network, const Params& params);

 private:
  std::mutex mutex_;
  std::vector<float> weights_;  // that were packed
  std::shared_ptr<const bands::Network> packed_;
};

}  // namespace sr
